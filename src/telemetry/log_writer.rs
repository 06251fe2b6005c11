//! Writes the log apart from who logs: a review never waits for whoever reads standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait to be written; what comes beyond is lost. That is half a second of denials, made as
/// fast as two processors can.
const MAX_QUEUED: usize = 4 * 1024 * 1024;
/// Lines of this time are written at once: a call of the system costs more than a line.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// How long the last lines may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Lines that were lost since the start of this process, which has one log.
static LOST_LINES: AtomicU64 = AtomicU64::new(0);

/// Lines that were lost because they came faster than they could be written.
pub(super) fn lost_lines() -> u64 {
    LOST_LINES.load(Ordering::Relaxed)
}

/// Where lines are handed over to be written.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Arc<Shared>);

/// Writes what is queued when it is dropped. Later lines are lost.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct LogGuard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to be written, or nothing more comes.
    filled: Condvar,
    /// All that there was has been written.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// Lines lost since that was last told.
    lost: u64,
    is_closed: bool,
    has_ended: bool,
}

impl LogWriter {
    /// Starts a thread that writes to `sink`, and calls `tell_lost` with the number of lines that were lost
    /// when there is room for a line again.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        tell_lost: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_all(sink, tell_lost))?;
        Ok((Self(Arc::clone(&shared)), LogGuard(shared)))
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Whoever panicked has at most queued a part of a line.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.queue();
        if queue.has_ended || queue.lines.len() + line.len() > MAX_QUEUED {
            queue.lost += 1;
            LOST_LINES.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.lines.is_empty();
        queue.lines.extend_from_slice(line);
        drop(queue);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Writes until the queue is closed and empty.
    fn write_all(&self, mut sink: impl Write, tell_lost: impl Fn(u64)) {
        let mut batch = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.lines.is_empty() && !queue.is_closed {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if !queue.is_closed {
                let waited = self.filled.wait_timeout_while(queue, BATCH_INTERVAL, |queue| !queue.is_closed);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            std::mem::swap(&mut queue.lines, &mut batch);
            let lost = std::mem::take(&mut queue.lost);
            if batch.is_empty() {
                queue.has_ended = true;
                self.ended.notify_all();
                return;
            }
            drop(queue);
            if lost > 0 {
                tell_lost(lost);
            }
            // Where the log cannot be written, there is nobody to be told.
            let _ = sink.write_all(&batch).and_then(|()| sink.flush());
            batch.clear();
            // A burst is not kept room for.
            batch.shrink_to(MAX_QUEUED / 16);
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_closed = true;
        self.0.filled.notify_all();
        // Nobody may read the other end any more.
        let _ = self.0.ended.wait_timeout_while(queue, CLOSE_TIMEOUT, |queue| !queue.has_ended);
    }
}

impl Write for LogWriter {
    /// Hands a line over. It comes as a whole: `tracing_subscriber` writes each by one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands on what is written, and waits each time until it may go on.
    struct SlowSink {
        written: mpsc::Sender<Vec<u8>>,
        may_go_on: mpsc::Receiver<()>,
    }

    impl Write for SlowSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            let _ = self.may_go_on.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(writer: &LogWriter, line: &str) {
        writer.clone().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn every_line_is_written_in_order_also_at_the_end() {
        let (sender, written) = mpsc::channel();
        let (proceed, may_go_on) = mpsc::channel();
        drop(proceed);
        let (writer, guard) = LogWriter::start(SlowSink { written: sender, may_go_on }, |_| {}).unwrap();
        let mut expected = String::new();
        for number in 0..10_000 {
            let line = format!("line {number}\n");
            log(&writer, &line);
            expected.push_str(&line);
        }
        drop(guard);
        assert_eq!(written.iter().flatten().collect::<Vec<_>>(), expected.as_bytes());
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_is_lost_is_told() {
        let (sender, written) = mpsc::channel();
        let (proceed, may_go_on) = mpsc::channel();
        let (told, lost) = mpsc::channel();
        let tell = move |lines| told.send(lines).unwrap();
        let (writer, guard) = LogWriter::start(SlowSink { written: sender, may_go_on }, tell).unwrap();
        log(&writer, "first\n");
        // The reader has begun, and stops here.
        assert_eq!(written.recv().unwrap(), b"first\n");
        let before = lost_lines();
        let mebibyte = "x".repeat(1024 * 1024);
        for _ in 0..7 {
            log(&writer, &mebibyte);
        }
        assert_eq!(lost_lines() - before, 3);
        drop(proceed);
        assert_eq!(lost.recv().unwrap(), 3);
        drop(guard);
        assert_eq!(written.iter().flatten().count(), MAX_QUEUED);
    }
}
