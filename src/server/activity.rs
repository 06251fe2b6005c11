//! What one connection is doing: waiting, sending a head, or being answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The state that a connection's stream and its requests write, and its keeper reads.
///
/// hyper's own time-out for heads counts the wait between two requests as well,
/// and would close a connection that the API server is about to use again. This
/// one starts with a head's first byte.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    born: Instant,
    requests: AtomicUsize,
    /// Milliseconds since `born`, plus one; 0 outside a head.
    head: AtomicU64,
    /// When the last request was answered, in milliseconds since `born`.
    last: AtomicU64,
    closing: AtomicBool,
}

impl ConnectionActivity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            requests: AtomicUsize::new(0),
            head: AtomicU64::new(0),
            last: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        })
    }

    /// How long a head has been on its way, where one is.
    pub(super) fn head_for(&self) -> Option<Duration> {
        let since = self.head.load(Ordering::Acquire).checked_sub(1)?;
        Some(Duration::from_millis(self.now().saturating_sub(since)))
    }

    /// How long no request has been answered; none while one is. Bytes alone do
    /// not count: HTTP/2 answers pings for ever.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        if self.requests.load(Ordering::Acquire) > 0 {
            return None;
        }
        let last = self.last.load(Ordering::Acquire);
        Some(Duration::from_millis(self.now().saturating_sub(last)))
    }

    /// From now on answers say that the connection closes.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A request's head is complete; dropped with the answer.
    pub(super) fn request(self: &Arc<Self>) -> RequestGuard {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.head.store(0, Ordering::Release);
        RequestGuard(Arc::clone(self))
    }

    fn read(&self) {
        if self.requests.load(Ordering::Acquire) == 0 {
            // Only the first byte starts a head's clock: trickling must not restart it.
            let now = self.now() + 1;
            let _ = self.head.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<ConnectionActivity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.last.store(self.0.now(), Ordering::Release);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream that tells its pulse what it reads.
#[derive(Debug)]
pub(super) struct Watched<I> {
    stream: I,
    pulse: Arc<ConnectionActivity>,
}

impl<I> Watched<I> {
    pub(super) fn new(stream: I, pulse: Arc<ConnectionActivity>) -> Self {
        Self { stream, pulse }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.read();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
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
