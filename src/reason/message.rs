//! The reasons for which the proxy refuses, drops or fails a message.
use super::{Learns, Rule};

reasons! {
    /// Why the proxy refused, dropped or failed a message.
    pub enum MessageReason of Message {
        MalformedRequest "malformed_request" {
            what: "A field that the proxy uses breaks the grammar of RFC 3261.",
            check: "the request as sent: tcpdump at the sender before TLS, or its own trace; the event names remote and call_id",
            remedy: "Capture the request at the sender; the sender must be mended.",
            status: 400 "malformed request",
        }
        BadBranch "bad_branch" {
            what: "The topmost Via's branch is the bare magic cookie (RFC 4475 §3.1.2.18).",
            check: "the topmost Via in the sender's trace",
            remedy: "The sender must make unique branches.",
            status: 400 "malformed request",
        }
        UnsupportedScheme "unsupported_scheme" {
            what: "The Request-URI is neither sip, sips nor tel, or it names a service (RFC 5031) and no Route says where that is.",
            check: "the Request-URI in the sender's trace",
            remedy: "The sender must use a scheme that can be routed; a home server sends a service on by a Route.",
            status: 416 "unsupported scheme",
        }
        TooManyHops "too_many_hops" {
            what: "Max-Forwards is 0 (RFC 3261 §16.3 step 3).",
            check: "the Via lines of the request in the trace of the next element: the same name more than once is a loop",
            remedy: "Look for a loop between the elements named in Via.",
            status: 483 "too many hops",
        }
        LoopDetected "loop_detected" {
            what: "The request passed here before with the same routing input (RFC 5393 §4.2).",
            check: "the Via lines of the request in the trace of the next element: this node's name stands there twice",
            remedy: "Two elements send this request to each other; compare their routes.",
            status: 482 "loop detected",
        }
        TooManyRoutes "too_many_routes" {
            what: "A request has more Route values than it could ever pass elements.",
            check: "the Route fields of the request in the sender's trace",
            remedy: "Max-Forwards begins at 70; look for an element that adds its Route again and again.",
            status: 400 "too many routes",
        }
        MaxBreadthExceeded "max_breadth_exceeded" {
            what: "Max-Breadth is 0: no branch may be made of the request any more (RFC 5393 §5.3.3).",
            check: "the Max-Breadth field and the Via lines of the request in the sender's trace",
            remedy: "Elements before this one forked the request too widely.",
            status: 440 "max breadth exceeded",
        }
        BadExtension "bad_extension" {
            what: "Proxy-Require names an extension that this proxy does not support.",
            check: "the Proxy-Require field in the sender's trace",
            remedy: "The sender must not require it of proxies.",
            status: 420 "bad extension",
        }
        NegotiateUnsupported "negotiate_unsupported" {
            what: "A Skype for Business or Lync server asks for compression; it goes on without.",
            check: "the event: its method is NEGOTIATE, its remote a Skype for Business or Lync server",
            remedy: "Nothing.",
            status: 405 "method not allowed",
        }
        FromNotAllowed "from_not_allowed" {
            what: "The From domain is not one that this connection may assert.",
            check: "the From domain against node.domains (clients) or the peer's `domains`; sipward check FILE lists both",
            remedy: "Clients assert home domains; for a partner add the domain to its peer entry if it is really its own, and see `anonymous` and `assert_identity` for callers without one. A call that a partner forwards back to us must come in the partner's own name.",
            status: 403 "from not allowed",
        }
        ToNotAllowed "to_not_allowed" {
            what: "A partner's request has a To domain that is neither ours nor its own.",
            check: "the To domain against node.domains and the peer's `domains`; sipward check FILE lists both",
            remedy: "Add the domain to node.domains or to the peer's entry if requests for it are meant to come here.",
            status: 403 "to not allowed",
        }
        DomainDenied "domain_denied" {
            what: "From, To or the Request-URI names a domain that boundary.deny_domains or the peer's deny list holds.",
            check: "`deny_domains` of [boundary] and `deny` of the [[peer]] against From, To and the Request-URI",
            remedy: "Take the domain out of the list if it shall pass; no other list outweighs it.",
            status: 403 "domain not served",
        }
        FieldRequired "field_required" {
            what: "A request lacks a field that `require_in` asks of its sender.",
            check: "`require_in` for this kind of sender, and the fields of the request in the sender's trace",
            remedy: "Let the sender add it, or take it out of the list.",
            status: 403 "field missing",
        }
        PrivacyCritical "privacy_critical" {
            what: "Privacy asks critically for what only a privacy service can do, on the way out of the trust domain (RFC 3323 §4.2).",
            check: "the Privacy field of the request in the sender's trace",
            remedy: "Let a home server do it before, or the caller ask for less.",
            status: 500 "privacy not available",
        }
        SipsNotAllowed "sips_not_allowed" {
            what: "A sips Request-URI leads to a peer that takes no sips URIs (RFC 5630 §5.3).",
            check: "the scheme of the Request-URI, and `sips` of the [[peer]]",
            remedy: "The caller must use the sip URI; the hop is TLS all the same.",
            status: 480 "SIPS Not Allowed",
        }
        SipsContact "sips_contact" {
            what: "A dialog-forming request has a sips Request-URI and a sip Contact (RFC 5630 §5.3).",
            check: "the schemes of Request-URI and Contact in the sender's trace",
            remedy: "The caller must use one scheme; for a peer that cannot, set sips = false.",
            status: 400 "sip Contact with sips Request-URI",
        }
        NotHomeDomain "not_home_domain" {
            what: "A partner or client asked for a domain that is not a home domain.",
            check: "the Request-URI's domain against node.domains",
            remedy: "Partners reach home domains only; check node.domains. A home server that registers with a partner must give a Contact at a home domain.",
            status: 403 "domain not served",
        }
        NoRoute "no_route" {
            what: "No pool, peer or flow serves the request's next hop.",
            check: "the Request-URI's domain against the domains that sipward check FILE lists with their pools",
            remedy: "Add a pool or a federated peer with that domain, if it shall be reached.",
            status: 404 "no route",
        }
        NoMember "no_member" {
            what: "Every member of the pool drains.",
            check: "sipward check FILE: the members that drain are marked",
            remedy: "Take one out of the pool's `drain`.",
            status: 503 "no server available",
        }
        RouteNotPermitted "route_not_permitted" {
            what: "A Route header asks for a hop that the sender may not reach through us.",
            check: "the Route fields of the request in the sender's trace",
            remedy: "Only hops of the topology are reached; remove the Route at the sender.",
            status: 403 "route not permitted",
        }
        TokenForged "token_forged" {
            what: "A Route names us with a user part that none of our keys has signed.",
            check: "whether the token key file changed, or is missing (token_key_random), since the dialog began",
            remedy: "After a restart without a token key file every older token is void; otherwise somebody tampers.",
            status: 403 "bad route token",
        }
        TopologyNotHidden "topology_not_hidden" {
            what: "A message to a peer from which the topology is hidden could not be rid of what it tells of the home side; it was not sent.",
            check: "the header fields of the message in the home server's trace",
            remedy: "Mend the sender: it writes header fields that break the grammar of RFC 3261.",
            status: 500 "message cannot be passed on",
        }
        TokenNotForOrigin "token_not_for_origin" {
            what: "The token is genuine, but this connection belongs neither to a side of its dialog nor to an entry that grants the same.",
            check: "from_peer of this event against the peers of the dialog's INVITE (same call_id)",
            remedy: "Look at who sends; a partner may use only the dialogs that it is part of. Servers of one partner are one party if their entries grant the same.",
            status: 403 "bad route token",
        }
        FlowGone "flow_gone" {
            what: "The client's connection that the token names is closed (RFC 5626 §5.3).",
            check: "connection_closed of that client before it: by whom and why",
            remedy: "The client must register again; the registrar tries its next binding.",
            status: 430 "flow failed",
        }
        PeerWithdrawn "peer_withdrawn" {
            what: "The token names a peer that the topology no longer lists.",
            check: "the reload event before it: which peer was removed",
            remedy: "The dialog's far side lost its trust; nothing to mend unless that was unintended.",
            status: 403 "bad route token",
        }
        PeerUnreachable "peer_unreachable" {
            what: "No connection could be made to any peer that serves the request.",
            check: "peer_disconnected and handshake events of the pool's members at that time",
            remedy: "The peer_disconnected and handshake_refused events say why.",
            status: 503 "server unreachable",
        }
        PeerHeldOff "peer_held_off" {
            what: "Every peer that serves the request answered 503 with a Retry-After that is not over (RFC 3261 §21.5.4).",
            check: "the peer's own answers before it: a 503 with Retry-After",
            remedy: "Look at the peers' load; requests of dialogs still go there.",
            status: 503 "server unavailable",
        }
        PeerCongested "peer_congested" {
            what: "The peer does not read what is sent to it.",
            check: "ss -tn: Send-Q of the connection to the peer; the peer's load",
            remedy: "Look at the peer's load; limits.send_queue bounds what waits.",
            status: 503 "server congested",
        }
        ConnectQueueFull "connect_queue_full" {
            what: "Too many requests wait for one peer's connection.",
            check: "peer_disconnected events of the peer; how long its handshakes take (took_us)",
            remedy: "limits.connect_queue bounds them; see why the connect takes so long.",
            status: 503 "server unreachable",
        }
        TooManyTransactions "too_many_transactions" {
            what: "This shard has as many transactions as limits.transactions allows.",
            check: "sipward status: transactions; which remote sends most in request_relayed",
            remedy: "Add cores or nodes, or find out who floods.",
            status: 503 "overloaded",
        }
        ClientBudget "client_budget" {
            what: "This client has as many transactions open as limits.transactions_per_client allows.",
            check: "request events of that remote: methods and rate",
            remedy: "Find out why the client sends so much, or raise the limit.",
            status: 503 "too many requests",
        }
        Draining "draining" {
            what: "The daemon is stopping and accepts nothing new: no connection and no request.",
            check: "the drain event before it",
            remedy: "Send to another node.",
            status: 503 "going away",
        }
        TrustWithdrawn "trust_withdrawn" {
            what: "The connection's identity lost its trust; it may finish what runs, nothing more.",
            check: "the reload event before it; sipward explain with the decision id of the connection's handshake",
            remedy: "The connection's handshake event names the decision.",
            status: 403 "not trusted any more",
        }
        NoAnswer "no_answer" {
            what: "No target answered in time (timers B, C, F).",
            check: "the target's own log for this call_id",
            remedy: "Look at the target; a non-INVITE gets no answer by RFC 4320 §4.2.",
            status: 408 "no answer",
        }
        Cancelled "cancelled" {
            what: "The request was cancelled before the target answered finally.",
            check: "request_relayed of the INVITE with the same call_id",
            remedy: "Nothing.",
            status: 487 "cancelled",
        }
        NoTransaction "no_transaction" {
            what: "A CANCEL matches no INVITE of the same identity.",
            check: "request_relayed of the INVITE with the same call_id: answered before, or from another connection",
            remedy: "Nothing, if the INVITE was answered at the same time.",
            status: 481 "no transaction",
        }
        DownstreamUnavailable "downstream_unavailable" {
            what: "Every target answered 503, which is not passed on (RFC 3261 §16.7 step 6).",
            check: "the targets' own logs for this call_id",
            remedy: "Look at the targets' own logs.",
            status: 500 "server unavailable",
        }
        AckUnmatched "ack_unmatched" {
            what: "An ACK belongs to no transaction and carries no token of ours.",
            check: "the Route fields of the ACK in the sender's trace: our Record-Route should stand there",
            remedy: "The sender ignored our Record-Route.",
        }
        AckRefused "ack_refused" {
            what: "An ACK breaks a rule that would refuse another request; it is dropped, since an ACK is never answered.",
            check: "request events with the same call_id",
            remedy: "See what the rest of its dialog did.",
        }
        ResponseForeignVia "response_foreign_via" {
            what: "A response's topmost Via is not ours (RFC 3261 §18.1.2).",
            check: "the Via lines of the response in the sender's trace",
            remedy: "The sender answers on the wrong connection.",
        }
        ResponseMalformed "response_malformed" {
            what: "A response's start line or header fields break the grammar of RFC 3261, or the Via lines below ours have gone.",
            check: "the response in its sender's trace",
            remedy: "Capture the response at its sender; the sender must be mended.",
        }
        ResponseUnmatched "response_unmatched" {
            what: "A response matches no client transaction (RFC 6026 §7.3).",
            check: "request_relayed with the same time and peer: a 408 or 487 before it means that it came too late",
            remedy: "It came too late, or was never asked for.",
        }
        ResponseWrongPeer "response_wrong_peer" {
            what: "A response came from another identity than the request went to.",
            check: "`peer` of this event against to_peer of the request",
            remedy: "Somebody answers for somebody else; look at that peer.",
        }
        OriginGone "origin_gone" {
            what: "The connection that waits for this response is closed.",
            check: "connection_closed of the caller before it",
            remedy: "Nothing, if the client went away.",
        }
    }
    shared {
        BadVersion = Rule::BadVersion,
    }
}

impl MessageReason {
    /// The SIP status that answers the request; 0 when nothing is answered (ACK, responses).
    pub const fn status(self) -> u16 {
        match self.reason().learns() {
            Learns::Status(status, _) => status,
            Learns::Nothing | Learns::Alert(_) => 0,
        }
    }

    /// The text of `Warning: 399`.
    pub const fn public(self) -> &'static str {
        match self.reason().learns() {
            Learns::Status(_, text) => text,
            Learns::Nothing | Learns::Alert(_) => "",
        }
    }
}
