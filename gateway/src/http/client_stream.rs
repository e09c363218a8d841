//! A client's TCP connection, with the two habits a server of large bodies needs: it gives up on a client
//! that takes nothing, and it closes without destroying the answer.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a connection that was answered early may go on sending. Longer saves the answers of slower
/// clients, and keeps as many sockets open longer.
const LINGER_MAX: Duration = Duration::from_secs(5);
/// Bytes thrown away at a time while lingering.
const LINGER_READ_BYTES: usize = 16 * 1024;
/// Reads in one go while lingering, before others get their turn on the thread.
const LINGER_READS_PER_POLL: usize = 16;

/// When a [`ClientStream`] loses its patience.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Longest time without the client taking a single byte of what we have for it.
    pub write_stall: Duration,
}

/// A client's connection.
///
/// *Lingering close.* When an upload is refused before its end, the client is still sending. Closing the
/// socket then makes the kernel answer those bytes with a reset, and a reset throws away what the client has
/// not read yet, so that instead of `403` it sees a broken pipe. Therefore shutting down means: close our
/// direction, then read and drop what still comes, until the client closes too or `LINGER_MAX` has passed.
#[derive(Debug)]
pub struct ClientStream<S> {
    inner: S,
    limits: StreamLimits,
    /// Running while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Running once our direction is closed.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> ClientStream<S> {
    /// Wraps a connection that was just accepted.
    pub fn new(inner: S, limits: StreamLimits) -> Self {
        Self { inner, limits, stalled: None, lingering: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientStream<S> {
    /// Passes on what a write came to, and turns too long a wait into an error.
    fn watch_progress<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let stall = self.limits.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and drops until the client has closed its direction too. An error means that as well.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; LINGER_READ_BYTES];
        for _ in 0..LINGER_READS_PER_POLL {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch_progress(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch_progress(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(context);
        self.watch_progress(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let outcome = Pin::new(&mut self.inner).poll_shutdown(context);
            ready!(self.watch_progress(context, outcome))?;
        }
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER_MAX)));
        let out_of_time =
            lingering.deadline() <= Instant::now() || lingering.as_mut().poll(context).is_ready();
        if !out_of_time {
            ready!(self.poll_drain(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const LIMITS: StreamLimits = StreamLimits { write_stall: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_on() {
        let (server, mut client) = duplex(8);
        let mut stream = ClientStream::new(server, LIMITS);
        let begun = Instant::now();
        let error = stream.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), LIMITS.write_stall);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_not_a_stalled_one() {
        let (server, mut client) = duplex(1);
        let mut stream = ClientStream::new(server, LIMITS);
        let writing = tokio::spawn(async move { stream.write_all(&[0; 10]).await });
        for _ in 0..10 {
            sleep(LIMITS.write_stall - Duration::from_secs(1)).await;
            client.read_exact(&mut [0; 1]).await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn closing_swallows_what_the_client_still_sends() {
        let (server, mut client) = duplex(8);
        let mut stream = ClientStream::new(server, LIMITS);
        let closing = tokio::spawn(async move { stream.shutdown().await });
        client.write_all(&[0; 100_000]).await.unwrap();
        drop(client);
        closing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn closing_does_not_wait_for_ever() {
        let (server, _client) = duplex(8);
        let mut stream = ClientStream::new(server, LIMITS);
        let begun = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), LINGER_MAX);
    }
}
