//! The reason codes of the proxy: one table for code, SIP status, what a stranger is told, sentence, remedy and check.

/// How to check what has no better way.
const EVENT: &str = "the event with this reason: it names remote, peer and call_id";

macro_rules! reasons {
    ($($variant:ident = $code:literal, $status:literal, $public:literal, $what:literal, $remedy:literal $(, $check:literal)?;)+) => {
        /// Why the proxy refused, dropped or failed a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $what] $variant,)+
        }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable identifier, as in logs, tests and docs.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
            /// The SIP status that answers the request; 0 when nothing is answered (ACK, responses).
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
            /// The text of `Warning: 399`; says less than the log.
            pub fn public(self) -> &'static str {
                match self { $(Self::$variant => $public,)+ }
            }
            /// One sentence for the operator.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
            /// How to see whether that is it.
            pub fn check(self) -> &'static str {
                match self { $(Self::$variant => [$($check,)? EVENT][0],)+ }
            }
            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

reasons! {
    MalformedRequest = "malformed_request", 400, "malformed request",
        "A field that the proxy uses breaks the grammar of RFC 3261.",
        "Capture the request at the sender; the sender must be mended.",
        "the request as sent: tcpdump at the sender before TLS, or its own trace; the event names remote and call_id";
    BadBranch = "bad_branch", 400, "malformed request",
        "The topmost Via's branch is the bare magic cookie (RFC 4475 §3.1.2.18).",
        "The sender must make unique branches.",
        "the topmost Via in the sender's trace";
    Unframed = "unframed", 400, "malformed request",
        "The stream's framing is lost, so the connection is closed.",
        "The `rule` of the connection's close says which bound or rule was broken.",
        "the connection_closed event of the same connection: its reason names the bound or rule";
    BadVersion = "bad_version", 505, "version not supported",
        "The SIP version is not 2.0.",
        "The sender must speak SIP/2.0.",
        "the request line in the sender's trace";
    UnsupportedScheme = "unsupported_scheme", 416, "unsupported scheme",
        "The Request-URI is neither sip, sips nor tel, or it names a service (RFC 5031) and no Route says where that is.",
        "The sender must use a scheme that can be routed; a home server sends a service on by a Route.",
        "the Request-URI in the sender's trace";
    TooManyHops = "too_many_hops", 483, "too many targets",
        "Max-Forwards is 0 (RFC 3261 §16.3 step 3).",
        "Look for a loop between the elements named in Via.",
        "the Via lines of the request in the trace of the next element: the same name more than once is a loop";
    LoopDetected = "loop_detected", 482, "loop detected",
        "The request passed here before with the same routing input (RFC 5393 §4.2).",
        "Two elements send this request to each other; compare their routes.",
        "the Via lines of the request in the trace of the next element: this node's name stands there twice";
    TooManyRoutes = "too_many_routes", 400, "too many routes",
        "A request has more Route values than it could ever pass elements.",
        "Max-Forwards begins at 70; look for an element that adds its Route again and again.",
        "the Route fields of the request in the sender's trace";
    MaxBreadthExceeded = "max_breadth_exceeded", 440, "max breadth exceeded",
        "Max-Breadth is 0: no branch may be made of the request any more (RFC 5393 §5.3.3).",
        "Elements before this one forked the request too widely.",
        "the Max-Breadth field and the Via lines of the request in the sender's trace";
    BadExtension = "bad_extension", 420, "bad extension",
        "Proxy-Require names an extension that this proxy does not support.",
        "The sender must not require it of proxies.",
        "the Proxy-Require field in the sender's trace";
    NegotiateUnsupported = "negotiate_unsupported", 405, "method not allowed",
        "A Skype for Business or Lync server asks for compression; it goes on without.",
        "Nothing.",
        "the event: its method is NEGOTIATE, its remote a Skype for Business or Lync server";
    FromNotAllowed = "from_not_allowed", 403, "from not allowed",
        "The From domain is not one that this connection may assert.",
        "Clients assert home domains; for a partner add the domain to its peer entry if it is really its own, and see `anonymous` and `assert_identity` for callers without one. A call that a partner forwards back to us must come in the partner's own name.",
        "the From domain against node.domains (clients) or the peer's `domains`; sipward check FILE lists both";
    ToNotAllowed = "to_not_allowed", 403, "to not allowed",
        "A partner's request has a To domain that is neither ours nor its own.",
        "Add the domain to node.domains or to the peer's entry if requests for it are meant to come here.",
        "the To domain against node.domains and the peer's `domains`; sipward check FILE lists both";
    DomainDenied = "domain_denied", 403, "domain not served",
        "From, To or the Request-URI names a domain that boundary.deny_domains or the peer's deny list holds.",
        "Take the domain out of the list if it shall pass; no other list outweighs it.",
        "`deny_domains` of [boundary] and `deny` of the [[peer]] against From, To and the Request-URI";
    FieldRequired = "field_required", 403, "field missing",
        "A request lacks a field that `require_in` asks of its sender.",
        "Let the sender add it, or take it out of the list.",
        "`require_in` for this kind of sender, and the fields of the request in the sender's trace";
    PrivacyCritical = "privacy_critical", 500, "privacy not available",
        "Privacy asks critically for what only a privacy service can do, on the way out of the trust domain (RFC 3323 §4.2).",
        "Let a home server do it before, or the caller ask for less.",
        "the Privacy field of the request in the sender's trace";
    SipsNotAllowed = "sips_not_allowed", 480, "SIPS Not Allowed",
        "A sips Request-URI leads to a peer that takes no sips URIs (RFC 5630 §5.3).",
        "The caller must use the sip URI; the target is TLS all the same.",
        "the scheme of the Request-URI, and `sips` of the [[peer]]";
    SipsContact = "sips_contact", 400, "sip Contact with sips Request-URI",
        "A dialog-forming request has a sips Request-URI and a sip Contact (RFC 5630 §5.3).",
        "The caller must use one scheme; for a peer that cannot, set sips = false.",
        "the schemes of Request-URI and Contact in the sender's trace";
    NotHomeDomain = "not_home_domain", 403, "domain not served",
        "A partner or client asked for a domain that is not a home domain.",
        "Partners reach home domains only; check node.domains. A home server that registers with a partner must give a Contact at a home domain.",
        "the Request-URI's domain against node.domains";
    NoRoute = "no_route", 404, "no route",
        "No pool, peer or flow serves the request's next target.",
        "Add a pool or a federated peer with that domain, if it shall be reached.",
        "the Request-URI's domain against the domains that sipward check FILE lists with their pools";
    NoMember = "no_member", 503, "no server available",
        "Every member of the pool drains.",
        "Take one out of the pool's `drain`.",
        "sipward check FILE: the members that drain are marked";
    RouteNotPermitted = "route_not_permitted", 403, "route not permitted",
        "A Route header asks for a target that the sender may not reach through us.",
        "Only targets of the topology are reached; remove the Route at the sender.",
        "the Route fields of the request in the sender's trace";
    TokenForged = "token_forged", 403, "bad route token",
        "A Route names us with a user part that none of our keys has signed.",
        "After a restart without a token key file every older token is void; otherwise somebody tampers.",
        "whether the token key file changed, or is missing (token_key_random), since the dialog began";
    TopologyNotHidden = "topology_not_hidden", 500, "message cannot be passed on",
        "A message to a peer from which the topology is hidden could not be rid of what it tells of the home side; it was not sent.",
        "Mend the sender: it writes header fields that break the grammar of RFC 3261.",
        "the header fields of the message in the home server's trace";
    TokenNotForOrigin = "token_not_for_origin", 403, "bad route token",
        "The token is genuine, but this connection belongs neither to a side of its dialog nor to an entry that grants the same.",
        "Look at who sends; a partner may use only the dialogs that it is part of. Servers of one partner are one leg if their entries grant the same.",
        "from_peer of this event against the peers of the dialog's INVITE (same call_id)";
    FlowGone = "flow_gone", 430, "flow failed",
        "The client's connection that the token names is closed (RFC 5626 §5.3).",
        "The client must register again; the registrar tries its next binding.",
        "connection_closed of that client before it: by whom and why";
    PeerWithdrawn = "peer_withdrawn", 403, "bad route token",
        "The token names a peer that the topology no longer lists.",
        "The dialog's far side lost its trust; nothing to mend unless that was unintended.",
        "the reload event before it: which peer was removed";
    PeerUnreachable = "peer_unreachable", 503, "server unreachable",
        "No connection could be made to any peer that serves the request.",
        "The peer_down and handshake_refused events say why.",
        "peer_down and handshake events of the pool's members at that time";
    PeerHeldOff = "peer_held_off", 503, "server unavailable",
        "Every peer that serves the request answered 503 with a Retry-After that is not over (RFC 3261 §21.5.4).",
        "Look at the peers' load; requests of dialogs still go there.",
        "the peer's own answers before it: a 503 with Retry-After";
    PeerCongested = "peer_congested", 503, "server congested",
        "The peer does not read what is sent to it.",
        "Look at the peer's load; limits.send_queue bounds what waits.",
        "ss -tn: Send-Q of the connection to the peer; the peer's load";
    ConnectQueueFull = "connect_queue_full", 503, "server unreachable",
        "Too many requests wait for one peer's connection.",
        "limits.connect_queue bounds them; see why the connect takes so long.",
        "peer_down events of the peer; how long its handshakes take (took_us)";
    TooManyTransactions = "too_many_transactions", 503, "overloaded",
        "This shard has as many transactions as limits.transactions allows.",
        "Add cores or nodes, or find out who floods.",
        "sipward status: transactions; which remote sends most in request_relayed";
    ClientBudget = "client_budget", 503, "too many requests",
        "This client has as many transactions open as limits.transactions_per_client allows.",
        "Find out why the client sends so much, or raise the limit.",
        "request events of that remote: methods and rate";
    Draining = "draining", 503, "going away",
        "The daemon is stopping and takes nothing new.",
        "Send to another node.",
        "the drain event before it";
    TrustWithdrawn = "trust_withdrawn", 403, "not trusted any more",
        "The connection's identity lost its trust; it may finish what runs, nothing more.",
        "The connection's handshake event names the decision.",
        "the reload event before it; sipward explain with the decision id of the connection's handshake";
    NoAnswer = "no_answer", 408, "no answer",
        "No target answered in time (timers B, C, F).",
        "Look at the target; a non-INVITE gets no answer by RFC 4320 §4.2.",
        "the target's own log for this call_id";
    Cancelled = "cancelled", 487, "cancelled",
        "The request was cancelled before the target answered finally.",
        "Nothing.",
        "request_relayed of the INVITE with the same call_id";
    NoTransaction = "no_transaction", 481, "no transaction",
        "A CANCEL matches no INVITE of the same identity.",
        "Nothing, if the INVITE was answered at the same time.",
        "request_relayed of the INVITE with the same call_id: answered before, or from another connection";
    DownstreamUnavailable = "downstream_unavailable", 500, "server unavailable",
        "Every target answered 503, which is not passed on (RFC 3261 §16.7 step 6).",
        "Look at the targets' own logs.",
        "the targets' own logs for this call_id";
    AckUnmatched = "ack_unmatched", 0, "",
        "An ACK belongs to no transaction and carries no token of ours.",
        "The sender ignored our Record-Route.",
        "the Route fields of the ACK in the sender's trace: our Record-Route should stand there";
    AckRefused = "ack_refused", 0, "",
        "An ACK breaks a rule that would refuse another request; it is dropped, since an ACK is never answered.",
        "See what the rest of its dialog did.",
        "request events with the same call_id";
    ResponseForeignVia = "response_foreign_via", 0, "",
        "A response's topmost Via is not ours (RFC 3261 §18.1.2).",
        "The sender answers on the wrong connection.",
        "the Via lines of the response in the sender's trace";
    ResponseMalformed = "response_malformed", 0, "",
        "A response's start line or header fields break the grammar of RFC 3261, or the Via lines below ours have gone.",
        "Capture the response at its sender; the sender must be mended.",
        "the response in its sender's trace";
    ResponseUnmatched = "response_unmatched", 0, "",
        "A response matches no client transaction (RFC 6026 §7.3).",
        "It came too late, or was never asked for.",
        "request_relayed with the same time and peer: a 408 or 487 before it means that it came too late";
    ResponseWrongPeer = "response_wrong_peer", 0, "",
        "A response came from another identity than the request went to.",
        "Somebody answers for somebody else; look at that peer.",
        "`peer` of this event against to_peer of the request";
    OriginGone = "origin_gone", 0, "",
        "The connection that waits for this response is closed.",
        "Nothing, if the client went away.",
        "connection_closed of the caller before it";
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_code_is_a_unique_snake_case_word() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.code()), "{} stands twice", reason.code());
            assert!(
                reason
                    .code()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!(!reason.what().is_empty() && !reason.remedy().is_empty());
            assert!(reason.status() == 0 || (400..700).contains(&reason.status()));
            // What a stranger reads stands inside a quoted string.
            assert!(!reason.public().contains(['"', '\\']));
        }
    }
}
