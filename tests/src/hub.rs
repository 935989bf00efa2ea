//! A stand-in for the Hugging Face hub: a server on the loopback that speaks the two routes `model pull` uses, and can
//! misbehave as networks do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Fault that the hub simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// No fault.
    #[default]
    None,
    /// Every connection is cut after this many bytes of a file.
    CutAfter(usize),
    /// The first so many answers for a file are cut at once; then all is well.
    CutFirst(usize),
    /// Bytes other than those published.
    WrongBytes,
    /// Range requests are ignored.
    NoRanges,
}

/// One file of one repository.
#[derive(Debug, Clone)]
pub struct Published {
    /// `owner/name`.
    pub repository: String,
    /// Name of the file.
    pub file: String,
    /// Contents of the file.
    pub bytes: Vec<u8>,
    /// SHA-256 that the hub announces.
    pub sha256: String,
}

/// A running hub. It ends with the process.
#[derive(Debug)]
pub struct Hub {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    /// Serves `published` with a fault.
    pub fn start(published: Published, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away in the middle is the client's affair.
                let _ = answer(stream, &published, fault, &log);
            }
        });
        Self { endpoint, requests }
    }

    /// Value for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The requests so far: the path, and the `Range` header if there was one.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while logging").clone()
    }
}

fn answer(mut stream: TcpStream, it: &Published, fault: Fault, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut from = 0;
    let mut entry = path.clone();
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            entry = format!("{path} {range}");
            from = range.trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    let earlier = {
        let mut log = log.lock().expect("no panic while logging");
        log.push(entry);
        log.iter().filter(|path| path.contains("/cdn/")).count()
    };
    if path == format!("/api/models/{}/revision/main?blobs=true", it.repository) {
        let lfs = serde_json::json!({ "sha256": it.sha256, "size": it.bytes.len() });
        let sibling = serde_json::json!({ "rfilename": it.file, "size": it.bytes.len(), "lfs": lfs });
        let body = serde_json::json!({ "sha": "0123abc", "siblings": [sibling] }).to_string();
        return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    }
    if path == format!("/{}/resolve/0123abc/{}", it.repository, it.file) {
        // The hub sends to its content network for the bytes.
        let location = format!("/cdn/{}", it.file);
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if path == format!("/cdn/{}", it.file) {
        return send_file(stream, it, fault, from, earlier);
    }
    write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn send_file(mut stream: TcpStream, it: &Published, fault: Fault, from: usize, nth: usize) -> std::io::Result<()> {
    let mut bytes = it.bytes.clone();
    if fault == Fault::WrongBytes {
        bytes[0] ^= 1;
    }
    let from = if fault == Fault::NoRanges { 0 } else { from };
    let rest = &bytes[from.min(bytes.len())..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", rest.len())?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len())?;
    }
    write!(stream, "\r\n")?;
    let sent = match fault {
        Fault::CutAfter(limit) => limit.min(rest.len()),
        Fault::CutFirst(count) if nth <= count => rest.len() / 3,
        _ => rest.len(),
    };
    stream.write_all(&rest[..sent])
}
