//! What a request may ask for, and by which name of this node.
//!
//! A page in somebody's browser can have its own name resolve to this address and then read what it
//! is answered (DNS rebinding), but the browser still says in `Host` which name it has asked for.
//! So only names that are known to be this node's are answered.
use crate::observe::metrics::Dialect;
use hyper::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Version};
use std::net::IpAddr;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `/`: the page.
    Page,
    /// `/metrics`.
    Metrics(Dialect),
    /// `/healthz`: whether every shard answers.
    Health,
    /// `/readyz`: whether connections are taken.
    Ready,
}

/// By which names this node may be asked.
pub struct HostRules<'h> {
    /// The address that the connection came to.
    pub local: IpAddr,
    /// `[http] hosts`.
    pub hosts: &'h [String],
}

/// What a request asks for.
///
/// # Errors
/// The status that it is refused with.
pub fn wanted(request: &Parts, rules: &HostRules<'_>) -> Result<Resource, StatusCode> {
    rules.check(request)?;
    // Nothing here takes a body, and nobody should send megabytes to find out.
    let length = request.headers.get(CONTENT_LENGTH);
    if length.is_some_and(|it| it != "0") || request.headers.contains_key(TRANSFER_ENCODING) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    // A query means nothing here, and browsers and scrapers like to send one: only the path counts.
    match request.uri.path() {
        "/" => Ok(Resource::Page),
        "/metrics" => Ok(Resource::Metrics(Dialect::accepted(&accept(
            &request.headers,
        )))),
        "/healthz" => Ok(Resource::Health),
        "/readyz" => Ok(Resource::Ready),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

/// All `Accept` fields as one (RFC 9110 §5.3).
fn accept(headers: &HeaderMap) -> String {
    let fields = headers.get_all(ACCEPT).iter();
    let fields: Vec<_> = fields.filter_map(|field| field.to_str().ok()).collect();
    fields.join(",")
}

impl HostRules<'_> {
    /// Whether the request is for this node (RFC 9112 §3.2).
    fn check(&self, request: &Parts) -> Result<(), StatusCode> {
        let mut fields = request.headers.get_all(HOST).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let target = request.uri.authority();
        if field.is_none() && target.is_none() {
            // Health checks of balancers send HTTP/1.0 without a host; no browser does.
            return match request.version {
                Version::HTTP_09 | Version::HTTP_10 => Ok(()),
                _ => Err(StatusCode::BAD_REQUEST),
            };
        }
        // Of a target in the absolute form the name counts as well, and both must be this node's.
        let field = field.map(|field| Authority::try_from(field.as_bytes()));
        let field = field.transpose().map_err(|_| StatusCode::BAD_REQUEST)?;
        let mut named = field.iter().chain(target);
        match named.all(|authority| self.allows(authority)) {
            true => Ok(()),
            // RFC 9110 §15.5.20.
            false => Err(StatusCode::MISDIRECTED_REQUEST),
        }
    }

    /// The port does not matter: a translating gateway may have changed it, and no attack needs
    /// another one.
    fn allows(&self, authority: &Authority) -> bool {
        let host = authority.host();
        // As URIs write an IPv6 address.
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // `user@localhost` is none of this node's names.
        if authority.as_str().contains('@') {
            return false;
        }
        // An address cannot be made to lead elsewhere; those that are not this node's are refused
        // all the same, since the request has come here by mistake.
        let Ok(ip) = host.parse::<IpAddr>() else {
            return host == "localhost" || self.hosts.contains(&host);
        };
        let ip = ip.to_canonical();
        ip.is_loopback() || ip == self.local.to_canonical() || self.hosts.contains(&ip.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn ask(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Resource, StatusCode> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let hosts = ["mon.contoso.test".to_owned(), "192.0.2.9".to_owned()];
        let rules = HostRules {
            local: "10.0.0.5".parse().unwrap(),
            hosts: &hosts,
        };
        wanted(&parts, &rules)
    }

    #[test]
    fn only_names_of_this_node_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "localhost.",
            "127.0.0.1:9464",
            "127.9.9.9",
            "[::1]:9464",
            "[::ffff:127.0.0.1]",
            "10.0.0.5:9464",
            "mon.contoso.test",
            "Mon.Contoso.test.:80",
            "192.0.2.9",
        ] {
            let answer = ask("GET", "/healthz", &[("host", host)]);
            assert_eq!(answer, Ok(Resource::Health), "{host}");
        }
        for host in [
            "evil.test",
            "localhost.evil.test",
            "evil.localhost",
            "10.0.0.6",
            "user@localhost",
            "127.0.0.1.evil.test",
            "0x7f000001",
        ] {
            let answer = ask("GET", "/healthz", &[("host", host)]);
            assert_eq!(answer, Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
    }

    #[test]
    fn a_host_that_is_missing_repeated_or_no_host_is_a_bad_request() {
        let bad = Err(StatusCode::BAD_REQUEST);
        assert_eq!(ask("GET", "/healthz", &[]), bad);
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(ask("GET", "/healthz", &twice), bad);
        for host in ["", "a b", "[::1", "local\u{ff}host"] {
            assert_eq!(ask("GET", "/healthz", &[("host", host)]), bad, "{host}");
        }
    }

    #[test]
    fn the_absolute_form_must_name_this_node_too() {
        let host = [("host", "localhost")];
        let good = ask("GET", "http://localhost/healthz", &host);
        assert_eq!(good, Ok(Resource::Health));
        let bad = ask("GET", "http://evil.test/healthz", &host);
        assert_eq!(bad, Err(StatusCode::MISDIRECTED_REQUEST));
    }

    #[test]
    fn methods_bodies_and_paths_have_a_status_of_their_own() {
        let host = ("host", "localhost");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            let answer = ask(method, "/metrics", &[host]);
            assert_eq!(answer, Err(StatusCode::METHOD_NOT_ALLOWED), "{method}");
        }
        assert_eq!(ask("HEAD", "/readyz", &[host]), Ok(Resource::Ready));
        assert_eq!(ask("GET", "/secret", &[host]), Err(StatusCode::NOT_FOUND));
        for body in [("content-length", "1"), ("transfer-encoding", "chunked")] {
            let answer = ask("GET", "/metrics", &[host, body]);
            assert_eq!(answer, Err(StatusCode::PAYLOAD_TOO_LARGE), "{body:?}");
        }
    }

    #[test]
    fn several_accept_fields_count_as_one() {
        let accept = [
            ("host", "localhost"),
            ("accept", "text/plain;q=0.1"),
            ("accept", "application/openmetrics-text"),
        ];
        let wanted = ask("GET", "/metrics?name=x", &accept);
        assert_eq!(wanted, Ok(Resource::Metrics(Dialect::OpenMetrics)));
    }
}
