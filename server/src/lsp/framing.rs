//! Validates each message before the transport parses it.
//!
//! The transport stops reading at the first message that is not valid JSON-RPC. Here such a message is replaced by a
//! notification that the ingress answers with the protocol's error, so that a malformed message costs one error and not
//! the session.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// Method that replaces a malformed message. Its parameter is the code of the error.
pub(super) const MALFORMED: &str = "foretype/malformed";
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
/// Longest message that is read.
const MAX_MESSAGE_BYTES: u64 = 256 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// Messages of `input`, all well-formed. A task of its own reads and validates them.
pub(super) fn validated<R: AsyncRead + Unpin + Send + 'static>(input: R) -> DuplexStream {
    let (mut to, from) = tokio::io::duplex(BUFFER_BYTES);
    tokio::spawn(async move {
        let mut input = BufReader::new(input);
        while let Some(body) = read_message(&mut input).await {
            let body = error_code(&body).map_or(body, replacement);
            let header = format!("Content-Length: {}\r\n\r\n", body.len());
            if to.write_all(header.as_bytes()).await.is_err() || to.write_all(&body).await.is_err() {
                return;
            }
        }
    });
    from
}

/// Body of the next message; `None` at the end of the input. Headers without a length are skipped.
async fn read_message(input: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let read = (&mut *input).take(4096).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        match line.split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse::<u64>().ok().filter(|length| *length <= MAX_MESSAGE_BYTES);
            }
            _ if line.trim().is_empty() && length.is_some() => break,
            _ => {}
        }
    }
    let length = length?;
    let mut body = Vec::new();
    let read = (&mut *input).take(length).read_to_end(&mut body).await.ok()?;
    if read as u64 == length { Some(body) } else { None }
}

#[derive(Deserialize)]
struct Envelope {
    jsonrpc: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    id: Option<MessageId>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<ErrorShape>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MessageId {
    Number(#[expect(dead_code, reason = "only the shape matters")] i64),
    Text(#[expect(dead_code, reason = "only the shape matters")] String),
}

#[derive(Deserialize)]
struct ErrorShape {
    #[serde(rename = "code")]
    _code: i64,
    #[serde(rename = "message")]
    _message: String,
}

/// Error code for a malformed message; `None` for a valid one.
fn error_code(body: &[u8]) -> Option<i64> {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(message) if message.jsonrpc != "2.0" => Some(INVALID_REQUEST),
        Ok(message) if message.method.is_some() => None,
        // A response. One whose result is null has neither field here.
        Ok(message) if message.id.is_some() || message.result.is_some() || message.error.is_some() => None,
        Ok(_) => Some(INVALID_REQUEST),
        Err(error) if error.is_data() => Some(INVALID_REQUEST),
        Err(_) => Some(PARSE_ERROR),
    }
}

fn replacement(code: i64) -> Vec<u8> {
    serde_json::json!({ "jsonrpc": "2.0", "method": MALFORMED, "params": [code] }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_malformed_message_has_its_code() {
        for (body, code) in [
            (r#"{"jsonrpc":"2.0","method":"x","id":1}"#, None),
            (r#"{"jsonrpc":"2.0","method":"x","params":{"a":[1]}}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, None),
            (r#"{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":"m"}}"#, None),
            (r#"{"jsonrpc":"2.0","#, Some(PARSE_ERROR)),
            ("", Some(PARSE_ERROR)),
            (r#"{"jsonrpc":"1.0","method":"x"}"#, Some(INVALID_REQUEST)),
            (r#"{"jsonrpc":"2.0","method":7,"id":1}"#, Some(INVALID_REQUEST)),
            (r#"{"jsonrpc":"2.0","method":"x","id":[]}"#, Some(INVALID_REQUEST)),
            (r#"[1,2]"#, Some(INVALID_REQUEST)),
            (r#"{}"#, Some(INVALID_REQUEST)),
        ] {
            assert_eq!(error_code(body.as_bytes()), code, "{body}");
        }
        assert_eq!(error_code(b"{\"jsonrpc\": \"\xff\"}"), Some(PARSE_ERROR));
    }

    #[tokio::test]
    async fn a_header_without_a_length_is_skipped() {
        let messages = [
            "nonsense\r\n\r\nContent-Length: x\r\n\r\n",
            "content-length: 2\r\nContent-Type: y\r\n\r\n{}",
            "Content-Length: 5\r\n\r\n{}",
        ]
        .concat();
        let mut input = BufReader::new(messages.as_bytes());
        assert_eq!(read_message(&mut input).await, Some(b"{}".to_vec()));
        assert_eq!(read_message(&mut input).await, None, "cut short");
    }
}
