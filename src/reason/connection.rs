//! The reasons of handshakes, of dials and of closed connections, in the order of a connection's life.
use super::{MessageReason, TrustReason};

reasons! {
    /// Why a handshake or a dial failed, or a connection was closed.
    pub enum ConnectionReason of Connection (check "", remedy "") {
        /// the address, or the peer, is denied: by limits.deny, by sipward deny, or by sipward kick with --for
        Denied "denied"
            check: "sipward deny list: who is denied, until when and why",
            remedy: "sipward deny remove, or take the network out of limits.deny; nothing, if that was intended",
        /// one address has as many connections as limits.connections_per_source allows
        TooManyFromSource "too_many_from_source"
            check: "ss -tn state established, grouped by the remote address",
            remedy: "find out who floods; behind a translating gateway raise the limit",
        /// one address has begun as many connections in this second as limits.connects_per_source allows
        TooManyConnects "too_many_connects"
            check: "handshake events of that remote; ss -tn, grouped by the remote address",
            remedy: "find out who connects without end; behind a translating gateway raise the limit",
        /// all handshakes that limits.handshakes allows were taken, few ended, and this one had been under way for three seconds
        TooManyHandshakes "too_many_handshakes"
            check: "sipward status; handshake_aborted events with `timeout` are clients that do not finish",
            remedy: "find out who begins handshakes without finishing them, or raise the limit",
        /// as many connections as limits.waiting allows had not sent their ClientHello or waited for a handshake, and this
        /// was the oldest of the source that had most of them
        TooManyWaiting "too_many_waiting"
            check: "ss -tn state established, grouped by the remote address; handshake_aborted events with `timeout` are connections that say nothing",
            remedy: "find out who opens connections and says nothing, or raise the limit",
        /// the ClientHello is longer than 16 KiB
        HelloTooLong "hello_too_long"
            check: "tcpdump -X -c 10 src host ADDRESS and dst port 5061: what the remote puts into its extensions",
            remedy: "nothing, if it is a scanner; else have the remote offer fewer key shares or a shorter ticket",
        /// every shard has as many connections as limits.connections allows
        TooManyConnections "too_many_connections"
            check: "sipward status; ss -tn state established, grouped by the remote address",
            remedy: "add nodes, shorten limits.client_idle, or raise the limit",
        /// the remote is a balancer of `proxy_protocol`, and what it sent first is no header of the PROXY protocol
        ProxyHeaderMissing "proxy_header_missing"
            check: "the balancer's settings for this server: `send-proxy` or `send-proxy-v2` in HAProxy, `proxy_protocol on` in nginx; `proxy_protocol` of the `listener`",
            remedy: "have it send the header, to each of its health checks too; take out of `proxy_protocol` who connects without one",
        /// the remote is a balancer of `proxy_protocol`, and its header is malformed
        ProxyHeaderMalformed "proxy_header_malformed"
            check: "tcpdump -X -c 10 src host BALANCER and dst port 5061, against the specification (haproxy.org/download/2.8/doc/proxy-protocol.txt)",
            remedy: "fix the balancer",
        /// the remote is a balancer of `proxy_protocol`, and its header is longer than 107 bytes in version 1, or 536 in version 2
        ProxyHeaderTooLong "proxy_header_too_long"
            check: "which additions (TLVs) the balancer is configured to send",
            remedy: "have it send fewer; sipward reads none of them",
        /// the remote is a balancer of `proxy_protocol`, and closed the connection in the middle of its header
        ProxyHeaderTruncated "proxy_header_truncated"
            check: "the balancer's log at that time",
            remedy: "fix it there",
        /// the remote is a balancer of `proxy_protocol`, and its header was not whole within limits.proxy_header_timeout
        ProxyHeaderTimeout "proxy_header_timeout"
            check: "whether the balancer sends the header as soon as it connects, or waits for its client",
            remedy: "have it send the header at once, or raise the limit",
        /// the remote is a balancer of `proxy_protocol`, and the connection that its header speaks of is no TCP over IP
        ProxyHeaderUnsupported "proxy_header_unsupported"
            check: "what the balancer listens on: UDP or a Unix socket has no source that could be counted",
            remedy: "have it listen on TCP",
        /// a header of the PROXY protocol came from an address that `proxy_protocol` of the listener does not list
        ProxyHeaderUnexpected "proxy_header_unexpected"
            check: "whether the `remote` is a balancer of yours; `proxy_protocol` of the `listener`",
            remedy: "list its address, or have it send no header; nothing, if it is not yours",
        /// the remote did not finish the handshake, or did not accept the connection, in time
        Timeout "timeout"
            check: "openssl s_client -connect HOST:PORT from this machine; packet filters between the two",
            remedy: "fix the network or the remote; limits.handshake_timeout and limits.connect_timeout are the bounds",
        /// the first bytes on the connection are not TLS
        NotTls "not_tls"
            check: "whether the remote uses TCP instead of TLS on this port: openssl s_client -connect HOST:PORT",
            remedy: "configure the remote for TLS, or dial the port where it speaks TLS; nothing, if it is a port scanner",
        /// the name that the remote asked for (SNI) is not a host name: it has a port or an invalid
        /// character, it is empty, or there are two
        ServerNameMalformed "server_name_malformed"
            check: "openssl s_client -connect HOST:PORT -servername FQDN from the remote; what is configured there as the server's name",
            remedy: "have the remote ask for the bare FQDN, without a port (RFC 6066 §3), or for no name",
        /// TLS failed for a reason that has no code of its own; the detail names it
        TlsError "tls_error"
            check: "openssl s_client -connect HOST:PORT -trace from the remote",
            remedy: "compare versions, ciphers and groups of both sides",
        /// the remote offers neither TLS 1.2 nor 1.3
        NoCommonVersion "no_common_version"
            check: "openssl s_client -connect HOST:PORT -tls1_2",
            remedy: "have the remote enable TLS 1.2 or 1.3; older versions are not supported",
        /// no cipher suite is common to both sides
        NoCommonCipher "no_common_cipher"
            check: "openssl s_client -connect HOST:PORT -tls1_2 -cipher ECDHE+AESGCM",
            remedy: "have the remote enable ECDHE with AES-GCM or ChaCha20-Poly1305",
        /// no key exchange group is common to both sides
        NoCommonGroup "no_common_group"
            check: "openssl s_client -connect HOST:PORT -groups P-256:X25519",
            remedy: "have the remote enable X25519, P-256 or P-384",
        /// no signature scheme is common to both sides
        NoCommonSignature "no_common_signature"
            check: "openssl x509 -in CERTIFICATE -noout -text, and the schemes that the remote offers",
            remedy: "use keys of RSA with 2048 bits or more, P-256, P-384 or Ed25519",
        /// no application protocol (ALPN) is common to both sides
        NoCommonProtocol "no_common_protocol"
            check: "openssl s_client -connect HOST:PORT -alpn sip",
            remedy: "have the remote leave ALPN out or offer sip or sip/2",
        /// the remote closed the connection in the middle of the handshake
        Closed "closed"
            check: "the remote's log at that time: it says why it went away",
            remedy: "fix it there; nothing, if a load balancer probes the port in this way",
        /// the remote, or a middlebox, reset the connection in the middle of the handshake
        Reset "reset"
            check: "the remote's log; packet filters and balancers between the two",
            remedy: "fix it there; nothing, if a load balancer probes the port in this way",
        /// the system reported an error on the socket; the detail names it
        IoError "io_error"
            check: "the detail; the network's and the system's logs",
            remedy: "fix the network",
        /// a connection without a certificate arrived at a listener that accepts peers only
        ClientNotAccepted "client_not_accepted"
            check: "`accept` of the `listener`; whether the server is configured to present its certificate",
            remedy: "have the server present its certificate, or point clients to a listener with accept = [\"client\"]",
        /// a peer of the topology arrived at a listener that accepts clients only
        PeerNotAccepted "peer_not_accepted"
            check: "`accept` of the `listener`",
            remedy: "add \"peer\" to `accept` of the listener, or point the server to another listener",
        /// a certificate was presented but no decision was made on it; such a connection is never used
        Undecided "undecided"
            check: "the event before it on the same remote",
            remedy: "report it: this should not happen",
        /// the listener through which the connection came is no longer in the topology
        ListenerRemoved "listener_removed"
            check: "the event reload before it",
            remedy: "nothing, if that was intended",
        /// the peer's name resolves to no address
        NoAddress "no_address"
            check: "dig A FQDN; dig AAAA FQDN; or `address` of the [[peer]]",
            remedy: "fix DNS, or give the peer an `address`",
        /// DNS did not answer in time
        LookupTimeout "lookup_timeout"
            check: "dig FQDN from this machine",
            remedy: "fix the resolver, or give the peer an `address`",
        /// no name server answered for the peer's name, and no earlier answer is kept
        LookupFailed "lookup_failed"
            check: "dig SRV _sips._tcp.FQDN and dig FQDN at each of the name servers ([dns] servers, or /etc/resolv.conf)",
            remedy: "fix the name servers or the path to them, or give the peer an `address`",
        /// the peer's domain says that it has no such service (an SRV record with the target ".")
        NoService "no_service"
            check: "dig SRV _sips._tcp.FQDN",
            remedy: "ask the operator of the domain, or give the peer an `address`",
        /// nothing listens at the peer's address
        ConnectionRefused "connection_refused"
            check: "ss -ltn on the peer; openssl s_client -connect HOST:PORT",
            remedy: "start the server, or correct the peer's `address`",
        /// the connection to the peer's address could not be made; the detail says why
        ConnectFailed "connect_failed"
            check: "ip route get ADDRESS; packet filters between the two",
            remedy: "fix the network, or correct the peer's `address`",
        /// connecting to the peer failed a moment ago, and the next try has to wait
        BackingOff "backing_off"
            check: "the event peer_disconnected before it: its reason, and retry_in_ms",
            remedy: "fix what it names; limits.backoff_min and limits.backoff_max bound the pause",
        /// a reload that changes the peer's entry, its trust, `[dns]` or this node's certificate came while the peer was being
        /// dialled; dialling starts again
        Reloaded "reloaded"
            check: "the event reload at that time",
            remedy: "nothing",
        /// the remote sends twice as many messages as limits.client_rate, or `rate` of the [[peer]], allows; nothing is lost, it is
        /// read more slowly
        TooManyMessages "too_many_messages"
            check: "messages_in of sipward connections; which program it is",
            remedy: "find out why it sends so much, or raise the rate",
        /// a thousand messages in a row led nowhere: responses to nothing, ACKs and CANCELs of no transaction
        LeadsNowhere "leads_nowhere"
            check: "message_dropped events of the remote; which program it is (user_agent of its requests)",
            remedy: "fix the remote; nothing, if it floods on purpose: a client is closed, a peer is read more slowly",
        /// a client without a binding was silent, and its place was needed: connections were near limits.connections, or
        /// to what the descriptors of the process allow
        MadeRoom "made_room"
            check: "sipward status; ss -tn state established, grouped by the remote address; ulimit -n of the service",
            remedy: "find out who opens connections without using them; raise limits.connections or LimitNOFILE",
        /// a new client connection sent no message within limits.first_message
        NoFirstMessage "no_first_message"
            check: "what the sender does after its handshake",
            remedy: "nothing, if it is a scanner; a slow phone needs a longer limits.first_message",
        /// a client connection sent neither a message nor a keep-alive within limits.client_idle
        Idle "idle"
            check: "the phone's keep-alive interval (RFC 5626 §3.5)",
            remedy: "shorten the phone's interval, or raise the limit",
        /// a peer with `keepalive` did not answer a ping within 10 seconds (RFC 5626 §4.4.1)
        NoPong "no_pong"
            check: "whether the peer answers CRLF keep-alives at all; the path between the two",
            remedy: "fix the path; for a peer that never answers leave `keepalive` out",
        /// the head of a message did not arrive completely within limits.head_timeout
        HeadTimeout "head_timeout"
            check: "the path between the two: loss, or large packets that are dropped",
            remedy: "fix the network; nothing, if the sender sends slowly on purpose",
        /// the body of a message did not arrive completely within limits.body_timeout
        BodyTimeout "body_timeout"
            check: "whether the sender's Content-Length fits what it sends",
            remedy: "fix the sender or the network",
        /// the remote connected and sent 20 KiB over TLS with no data in them, such as half a handshake message
        TlsWithoutData "tls_without_data"
            check: "which program it is: messages_in of the event; connections of that remote before it",
            remedy: "fix the remote; nothing, if it does so on purpose",
        /// the remote does not read: twice limits.send_queue was waiting to be sent, and a server has taken nothing for two
        /// seconds
        SendQueueFull "send_queue_full"
            check: "ss -tn: Send-Q of the connection; the remote's load",
            remedy: "fix the remote, or reduce its load",
        /// TLS was closed properly
        CloseNotify "close_notify"
            check: "nothing to check",
            remedy: "nothing",
        /// TCP was closed without a close_notify of TLS, as many SIP programs do
        EofWithoutCloseNotify "eof_without_close_notify"
            check: "the remote's log at that time",
            remedy: "nothing, if the remote meant to close",
        /// the daemon stopped, and the connection's transactions had finished or their time had passed
        Drain "drain"
            check: "the event stopped: how many transactions were abandoned",
            remedy: "nothing; limits.drain bounds the wait",
        /// this node lets its clients go, one after the other: for maintenance, or since a new process has the listeners
        LetGo "let_go"
            check: "the event clients_let_go or upgraded before it; sipward status: how many are left",
            remedy: "nothing: the client connects again; limits.handover is the time over which they go",
        /// after a change, the connection's certificate identifies another peer than before
        IdentityChanged "identity_changed"
            check: "sipward explain with `new_decision` of the event trust_withdrawn; the event reload before it",
            remedy: "nothing, if that was intended: the remote's next connection counts as that peer's",
        /// the local certificate shown on this connection has been replaced
        OwnCertificateReplaced "own_certificate_replaced"
            check: "the event reload before it: which identity was renewed; the not_after of the identity",
            remedy: "nothing: the next request dials with the new certificate",
        /// the connection was made under the name of its peer's `covers` that was used longest ago, and a 17th name is needed
        NameDisplaced "name_displaced"
            check: "the event handshake_accepted after it: its `sni`; how many names the partner writes into Record-Route",
            remedy: "nothing, if the partner has that many regions; else list fewer names in `covers`",
        /// an operator closed the connection with sipward kick
        Kicked "kicked"
            check: "the event control_request with the command kick, at that time",
            remedy: "nothing; the remote may connect again",
        /// the answer to the OPTIONS of sipward probe is not SIP; the detail names the rule that it breaks
        NotSip "not_sip"
            check: "openssl s_client -connect HOST:PORT: what that server sends",
            remedy: "correct the peer's `address` or port",
    }
    shared {
        Draining = MessageReason::Draining,
        TrustWithdrawn = MessageReason::TrustWithdrawn,
        NoAnswer = MessageReason::NoAnswer,
        NoCertificate = TrustReason::NoCertificate,
    }
}
