//! The HTTP server: a bounded number of connections, each with one request, one answer and a
//! deadline.
use super::cache::{Cache, Rendered};
use super::page;
use super::request::{HostRules, wanted};
use crate::daemon::Daemon;
use crate::daemon::upgrade::FormerHandle;
use crate::proxy::SourceKey;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Connections at a time. The oldest of the source that has most of them makes room for a new one, so that nobody who
/// connects without end, asks and does not read, or asks for nothing, can keep monitoring out.
const CONNECTIONS: usize = 256;
/// Bytes of a request's head, and fields in it: a browser sends a tenth of either.
const HEAD: usize = 16 * 1024;
const FIELDS: usize = 100;
/// From connecting to the end of the head.
const FOR_REQUEST: Duration = Duration::from_secs(5);
/// From connecting to the last byte taken.
const FOR_ALL: Duration = Duration::from_secs(30);
/// How long, and for how many bytes, a refused request is read on: to close over what nobody has
/// read is a reset, which may take the answer along.
const FOR_REST: Duration = Duration::from_secs(1);
const REST: u64 = 256 * 1024;
/// Pause when the process has no descriptors left: the socket stays readable, and trying at once
/// would burn the core.
const STARVED: Duration = Duration::from_millis(100);

/// What all connections share.
pub(super) struct HttpServer {
    /// For the hosts of the generation in force.
    daemon: Arc<Daemon>,
    /// Where answers come from.
    cache: Cache,
}

impl HttpServer {
    /// For this daemon, and the process before it while that is there.
    pub(super) fn new(daemon: Arc<Daemon>, former: Option<FormerHandle>) -> Self {
        Self {
            cache: Cache::new(Arc::clone(&daemon), former),
            daemon,
        }
    }
}

/// A connection that is served.
struct Attended {
    /// Ends it.
    task: AbortHandle,
    /// Whose it is.
    source: SourceKey,
}

/// Accepts until it is dropped.
pub(super) async fn serve(server: HttpServer, socket: std::net::TcpListener) {
    let Ok(socket) = TcpListener::from_std(socket) else {
        return;
    };
    let server = Arc::new(server);
    let mut attended: VecDeque<Attended> = VecDeque::new();
    loop {
        match socket.accept().await {
            Ok((stream, remote)) => {
                // What has ended is taken away, or the list would grow with each request.
                attended.retain(|it| !it.task.is_finished());
                if attended.len() >= CONNECTIONS {
                    make_room(&mut attended);
                }
                let task = attend(Arc::clone(&server), stream);
                attended.push_back(Attended {
                    task: tokio::spawn(task).abort_handle(),
                    source: SourceKey::of(remote.ip()),
                });
            }
            Err(_) => tokio::time::sleep(STARVED).await,
        }
    }
}

/// Ends one of them: an answer takes milliseconds, so that the oldest of a crowd is one that nobody waits for.
fn make_room(attended: &mut VecDeque<Attended>) {
    let at = oldest_of_fullest(attended.iter().map(|it| it.source));
    if let Some(ended) = at.and_then(|at| attended.remove(at)) {
        ended.task.abort();
    }
}

/// The place of the first that has the source of most; the sources stand in the order in which they came.
fn oldest_of_fullest(sources: impl Iterator<Item = SourceKey> + Clone) -> Option<usize> {
    let mut counts: HashMap<SourceKey, usize> = HashMap::new();
    for source in sources.clone() {
        *counts.entry(source).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let is_fullest = |source| counts.get(&source) == Some(&most);
    sources.clone().position(is_fullest)
}

/// One connection: its request, its answer, its end.
async fn attend(server: Arc<HttpServer>, mut stream: TcpStream) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let service = service_fn(|request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(server.answer(request, local.ip()).await) }
    });
    // Made for each connection: it holds settings only.
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(FOR_REQUEST)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        // One request each: who comes every fifteen seconds needs no connection in between.
        .keep_alive(false);
    // What hyper has against a request it has answered itself (400, 431), or the remote has gone.
    let served = http.serve_connection(TokioIo::new(&mut stream), service);
    if timeout(FOR_ALL, served).await.is_ok() {
        let _ = timeout(FOR_REST, async {
            stream.shutdown().await?;
            tokio::io::copy(&mut stream.take(REST), &mut tokio::io::sink()).await
        })
        .await;
    }
}

impl HttpServer {
    /// The answer to one request.
    async fn answer(&self, request: Request<Incoming>, local: IpAddr) -> Response<Full<Bytes>> {
        // The body, should there be one, is not read.
        let (head, _) = request.into_parts();
        let asked = {
            // Of each request anew: a reload may have changed the names.
            let generation = self.daemon.generation();
            let hosts = &generation.topology().http().hosts;
            wanted(&head, &HostRules { local, hosts })
        };
        // A refusal costs nobody anything, and waits for nobody.
        let rendered = match asked {
            Ok(wanted) => self.cache.rendered(wanted).await,
            Err(status) => refusal(status),
        };
        respond(rendered)
    }
}

/// What a request that is not carried out gets.
///
/// A sentence for whoever has mistyped something; who has come by mistake learns nothing of the
/// node by it.
fn refusal(status: StatusCode) -> Rendered {
    let what = match status {
        StatusCode::MISDIRECTED_REQUEST => {
            "this node is not asked by that name; [http] hosts lists further ones"
        }
        StatusCode::NOT_FOUND => "there are /, /metrics, /healthz and /readyz",
        other => other.canonical_reason().unwrap_or("refused"),
    };
    Rendered::plain(status, format!("{what}\n"))
}

/// The answer with the fields that all have: nothing of it is kept by anybody, nor taken for
/// something else.
fn respond(rendered: Rendered) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(rendered.body));
    *response.status_mut() = rendered.status;
    let fields = response.headers_mut();
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(rendered.content_type),
    );
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Of every answer, an error too. It is ASCII, so there always is one.
    if let Ok(policy) = HeaderValue::try_from(page::policy()) {
        fields.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if rendered.status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_fullest_source_makes_room() {
        let of = |addresses: &[&str]| {
            let sources = addresses.iter();
            oldest_of_fullest(sources.map(|it| SourceKey::of(it.parse().unwrap())))
        };
        let (monitoring, crowd) = ("192.0.2.1", "198.51.100.1");
        assert_eq!(of(&[monitoring, crowd, monitoring, crowd, crowd]), Some(1));
        assert_eq!(of(&[monitoring, crowd]), Some(0));
        // The addresses of one network of IPv6 are one source.
        let (first, second) = ("2001:db8::1", "2001:db8::2");
        assert_eq!(of(&[monitoring, first, second]), Some(1));
        assert_eq!(of(&[]), None);
    }
}
