//! One kept connection that asks the same thing over and over, at little cost of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// An answer may wait for a disk that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A whole request, head and body.
#[derive(Clone, Debug)]
pub(super) struct Ask(Vec<u8>);

impl Ask {
    #[must_use]
    pub(super) fn new(method: &str, path: &str, authorization: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: kannas\r\nAuthorization: {authorization}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Self(text.into_bytes())
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub(super) fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| server.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// The body of a good answer, which has a length.
    ///
    /// # Errors
    /// Another answer than a 2xx, or none.
    pub(super) fn ask(&mut self, ask: &Ask) -> Result<&[u8]> {
        self.stream.write_all(&ask.0)?;
        self.answer.clear();
        let (start, end) = loop {
            let read = self.read(1 << 14)?;
            ensure!(read > 0, "the server hung up");
            if let Some(found) = body_of(&self.answer)? {
                break found;
            }
        };
        while self.answer.len() < end {
            ensure!(self.read(end - self.answer.len())? > 0, "the server hung up");
        }
        Ok(&self.answer[start..end])
    }

    fn read(&mut self, most: usize) -> Result<usize> {
        let before = self.answer.len();
        self.answer.resize(before + most, 0);
        let read = self.stream.read(&mut self.answer[before..])?;
        self.answer.truncate(before + read);
        Ok(read)
    }
}

/// Where the body begins and ends, once the head is whole.
fn body_of(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).context("the head")?;
    if !head.starts_with("HTTP/1.1 2") {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.context("no length")?.1.trim().parse().context("length")?;
    Ok(Some((end + 4, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_its_length_says() {
        let whole = b"HTTP/1.1 201 Created\r\ncontent-Length:  3\r\n\r\nabc";
        assert_eq!(body_of(whole).unwrap(), Some((44, 47)));
        assert_eq!(&whole[44..47], b"abc");
        assert_eq!(body_of(&whole[..40]).unwrap(), None);
        assert!(body_of(b"HTTP/1.1 201 Created\r\n\r\n").is_err(), "a length is needed");
        assert!(body_of(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
