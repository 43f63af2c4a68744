//! Requests to the HTTP listener, as any octets: only who has asked for this node by one of its names is answered.
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use sipward::daemon::{HostRules, Resource, wanted_of};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// `[http] hosts` of that listener.
const HOSTS: [&str; 2] = ["mon.contoso.test", "192.0.2.9"];

/// A connection over which all has come that will; what is answered is kept by nobody.
struct Wire<'b>(&'b [u8]);

impl Read for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(room.remaining()));
        room.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What the listener makes of it, for each request that its library takes for one.
fn asked(bytes: &[u8], local: IpAddr) -> Vec<Result<Resource, StatusCode>> {
    let asked = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (head, _) = request.into_parts();
        let hosts = HOSTS.map(str::to_owned);
        let rules = HostRules {
            local,
            hosts: &hosts,
        };
        asked.borrow_mut().push(wanted_of(&head, &rules));
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    // As the listener has it.
    let mut http = Builder::new();
    http.max_buf_size(16 * 1024)
        .max_headers(100)
        .keep_alive(false);
    {
        let mut served = pin!(http.serve_connection(Wire(bytes), service));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1_000 {
            if served.as_mut().poll(&mut context).is_ready() {
                break;
            }
        }
    }
    asked.into_inner()
}

/// The first octet says which address of this node the connection has come to.
pub fn http(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let local = ["10.0.0.5", "2001:db8::5", "::ffff:10.0.0.5", "127.0.0.1"];
    let local: IpAddr = local[usize::from(*first) % local.len()].parse().unwrap();
    let asked = asked(bytes, local);
    assert!(asked.len() <= 1, "a second request of one connection");
    let Some(Ok(_)) = asked.first() else {
        return;
    };
    // The same lines, read as simply as can be.
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.trim_start_matches(['\r', '\n']).split('\n');
    let first = lines.next().unwrap_or_default();
    let words: Vec<&str> = first.split_ascii_whitespace().collect();
    let [method, target, version] = words[..] else {
        panic!("answered: {first:?}");
    };
    assert!(["GET", "HEAD"].contains(&method), "answered: {method}");
    let fields = lines.map(|line| line.trim_end_matches('\r'));
    let fields: Vec<_> = fields.take_while(|line| !line.is_empty()).collect();
    let named = |name: &str| {
        let fields = fields.iter().filter_map(|line| line.split_once(':'));
        let values = fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name));
        values
            .map(|(_, value)| value.trim_matches([' ', '\t']))
            .collect::<Vec<_>>()
    };
    let hosts = named("host");
    assert!(hosts.len() <= 1, "answered: {hosts:?}");
    // A query may hold another one.
    let written = target
        .split_once("://")
        .filter(|_| !target.starts_with('/'));
    let absolute = written.map(|(_, rest)| rest);
    let absolute = absolute.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    for name in hosts.iter().copied().chain(absolute) {
        assert!(is_own(name, local), "answered: {name:?}");
    }
    if hosts.is_empty() && absolute.is_none() {
        assert_eq!(version, "HTTP/1.0", "answered without a host");
    }
    assert!(
        named("transfer-encoding").is_empty(),
        "answered with a body"
    );
    assert!(named("content-length").iter().all(|length| *length == "0"));
}

/// Whether a name, with or without a port, is one of this node's.
fn is_own(name: &str, local: IpAddr) -> bool {
    let host = match name.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => name.split(':').next().unwrap_or_default(),
    };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    match host.parse::<IpAddr>() {
        Ok(ip) => {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip == local.to_canonical() || HOSTS.contains(&&*ip.to_string())
        }
        Err(_) => host == "localhost" || HOSTS.contains(&host),
    }
}
