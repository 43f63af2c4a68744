//! The request for a CRL: one plain GET, bounded in bytes and time, to no address that the guard forbids.
use super::failure::FetchFailure;
use crate::daemon::address_guard::{Forbidden, Guard};
use crate::reason::FetchReason;
use std::time::Duration;

/// One GET: plain HTTP, no redirect, no proxy, no more than `most` bytes, and no special address unless the host is among
/// `local`.
pub(super) fn get(
    uri: &str,
    most: u64,
    local: Vec<String>,
    patience: Duration,
) -> Result<Vec<u8>, FetchFailure> {
    // What a certificate names is a stranger's choice: no redirect to another address, no proxy that would do what the
    // guard forbids, no connection kept.
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .max_redirects(0)
        .proxy(None)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent("sipward")
        .build();
    let connector = ureq::unversioned::transport::DefaultConnector::default();
    let agent = ureq::Agent::with_parts(config, connector, Guard { local });
    // The guard looks at every address that the name has, before the connect.
    let mut response = agent.get(uri).call().map_err(failure)?;
    // A redirect is refused with any other status: it would lead to an address that nobody has looked at.
    let status = response.status();
    if status != ureq::http::StatusCode::OK {
        let status = format!("HTTP status {}", status.as_u16());
        return Err(FetchReason::HttpStatus.because(status));
    }
    let body = response.body_mut();
    // A length that is announced too large saves the transfer; without one the limit cuts it.
    if body.content_length().is_some_and(|length| length > most) {
        return Err(failure(ureq::Error::BodyExceedsLimit(most)));
    }
    body.with_config()
        .limit(most)
        .read_to_vec()
        .map_err(failure)
}

/// What an error of the HTTP library means to an operator.
fn failure(error: ureq::Error) -> FetchFailure {
    use ureq::Error;
    let reason = if matches!(error, Error::Timeout(_)) {
        FetchReason::FetchTimeout
    } else if matches!(error, Error::BodyExceedsLimit(_)) {
        FetchReason::FetchTooLarge
    } else if matches!(
        error,
        Error::Io(_) | Error::HostNotFound | Error::ConnectionFailed
    ) {
        FetchReason::Unreachable
    } else if matches!(&error, Error::Other(why) if why.is::<Forbidden>()) {
        FetchReason::SpecialAddress
    } else {
        FetchReason::NotHttp
    };
    reason.because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// What comes of a server that sends `answer` and waits for the client to go.
    fn ask(answer: &'static str) -> Result<Vec<u8>, &'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/ca.crl", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /ca.crl HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the client has closed.
            let _ = stream.read(&mut request);
        });
        let got = get(&uri, 8, local(), Duration::from_secs(5));
        let got = got.map_err(|failure| failure.reason.code());
        server.join().unwrap();
        got
    }

    #[test]
    fn a_get_is_plain_and_bounded() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678";
        assert_eq!(ask(whole), Ok(b"12345678".to_vec()));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n";
        assert_eq!(ask(chunked), Err("fetch_too_large"));
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n";
        assert_eq!(ask(announced), Err("fetch_too_large"));
        let elsewhere =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(ask(elsewhere), Err("http_status"));
        assert_eq!(ask("SIP/2.0 200 OK\r\n\r\n"), Err("not_http"));
        assert_eq!(
            ask("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n123"),
            Err("fetch_timeout")
        );
        assert!(get("https://127.0.0.1:1/", 8, local(), Duration::from_secs(5)).is_err());
    }

    fn local() -> Vec<String> {
        vec!["127.0.0.1".to_owned()]
    }

    #[test]
    fn no_form_of_a_special_address_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0",
            "localhost",
            "LOCALHOST.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
            "user@127.0.0.1",
        ] {
            let uri = format!("http://{host}:{port}/ca.crl");
            let failure = get(&uri, 8, Vec::new(), Duration::from_secs(5)).unwrap_err();
            // Some of them only some systems resolve.
            assert!(
                ["special_address", "unreachable", "not_http"].contains(&failure.reason.code()),
                "{host}: {} ({})",
                failure.reason,
                failure.detail
            );
        }
        assert!(listener.accept().is_err());
        let failure =
            get("http://127.0.0.1:1/", 8, Vec::new(), Duration::from_secs(5)).unwrap_err();
        assert_eq!(failure.reason, "special_address");
        // What is listed is another host's name, not the address that this one has.
        let failure = get("http://localhost:1/", 8, local(), Duration::from_secs(5)).unwrap_err();
        assert_eq!(failure.reason, "special_address");
    }
}
