//! The reason codes of handshakes, dials and connections: one table for code, cause, how to check and what to do.
//!
//! What a trust decision says of a certificate has its own table (`trust::Reason`), as have TLS alerts (`edge::alert`) and
//! what the proxy says of messages (`proxy::Reason`).

/// One code of the edge.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The stable identifier.
    pub code: &'static str,
    /// The cause in a sentence.
    pub says: &'static str,
    /// How to see whether that is it.
    pub check: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! rows {
    ($($code:literal, $says:literal, $check:literal, $remedy:literal;)+) => {
        /// Every row, in the order of a connection's life.
        pub static ROWS: &[Row] = &[$(Row { code: $code, says: $says, check: $check, remedy: $remedy }),+];
    };
}

rows! {
    "accept_failed",
        "the system could not hand over a connection that had arrived",
        "the event's detail; ulimit -n of the service and the count of open descriptors in /proc/PID/fd",
        "raise LimitNOFILE, or lower limits.connections";
    "too_many_from_source",
        "one address has as many connections as limits.connections_per_source allows",
        "ss -tn state established, grouped by the remote address",
        "find out who floods; behind a translating gateway raise the limit";
    "shard_busy",
        "the shard that should take the connection does not keep up",
        "sipward status; the load of the machine, top -H of the process",
        "add cores or nodes, or find out who floods";
    "too_many_handshakes",
        "as many handshakes are under way in the shard as limits.handshakes allows",
        "sipward status; handshake_aborted with timeout tells of clients that do not go on",
        "find out who opens connections without finishing them, or raise the limit";
    "too_many_connections",
        "the shard has as many connections as limits.connections allows",
        "sipward status; ss -tn state established, grouped by the remote address",
        "add nodes, shorten limits.client_idle, or raise the limit";
    "draining",
        "the daemon is stopping and takes no new connection",
        "the event drain before it",
        "connect to another node";
    "timeout",
        "the other side did not finish the handshake, or did not answer the connect, in time",
        "openssl s_client -connect HOST:PORT from this machine; packet filters between the two",
        "mend the network or the other side; limits.handshake_timeout and limits.connect_timeout are the bounds";
    "not_tls",
        "what came first on the connection is no TLS",
        "whether the sender is configured for TCP instead of TLS on this port",
        "configure the sender for TLS; a port scanner needs no remedy";
    "server_name_malformed",
        "the name that the other side asked for (SNI) is no host name: it has a port or a character of none, is empty, or there are two",
        "openssl s_client -connect HOST:PORT -servername FQDN from the other side; what is configured there as the server's name",
        "let the other side ask for the bare FQDN, without a port (RFC 6066 §3), or for no name";
    "tls_error",
        "TLS failed for a reason that has no code of its own; the detail tells it",
        "openssl s_client -connect HOST:PORT -trace from the other side",
        "compare versions, ciphers and groups of both sides";
    "no_common_version",
        "the other side offers neither TLS 1.2 nor 1.3",
        "openssl s_client -connect HOST:PORT -tls1_2",
        "let the other side enable TLS 1.2 or 1.3; older versions are not spoken here";
    "no_common_cipher",
        "no cipher suite is common to both sides",
        "openssl s_client -connect HOST:PORT -tls1_2 -cipher ECDHE+AESGCM",
        "let the other side enable ECDHE with AES-GCM or ChaCha20-Poly1305";
    "no_common_group",
        "no key exchange group is common to both sides",
        "openssl s_client -connect HOST:PORT -groups P-256:X25519",
        "let the other side enable X25519, P-256 or P-384";
    "no_common_signature",
        "no signature scheme is common to both sides",
        "openssl x509 -in CERTIFICATE -noout -text, and the schemes that the other side offers",
        "use keys of RSA with 2048 bits or more, P-256, P-384 or Ed25519";
    "no_common_protocol",
        "no application protocol (ALPN) is common to both sides",
        "openssl s_client -connect HOST:PORT -alpn sip",
        "let the other side leave ALPN out or offer sip or sip/2";
    "no_extended_master_secret",
        "the other side speaks TLS 1.2 without the extended master secret (RFC 7627)",
        "openssl s_client -connect HOST:PORT -tls1_2 shows `Extended master secret`",
        "update the other side, or let it speak TLS 1.3";
    "closed",
        "the other side closed the connection in the middle of the handshake",
        "the other side's log at that time: it tells why it went away",
        "mend it there; load balancers that probe a port do this and need no remedy";
    "reset",
        "the other side, or something between, reset the connection in the middle of the handshake",
        "the other side's log; packet filters and balancers between the two",
        "mend it there; load balancers that probe a port do this and need no remedy";
    "io_error",
        "the system reported an error on the socket; the detail tells it",
        "the detail; the network's and the system's logs",
        "mend the network";
    "client_not_accepted",
        "a connection without a certificate came to a listener that accepts peers only",
        "`accept` of the listener in `via`; whether the server is configured to present its certificate",
        "let the server present its certificate, or point clients to a listener with accept = [\"client\"]";
    "peer_not_accepted",
        "a listed server came to a listener that accepts clients only",
        "`accept` of the listener in `via`",
        "add \"peer\" to `accept` of the listener, or point the server to another";
    "undecided",
        "a certificate was presented but no decision was made on it; such a connection is never used",
        "the event before it on the same remote",
        "report it: this should not happen";
    "listener_removed",
        "the listener through which the connection came is no longer in the topology",
        "the event reload before it",
        "nothing, if that was intended";
    "no_address",
        "the peer's name resolves to no address",
        "dig A FQDN; dig AAAA FQDN; or `address` of the [[peer]]",
        "mend DNS, or give the peer an `address`";
    "lookup_timeout",
        "DNS did not answer in time",
        "dig FQDN from this machine",
        "mend the resolver, or give the peer an `address`";
    "lookup_failed",
        "no name server gave an answer for the peer's name, and none is kept",
        "dig SRV _sips._tcp.FQDN and dig FQDN at each of the name servers ([dns] servers, or /etc/resolv.conf)",
        "mend the name servers or the way to them, or give the peer an `address`";
    "no_service",
        "the peer's domain says that it has no such service (an SRV record with the target \".\")",
        "dig SRV _sips._tcp.FQDN",
        "ask who runs the domain; or give the peer an `address`";
    "connection_refused",
        "nobody listens at the peer's address",
        "ss -ltn on the peer; openssl s_client -connect HOST:PORT",
        "start the server, or correct the peer's `address`";
    "connect_failed",
        "the connection to the peer's address could not be made; the detail tells why",
        "ip route get ADDRESS; packet filters between the two",
        "mend the network, or correct the peer's `address`";
    "backing_off",
        "a connect to the peer failed a moment ago, and the next one waits",
        "the event peer_down before it: its reason, and retry_in_ms",
        "mend what it names; limits.backoff_min and limits.backoff_max bound the pause";
    "reloaded",
        "a reload came between dialling and the answer; the dial begins anew",
        "the event reload at that time",
        "nothing";
    "no_first_message",
        "a new client connection sent no message within limits.first_message",
        "what the sender does after its handshake",
        "nothing for a scanner; a slow phone needs a longer limits.first_message";
    "idle",
        "a client connection sent neither a message nor a keep-alive within limits.client_idle",
        "the phone's keep-alive interval (RFC 5626 §3.5)",
        "shorten the phone's interval, or raise the limit";
    "no_pong",
        "a peer with `keepalive` did not answer a ping within 10 seconds (RFC 5626 §4.4.1)",
        "whether the peer answers CRLF keep-alives at all; the path between the two",
        "mend the path; for a peer that never answers leave `keepalive` out";
    "head_timeout",
        "a message's head did not arrive whole within limits.head_timeout",
        "the path between the two: loss, or a packet too big that is dropped",
        "mend the network; a sender that drips octets needs no remedy";
    "body_timeout",
        "a message's body did not arrive whole within limits.body_timeout",
        "whether the sender's Content-Length fits what it sends",
        "mend the sender or the network";
    "send_queue_full",
        "the other side does not read: twice limits.send_queue was waiting for it",
        "ss -tn: Send-Q of the connection; the other side's load",
        "mend the other side";
    "close_notify",
        "TLS was closed properly",
        "nothing to check",
        "nothing";
    "eof_without_close_notify",
        "TCP was closed without the end of TLS; many SIP programs do so",
        "the other side's log at that time",
        "nothing, if it meant to close";
    "drain",
        "the daemon stopped, and what ran had finished or its time was up",
        "the event stopped: how many transactions were abandoned",
        "nothing; limits.drain bounds the wait";
    "trust_withdrawn",
        "after a change the connection's certificate no longer speaks for its peer",
        "sipward explain with the decision id of its handshake; the events reload and connection_closed",
        "nothing, if that was intended; otherwise mend what the explanation names";
    "identity_changed",
        "after a change the connection's certificate speaks for another peer than before",
        "sipward explain with `new_decision` of the event trust_withdrawn; the event reload before it",
        "nothing, if that was intended: the other side's next connection is that peer's";
    "own_certificate_replaced",
        "the certificate that we showed on this connection is no longer the one we show",
        "the event reload before it: which identity was renewed; the not_after of the identity",
        "nothing: the next request dials with the new certificate";
    "kicked",
        "an operator closed the connection with sipward kick",
        "the event control_request with the command kick, at that time",
        "nothing; what may connect may come again";
    "not_sip",
        "what answered the OPTIONS of sipward probe inside TLS is not SIP; the detail names the rule that it breaks",
        "openssl s_client -connect HOST:PORT: what that server says",
        "correct the peer's `address` or port";
    "shard_inbox_full",
        "another shard does not keep up with what is handed to it",
        "sipward status; top -H of the process",
        "add cores or nodes, or find out who floods";
    "shard_failed",
        "a shard ended by itself",
        "the lines before it",
        "report it with the log: this should not happen";
    "scheduling_refused",
        "the system did not let shards run under SCHED_BATCH; they run as the daemon was started, and a message costs more",
        "the unit's SystemCallFilter=: @resources has the call; the container's seccomp profile",
        "CPUSchedulingPolicy=batch in the unit, as config/sipward.service has it, or `scheduling = \"inherit\"` in [node]";
    "shard_kept_generation",
        "a shard did not take the new generation",
        "the event reload",
        "reload again; report it if it comes back";
}

/// The row of a code.
pub fn row(code: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Words of the edge's code that are values of other fields.
    const NO_REASONS: [&str; 6] = ["inbound", "outbound", "us", "them", "probe", "sip"];

    /// Every literal of the edge's code, its tests and tables left out, that could be a reason: one word in lower case.
    fn words_of_the_edge() -> Vec<(String, String)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/edge");
        let mut words = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if ["reason.rs", "alert.rs"].contains(&file.as_str()) {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            for line in lines {
                // The odd pieces stand between quotes.
                for word in line.split('"').skip(1).step_by(2) {
                    let in_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
                    if !word.is_empty() && word.bytes().all(in_word) {
                        words.push((file.clone(), word.to_owned()));
                    }
                }
            }
        }
        words
    }

    #[test]
    fn every_reason_that_the_edge_gives_stands_in_a_table() {
        let words = words_of_the_edge();
        assert!(words.len() > 60, "{}", words.len());
        let known = |code: &str| {
            row(code).is_some()
                || crate::edge::alert::by_code(code).is_some()
                || crate::trust::Reason::ALL.iter().any(|r| r.code() == code)
                || crate::proxy::Reason::ALL.iter().any(|r| r.code() == code)
        };
        for (file, word) in &words {
            assert!(
                NO_REASONS.contains(&word.as_str()) || known(word),
                "{file} says \"{word}\": give it a row, or say here that it is no reason"
            );
        }
        for row in ROWS {
            assert!(
                words.iter().any(|(_, word)| word == row.code),
                "nothing in the edge says {}",
                row.code
            );
        }
    }

    #[test]
    fn codes_stand_once_and_every_row_is_whole() {
        let mut seen = HashSet::new();
        for row in ROWS {
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!(
                row.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!(!row.says.is_empty() && !row.check.is_empty() && !row.remedy.is_empty());
        }
    }
}
