//! Minimal HTTP/1.1 client for a server on this machine: one request per connection and a response that may stream. It
//! can close the connection while another thread reads from it, which HTTP libraries do not offer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Time limit for a response that does not stream.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection of one request.
#[derive(Debug)]
pub(super) struct HttpConnection {
    stream: TcpStream,
}

/// Body of a response.
pub(super) type ResponseBody = BufReader<Box<dyn Read + Send>>;

impl HttpConnection {
    /// Sends a request.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub(super) fn open(port: u16, method: &str, path: &str, body: &str) -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())?;
        Ok(Self { stream })
    }

    /// Waits for the head of the response and returns its body.
    ///
    /// # Errors
    /// If the status is not 200.
    pub(super) fn response_body(&self) -> Result<ResponseBody> {
        let mut reader = BufReader::new(self.stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let is_ok = line.split(' ').nth(1) == Some("200");
        let mut chunked = false;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            chunked |= header.to_ascii_lowercase().starts_with("transfer-encoding: chunked");
        }
        ensure!(is_ok, "the server answers: {}", line.trim());
        let body: Box<dyn Read + Send> =
            if chunked { Box::new(ChunkedReader { reader, left: 0 }) } else { Box::new(reader) };
        Ok(BufReader::new(body))
    }

    /// Closes the connection, which cancels the request.
    pub(super) fn close(&self) {
        // The connection may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Another handle to the same connection.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self { stream: self.stream.try_clone()? })
    }
}

/// Sends a request and reads the whole response.
///
/// # Errors
/// If the server cannot be reached or answers with another status than 200.
pub(super) fn call(port: u16, method: &str, path: &str, body: &str) -> Result<String> {
    let connection = HttpConnection::open(port, method, path, body)?;
    connection.stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut text = String::new();
    connection.response_body()?.read_to_string(&mut text)?;
    Ok(text)
}

/// Decoder of the chunked transfer encoding (RFC 9112, 7.1).
struct ChunkedReader<R> {
    reader: R,
    /// Bytes left in the current chunk.
    left: usize,
}

impl<R: BufRead> Read for ChunkedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            // An empty line ends a chunk. The last chunk has length 0.
            while line.trim().is_empty() {
                line.clear();
                if self.reader.read_line(&mut line)? == 0 {
                    return Ok(0);
                }
            }
            let size = line.split(';').next().unwrap_or_default().trim();
            self.left = usize::from_str_radix(size, 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let max_bytes = self.left.min(buffer.len());
        let count = self.reader.read(&mut buffer[..max_bytes])?;
        self.left -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let bytes = b"4\r\ndata\r\n6;x=y\r\n: one\n\r\n0\r\n\r\n";
        let mut text = String::new();
        ChunkedReader { reader: &bytes[..], left: 0 }.read_to_string(&mut text).expect("well-formed");
        assert_eq!(text, "data: one\n");
    }

    #[test]
    fn an_invalid_chunk_length_is_an_error() {
        let mut text = String::new();
        assert!(ChunkedReader { reader: &b"zz\r\n"[..], left: 0 }.read_to_string(&mut text).is_err());
    }
}
