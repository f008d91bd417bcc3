//! Lines of bounded length from a stream: what is longer is cut off, and its
//! rest passed over up to the line's end. A cut message is no JSON, and is
//! ignored by the protocol as such; memory stays bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Longest line, bytes.
pub const LINE_MAX: usize = 1_024 * 1_024;
/// Bytes read at once.
const CHUNK: usize = 8 * 1_024;

/// Cuts lines that are too long.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    most: usize,
    /// Bytes of the present line that were passed on.
    length: usize,
}

impl<R> Lines<R> {
    /// Lines of at most so many bytes.
    pub const fn new(from: R, most: usize) -> Self {
        Self {
            from,
            most,
            length: 0,
        }
    }

    fn pass(&mut self, bytes: &[u8], to: &mut ReadBuf<'_>) {
        for byte in bytes {
            if *byte == b'\n' {
                self.length = 0;
                to.put_slice(b"\n");
            } else if self.length < self.most {
                self.length += 1;
                to.put_slice(std::slice::from_ref(byte));
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let mut space = [0_u8; CHUNK];
        // Nothing passed on would mean the end of the stream.
        while to.filled().len() == before && to.remaining() > 0 {
            let most = to.remaining().min(CHUNK);
            let Some(space) = space.get_mut(..most) else {
                break;
            };
            let mut chunk = ReadBuf::new(space);
            ready!(Pin::new(&mut self.from).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                break;
            }
            self.pass(chunk.filled(), to);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let (mut into, from) = tokio::io::duplex(64);
        let writer = tokio::spawn(async move {
            into.write_all(&vec![b'x'; 100_000]).await.unwrap();
            into.write_all(b"\nshort\n").await.unwrap();
        });
        let mut text = String::new();
        Lines::new(from, 10)
            .read_to_string(&mut text)
            .await
            .unwrap();
        writer.await.unwrap();
        assert_eq!(text, "xxxxxxxxxx\nshort\n");
    }
}
