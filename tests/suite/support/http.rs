//! As much of HTTP as a webhook takes: waiting for one request, and answering it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// More than a delivery takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What somebody posted.
pub(crate) struct Request {
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The next request, which is answered with 200.
pub(crate) fn request(listener: &TcpListener) -> Request {
    let began = Instant::now();
    listener.set_nonblocking(true).unwrap();
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => {
                assert!(began.elapsed() < PATIENCE, "nothing was delivered");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    };
    stream.set_nonblocking(false).unwrap();
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader
        .into_inner()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    Request { headers, body: String::from_utf8(body).unwrap() }
}
