//! What one connection is doing: idle, receiving request headers, or being answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Written by a connection's stream and its requests, read by its supervisor.
///
/// hyper's own time-out for headers also counts the wait between two requests, and
/// would close a connection that the API server is about to use again. This one
/// starts with the first byte of the headers.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    opened: Instant,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// When the first byte of the current headers arrived, in milliseconds since
    /// `opened`, plus one; 0 while none are being received.
    headers_began: AtomicU64,
    /// When the last request was answered, in milliseconds since `opened`.
    last_answer: AtomicU64,
    closing: AtomicBool,
    /// Whether a request came that only an API server makes.
    is_known: AtomicBool,
    /// Whether a request came that no API server makes.
    is_refused: AtomicBool,
}

impl ConnectionActivity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            headers_began: AtomicU64::new(0),
            last_answer: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
        })
    }

    /// For how long request headers have been arriving, if they are.
    pub(super) fn receiving_headers_for(&self) -> Option<Duration> {
        let began = self.headers_began.load(Ordering::Acquire).checked_sub(1)?;
        Some(Duration::from_millis(self.now().saturating_sub(began)))
    }

    /// For how long no request has been answered; none while one is. Bytes alone do
    /// not count: an HTTP/2 client may answer pings for ever.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        if self.requests.load(Ordering::Acquire) > 0 {
            return None;
        }
        let last = self.last_answer.load(Ordering::Acquire);
        Some(Duration::from_millis(self.now().saturating_sub(last)))
    }

    /// Notes that the client knows the path at which reviews are received.
    pub(super) fn mark_known(&self) {
        self.is_known.store(true, Ordering::Release);
    }

    /// Notes that the client asked for something else. One that has not shown that it knows the path
    /// is answered once: else its requests would keep the threads busy that answer API servers.
    pub(super) fn mark_refused(&self) {
        if self.is_stranger() {
            self.is_refused.store(true, Ordering::Release);
            self.close();
        }
    }

    /// Whether the client is to be served no more.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Acquire)
    }

    /// Whether the client has not shown yet that it knows that path.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_known.load(Ordering::Acquire)
    }

    /// For how long the connection has been open.
    pub(super) fn open_for(&self) -> Duration {
        self.opened.elapsed()
    }

    /// From now on responses say that the connection closes.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Notes that a request's headers are complete. The guard is dropped with the answer.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.headers_began.store(0, Ordering::Release);
        RequestGuard(Arc::clone(self))
    }

    fn bytes_received(&self) {
        if self.requests.load(Ordering::Acquire) == 0 {
            // Only the first byte starts the clock, so that sending byte by byte does not restart it.
            let now = self.now() + 1;
            let _ = self.headers_began.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<ConnectionActivity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.last_answer.store(self.0.now(), Ordering::Release);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream that notes in its connection's activity when bytes arrive.
#[derive(Debug)]
pub(super) struct TrackedStream<I> {
    stream: I,
    activity: Arc<ConnectionActivity>,
}

impl<I> TrackedStream<I> {
    pub(super) fn new(stream: I, activity: Arc<ConnectionActivity>) -> Self {
        Self { stream, activity }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TrackedStream<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.bytes_received();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TrackedStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
