//! A plain HTTP client that sends what it is given, and the programs that judge what comes back.
use super::{Edge, SOON, left_out};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    /// The head, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl HttpAnswer {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The value of a sample of Prometheus' text format, written as it stands there; 0 if it is not there.
    pub(crate) fn sample(&self, series: &str) -> f64 {
        let mut lines = self.body.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// A connection that says nothing yet.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is who comes from outside"
)]
pub(crate) async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address).await
}

/// Sends these bytes and reads until the daemon closes.
pub(crate) async fn say(address: SocketAddr, octets: &[u8]) -> HttpAnswer {
    let exchange = async {
        let mut stream = connect(address).await.unwrap();
        // One who is refused may be closed on before all is sent.
        let _ = stream.write_all(octets).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let text = tokio::time::timeout(SOON, exchange).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    HttpAnswer {
        status: head.get(9..12).and_then(|it| it.parse().ok()).unwrap_or(0),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// A GET of a path, with further lines of the head.
pub(crate) async fn get(address: SocketAddr, path: &str, further: &str) -> HttpAnswer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{further}\r\n");
    say(address, request.as_bytes()).await
}

impl Edge {
    /// Where it serves HTTP.
    pub(crate) async fn http(&self) -> SocketAddr {
        let event = self.log.wait("http_listening", |_| true).await.unwrap();
        event["address"].as_str().unwrap().parse().unwrap()
    }

    /// The metrics as soon as they are as wanted.
    pub(crate) async fn metrics_once(&self, wanted: impl Fn(&HttpAnswer) -> bool) -> HttpAnswer {
        let address = self.http().await;
        let mut last = None;
        for _ in 0..300 {
            let metrics = get(address, "/metrics", "").await;
            assert_eq!(metrics.status, 200, "{metrics:?}");
            if wanted(&metrics) {
                return metrics;
            }
            last = Some(metrics);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("not as wanted: {}", last.unwrap().body);
    }
}

/// A program of others; `None`, with a line on standard error, where it is not installed. With `SIPWARD_INTEROP=require`
/// it must be.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        left_out(&format!("{name} is not installed"));
    }
    found
}
