//! The reasons of handshakes, of dials and of closed connections, in the order of a connection's life.
use super::{MessageReason, TrustReason};

reasons! {
    /// Why a handshake or a dial failed, or a connection was closed.
    pub enum ConnectionReason of Connection {
        TooManyFromSource "too_many_from_source" {
            what: "one address has as many connections as limits.connections_per_source allows",
            check: "ss -tn state established, grouped by the remote address",
            remedy: "find out who floods; behind a translating gateway raise the limit",
        }
        ShardBusy "shard_busy" {
            what: "the shard that should take the connection does not keep up",
            check: "sipward status; the load of the machine, top -H of the process",
            remedy: "add cores or nodes, or find out who floods",
        }
        TooManyHandshakes "too_many_handshakes" {
            what: "as many handshakes are under way in the shard as limits.handshakes allows",
            check: "sipward status; handshake_aborted with timeout tells of clients that do not go on",
            remedy: "find out who opens connections without finishing them, or raise the limit",
        }
        TooManyConnections "too_many_connections" {
            what: "the shard has as many connections as limits.connections allows",
            check: "sipward status; ss -tn state established, grouped by the remote address",
            remedy: "add nodes, shorten limits.client_idle, or raise the limit",
        }
        Timeout "timeout" {
            what: "the other side did not finish the handshake, or did not answer the connect, in time",
            check: "openssl s_client -connect HOST:PORT from this machine; packet filters between the two",
            remedy: "mend the network or the other side; limits.handshake_timeout and limits.connect_timeout are the bounds",
        }
        NotTls "not_tls" {
            what: "what came first on the connection is no TLS",
            check: "whether the sender is configured for TCP instead of TLS on this port",
            remedy: "configure the sender for TLS; a port scanner needs no remedy",
        }
        ServerNameMalformed "server_name_malformed" {
            what: "the name that the other side asked for (SNI) is no host name: it has a port or a character of none, is empty, or there are two",
            check: "openssl s_client -connect HOST:PORT -servername FQDN from the other side; what is configured there as the server's name",
            remedy: "let the other side ask for the bare FQDN, without a port (RFC 6066 §3), or for no name",
        }
        TlsError "tls_error" {
            what: "TLS failed for a reason that has no code of its own; the detail tells it",
            check: "openssl s_client -connect HOST:PORT -trace from the other side",
            remedy: "compare versions, ciphers and groups of both sides",
        }
        NoCommonVersion "no_common_version" {
            what: "the other side offers neither TLS 1.2 nor 1.3",
            check: "openssl s_client -connect HOST:PORT -tls1_2",
            remedy: "let the other side enable TLS 1.2 or 1.3; older versions are not spoken here",
        }
        NoCommonCipher "no_common_cipher" {
            what: "no cipher suite is common to both sides",
            check: "openssl s_client -connect HOST:PORT -tls1_2 -cipher ECDHE+AESGCM",
            remedy: "let the other side enable ECDHE with AES-GCM or ChaCha20-Poly1305",
        }
        NoCommonGroup "no_common_group" {
            what: "no key exchange group is common to both sides",
            check: "openssl s_client -connect HOST:PORT -groups P-256:X25519",
            remedy: "let the other side enable X25519, P-256 or P-384",
        }
        NoCommonSignature "no_common_signature" {
            what: "no signature scheme is common to both sides",
            check: "openssl x509 -in CERTIFICATE -noout -text, and the schemes that the other side offers",
            remedy: "use keys of RSA with 2048 bits or more, P-256, P-384 or Ed25519",
        }
        NoCommonProtocol "no_common_protocol" {
            what: "no application protocol (ALPN) is common to both sides",
            check: "openssl s_client -connect HOST:PORT -alpn sip",
            remedy: "let the other side leave ALPN out or offer sip or sip/2",
        }
        Closed "closed" {
            what: "the other side closed the connection in the middle of the handshake",
            check: "the other side's log at that time: it tells why it went away",
            remedy: "mend it there; load balancers that probe a port do this and need no remedy",
        }
        Reset "reset" {
            what: "the other side, or something between, reset the connection in the middle of the handshake",
            check: "the other side's log; packet filters and balancers between the two",
            remedy: "mend it there; load balancers that probe a port do this and need no remedy",
        }
        IoError "io_error" {
            what: "the system reported an error on the socket; the detail tells it",
            check: "the detail; the network's and the system's logs",
            remedy: "mend the network",
        }
        ClientNotAccepted "client_not_accepted" {
            what: "a connection without a certificate came to a listener that accepts peers only",
            check: "`accept` of the `listener`; whether the server is configured to present its certificate",
            remedy: "let the server present its certificate, or point clients to a listener with accept = [\"client\"]",
        }
        PeerNotAccepted "peer_not_accepted" {
            what: "a listed server came to a listener that accepts clients only",
            check: "`accept` of the `listener`",
            remedy: "add \"peer\" to `accept` of the listener, or point the server to another",
        }
        Undecided "undecided" {
            what: "a certificate was presented but no decision was made on it; such a connection is never used",
            check: "the event before it on the same remote",
            remedy: "report it: this should not happen",
        }
        ListenerRemoved "listener_removed" {
            what: "the listener through which the connection came is no longer in the topology",
            check: "the event reload before it",
            remedy: "nothing, if that was intended",
        }
        NoAddress "no_address" {
            what: "the peer's name resolves to no address",
            check: "dig A FQDN; dig AAAA FQDN; or `address` of the [[peer]]",
            remedy: "mend DNS, or give the peer an `address`",
        }
        LookupTimeout "lookup_timeout" {
            what: "DNS did not answer in time",
            check: "dig FQDN from this machine",
            remedy: "mend the resolver, or give the peer an `address`",
        }
        LookupFailed "lookup_failed" {
            what: "no name server gave an answer for the peer's name, and none is kept",
            check: "dig SRV _sips._tcp.FQDN and dig FQDN at each of the name servers ([dns] servers, or /etc/resolv.conf)",
            remedy: "mend the name servers or the way to them, or give the peer an `address`",
        }
        NoService "no_service" {
            what: "the peer's domain says that it has no such service (an SRV record with the target \".\")",
            check: "dig SRV _sips._tcp.FQDN",
            remedy: "ask who runs the domain; or give the peer an `address`",
        }
        ConnectionRefused "connection_refused" {
            what: "nobody listens at the peer's address",
            check: "ss -ltn on the peer; openssl s_client -connect HOST:PORT",
            remedy: "start the server, or correct the peer's `address`",
        }
        ConnectFailed "connect_failed" {
            what: "the connection to the peer's address could not be made; the detail tells why",
            check: "ip route get ADDRESS; packet filters between the two",
            remedy: "mend the network, or correct the peer's `address`",
        }
        BackingOff "backing_off" {
            what: "a connect to the peer failed a moment ago, and the next one waits",
            check: "the event peer_disconnected before it: its reason, and retry_in_ms",
            remedy: "mend what it names; limits.backoff_min and limits.backoff_max bound the pause",
        }
        Reloaded "reloaded" {
            what: "a reload came between dialling and the answer; the dial begins anew",
            check: "the event reload at that time",
            remedy: "nothing",
        }
        NoFirstMessage "no_first_message" {
            what: "a new client connection sent no message within limits.first_message",
            check: "what the sender does after its handshake",
            remedy: "nothing for a scanner; a slow phone needs a longer limits.first_message",
        }
        Idle "idle" {
            what: "a client connection sent neither a message nor a keep-alive within limits.client_idle",
            check: "the phone's keep-alive interval (RFC 5626 §3.5)",
            remedy: "shorten the phone's interval, or raise the limit",
        }
        NoPong "no_pong" {
            what: "a peer with `keepalive` did not answer a ping within 10 seconds (RFC 5626 §4.4.1)",
            check: "whether the peer answers CRLF keep-alives at all; the path between the two",
            remedy: "mend the path; for a peer that never answers leave `keepalive` out",
        }
        HeadTimeout "head_timeout" {
            what: "a message's head did not arrive whole within limits.head_timeout",
            check: "the path between the two: loss, or a packet too big that is dropped",
            remedy: "mend the network; a sender that drips octets needs no remedy",
        }
        BodyTimeout "body_timeout" {
            what: "a message's body did not arrive whole within limits.body_timeout",
            check: "whether the sender's Content-Length fits what it sends",
            remedy: "mend the sender or the network",
        }
        SendQueueFull "send_queue_full" {
            what: "the other side does not read: twice limits.send_queue was waiting for it",
            check: "ss -tn: Send-Q of the connection; the other side's load",
            remedy: "mend the other side",
        }
        CloseNotify "close_notify" {
            what: "TLS was closed properly",
            check: "nothing to check",
            remedy: "nothing",
        }
        EofWithoutCloseNotify "eof_without_close_notify" {
            what: "TCP was closed without the end of TLS; many SIP programs do so",
            check: "the other side's log at that time",
            remedy: "nothing, if it meant to close",
        }
        Drain "drain" {
            what: "the daemon stopped, and what ran had finished or its time was up",
            check: "the event stopped: how many transactions were abandoned",
            remedy: "nothing; limits.drain bounds the wait",
        }
        IdentityChanged "identity_changed" {
            what: "after a change the connection's certificate speaks for another peer than before",
            check: "sipward explain with `new_decision` of the event trust_withdrawn; the event reload before it",
            remedy: "nothing, if that was intended: the other side's next connection is that peer's",
        }
        OwnCertificateReplaced "own_certificate_replaced" {
            what: "the certificate that we showed on this connection is no longer the one we show",
            check: "the event reload before it: which identity was renewed; the not_after of the identity",
            remedy: "nothing: the next request dials with the new certificate",
        }
        Kicked "kicked" {
            what: "an operator closed the connection with sipward kick",
            check: "the event control_request with the command kick, at that time",
            remedy: "nothing; what may connect may come again",
        }
        NotSip "not_sip" {
            what: "what answered the OPTIONS of sipward probe inside TLS is not SIP; the detail names the rule that it breaks",
            check: "openssl s_client -connect HOST:PORT: what that server says",
            remedy: "correct the peer's `address` or port",
        }
    }
    shared {
        Draining = MessageReason::Draining,
        TrustWithdrawn = MessageReason::TrustWithdrawn,
        NoAnswer = MessageReason::NoAnswer,
        NoCertificate = TrustReason::NoCertificate,
    }
}
