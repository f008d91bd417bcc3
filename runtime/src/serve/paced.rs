//! A stream whose reader must keep taking what is written.
//!
//! HTTP servers bound the time to send a request; the time to take an answer
//! is bounded here: a write that makes no progress for `stall`, or an answer
//! that is not taken whole within `answer`, ends the connection.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

pub(super) struct Paced<S> {
    stream: S,
    stall: Duration,
    answer: Duration,
    /// Since when the present answer is being written.
    begun: Option<Instant>,
    /// Ends a write that waits.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, stall: Duration, answer: Duration) -> Self {
        Self {
            stream,
            stall,
            answer,
            begun: None,
            alarm: None,
        }
    }

    /// Passes progress on; ends a wait that lasts too long.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let late = begun.elapsed() >= self.answer;
        if progress.is_ready() && !late {
            self.alarm = None;
            return progress;
        }
        let left = self.answer.saturating_sub(begun.elapsed());
        let wait = self.stall.min(left);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(wait)));
        if !late {
            ready!(alarm.as_mut().poll(context));
        }
        let message = "the client does not take the answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.alarm.is_none() {
            // The next request: its answer has its own time.
            self.begun = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        match flushed {
            Poll::Pending => self.watch(context, Poll::Pending).map_ok(|_| ()),
            done @ Poll::Ready(_) => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
