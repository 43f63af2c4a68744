//! The reasons for which the proxy refuses, drops or fails a message.
use super::{Learns, Rule};

reasons! {
    /// Why the proxy refused, dropped or failed a message.
    pub enum MessageReason of Message (check "", remedy "") {
        /// a field that the proxy uses breaks the grammar of RFC 3261
        MalformedRequest "malformed_request" (status 400 "malformed request")
            check: "the request as sent: tcpdump at the sender before TLS, or its own trace; the event names remote and call_id",
            remedy: "capture the request at the sender, and fix the sender",
        /// the topmost Via's branch is the bare magic cookie
        BadBranch "bad_branch" (rfc "RFC 4475 §3.1.2.18", status 400 "malformed request")
            check: "the topmost Via in the sender's trace",
            remedy: "fix the sender: each transaction needs a branch of its own",
        /// the Request-URI is neither sip, sips nor tel, or it names a service (RFC 5031) and no Route says
        /// where that is
        UnsupportedScheme "unsupported_scheme" (status 416 "unsupported scheme")
            check: "the Request-URI in the sender's trace",
            remedy: "use a scheme that can be routed; for a service, have the home server add a Route",
        /// Max-Forwards is 0
        TooManyHops "too_many_hops" (rfc "RFC 3261 §16.3 step 3", status 483 "too many hops")
            check: "the Via lines of the request in the trace of the next element: the same name more than once is a loop",
            remedy: "look for a loop between the elements named in Via",
        /// the request passed here before with the same routing input
        LoopDetected "loop_detected" (rfc "RFC 5393 §4.2", status 482 "loop detected")
            check: "the Via lines of the request in the trace of the next element: this node's name is there twice",
            remedy: "two elements send this request to each other; compare their routes",
        /// the request has more Route values than elements that it could pass through
        TooManyRoutes "too_many_routes" (status 400 "too many routes")
            check: "the Route fields of the request in the sender's trace",
            remedy: "Max-Forwards begins at 70; look for an element that adds its Route again and again",
        /// Max-Breadth is 0: the request may not be forwarded to another branch
        MaxBreadthExceeded "max_breadth_exceeded" (rfc "RFC 5393 §5.3.3", status 440 "max breadth exceeded")
            check: "the Max-Breadth field and the Via lines of the request in the sender's trace",
            remedy: "find the upstream element that forks the request too widely",
        /// Proxy-Require names an extension that this proxy does not support
        BadExtension "bad_extension" (status 420 "bad extension")
            check: "the Proxy-Require field in the sender's trace",
            remedy: "have the sender leave that extension out of Proxy-Require",
        /// a Skype for Business or Lync server asked for compression; it continues without
        NegotiateUnsupported "negotiate_unsupported" (status 405 "method not allowed")
            check: "the event: its method is NEGOTIATE, its remote a Skype for Business or Lync server",
            remedy: "nothing",
        /// this connection may not assert the domain in From
        FromNotAllowed "from_not_allowed" (status 403 "from not allowed")
            check: "the From domain against node.domains (clients) or the peer's `domains`; sipward check FILE lists both",
            remedy: "clients assert home domains; for a partner, add the domain to its [[peer]] if it is really the partner's, and see `anonymous` and `assert_identity` for callers without a domain. A call that a partner forwards back must come in the partner's own name",
        /// the domain in To of a partner's request is neither a home domain nor the partner's, or that of a client's
        /// REGISTER is no home domain
        ToNotAllowed "to_not_allowed" (status 403 "to not allowed")
            check: "the To domain against node.domains and the peer's `domains`; sipward check FILE lists both",
            remedy: "add the domain to node.domains or to the [[peer]] if requests for it are meant to come here",
        /// a client's request is in the name of a user whom an operator has kicked for a time
        UserDenied "user_denied" (status 403 "denied")
            check: "sipward deny list: who is denied, until when",
            remedy: "sipward deny remove USER; nothing, if that was intended",
        /// From, To or the Request-URI names a domain that is on boundary.deny_domains or on the peer's deny
        /// list
        DomainDenied "domain_denied" (status 403 "domain not served")
            check: "`deny_domains` of [boundary] and `deny` of the [[peer]] against From, To and the Request-URI",
            remedy: "remove the domain from the list if it is to pass; the deny lists take precedence over all others",
        /// the request lacks a field that `require_in` requires of its sender
        FieldRequired "field_required" (status 403 "field missing")
            check: "`require_in` for this kind of sender, and the fields of the request in the sender's trace",
            remedy: "have the sender add the field, or remove it from `require_in`",
        /// a request that leaves the trust domain marks as critical a kind of Privacy that only a privacy
        /// service can provide
        PrivacyCritical "privacy_critical" (rfc "RFC 3323 §4.2", status 500 "privacy not available")
            check: "the Privacy field of the request in the sender's trace",
            remedy: "have a home server apply the privacy first, or the caller request less",
        /// the Request-URI is a sips URI, and the peer accepts no sips URIs
        SipsNotAllowed "sips_not_allowed" (rfc "RFC 5630 §5.3", status 480 "SIPS Not Allowed")
            check: "the scheme of the Request-URI, and `sips` of the [[peer]]",
            remedy: "have the caller use a sip URI; the hop is TLS in either case",
        /// a dialog-forming request has a sips Request-URI and a sip Contact
        SipsContact "sips_contact" (rfc "RFC 5630 §5.3", status 400 "sip Contact with sips Request-URI")
            check: "the schemes of Request-URI and Contact in the sender's trace",
            remedy: "have the caller use one scheme for both; for a peer that cannot, set sips = false",
        /// a partner or client asked for a domain that is not a home domain
        NotHomeDomain "not_home_domain" (status 403 "domain not served")
            check: "the Request-URI's domain against node.domains",
            remedy: "partners reach home domains only: check node.domains. A home server that registers with a partner needs a Contact in a home domain",
        /// a partner asked for a home domain that its entry does not let it reach
        HomeDomainNotForPeer "home_domain_not_for_peer" (status 403 "domain not served")
            check: "the Request-URI's domain against `to_domains` of the [[peer]]",
            remedy: "have the partner call the domains of its own tenant, or add the domain to `to_domains`",
        /// several entries or pools have what a home server asked for, and none of them is for the domain in From
        NoPoolForCaller "no_pool_for_caller" (status 403 "no route for this caller")
            check: "From's domain in the home server's trace, against `from_domains` of the pools that serve the Request-URI's domain",
            remedy: "have the home server write its tenant's domain into From, or add the domain to `from_domains` of one pool",
        /// no pool, peer or client connection serves the request's next hop
        NoRoute "no_route" (status 404 "no route")
            check: "the Request-URI's domain against the domains that sipward check FILE lists with their pools",
            remedy: "add a pool or a federated peer with that domain, if it is to be reached",
        /// every member of the pool is draining
        NoMember "no_member" (status 503 "no server available")
            check: "sipward check FILE: the draining members are marked",
            remedy: "remove one member from the pool's `drain`",
        /// the Route, or the Request-URI of a REGISTER, asks for a hop that this sender may not reach
        RouteNotPermitted "route_not_permitted" (status 403 "route not permitted")
            check: "the Route fields of the request in the sender's trace; of a client's REGISTER also whether its Request-URI and To belong to one pool",
            remedy: "remove the Route at the sender; only hops that the topology names can be reached, and a client registers with the pool of its To domain only",
        /// the Route, or the contact that a registrar without Path keeps, names this node, and none of this node's keys has
        /// signed the token in it
        TokenForged "token_forged" (status 403 "bad route token")
            check: "whether the token key file changed, or is missing (token_key_random), since the dialog began or the client registered",
            remedy: "configure a token key file, so that tokens outlive a restart; if there is one, somebody is tampering",
        /// the topology is hidden from this peer, and what the message reveals of the home side could not be
        /// removed; it was not sent
        TopologyNotHidden "topology_not_hidden" (status 500 "message cannot be passed on")
            check: "the header fields of the message in the home server's trace",
            remedy: "fix the sender: its header fields break the grammar of RFC 3261",
        /// the token is genuine, but the sender is not part of its dialog, or no server of the pool that serves the
        /// domain of the client that it names
        TokenNotForOrigin "token_not_for_origin" (status 403 "bad route token")
            check: "from_peer of this event against the peers of the dialog's INVITE (same call_id)",
            remedy: "find out who sends it; a partner may use only its own dialogs. Servers of one partner share dialogs if their [[peer]] entries grant the same rights",
        /// no connection leads to the client that the token names: it has closed its connection, or has not
        /// registered since the start, and did not come back within 30 seconds
        FlowGone "flow_gone" (rfc "RFC 5626 §5.3", status 430 "flow failed")
            check: "connection_closed of that client before it: by whom and why",
            remedy: "nothing: the client registers again, and the registrar tries its next binding; `flow_status` of the [[pool]] is for servers that need 480",
        /// another node of the site asked for a client that was connected here a moment ago; that node waits for it
        ClientAway "client_away" (rfc "RFC 5626 §5.3", status 430 "flow failed")
            check: "connection_closed of that client before it: by whom and why",
            remedy: "nothing: the client registers again, and the other node asks anew",
        /// a registration was granted, and this node keeps as many as limits.bindings allows
        BindingsFull "bindings_full"
            check: "how many clients register here, against limits.bindings",
            remedy: "raise limits.bindings, or add a node; a client whose registration is not kept cannot be reached",
        /// a registration was granted, and its connection has as many as limits.bindings_per_client allows, or its user as
        /// many in that shard as limits.bindings_per_user does
        ClientBindings "client_bindings"
            check: "REGISTER requests from that remote, and why one client has so many users, or one user so many clients",
            remedy: "find out why, or raise limits.bindings_per_client for a connection of many users, limits.bindings_per_user for a user of many phones; a client whose registration is not kept cannot be reached",
        /// a call was answered, and this node keeps as many as limits.calls allows
        CallsFull "calls_full"
            check: "sipward status: calls, against limits.calls",
            remedy: "raise limits.calls, or add a node; a call that is not kept goes on, and has no call_ended",
        /// a call was answered, and its client has as many as limits.calls_per_client allows
        ClientCalls "client_calls"
            check: "request events of that remote: how many calls it begins",
            remedy: "find out why, or raise limits.calls_per_client; a call that is not kept goes on, and has no call_ended",
        /// a call was answered, and the clients of its source have as many as limits.calls_per_source allows, with those that have gone
        SourceCalls "source_calls"
            check: "sipward calls: whether that source has so many calls, or leaves them without a BYE; sipward connections: whether it comes again and again",
            remedy: "find out why, or raise limits.calls_per_source for an office or a gateway behind one address; a call that is not kept goes on, and has no call_ended",
        /// a sibling sent a request of its own, or one that is not for a client of this site
        SiblingNotPermitted "sibling_not_permitted" (status 403 "not for a sibling")
            check: "from_peer of this event, and whether its topology is that of this node",
            remedy: "give all nodes of the site the same peers, pools and node.domains; a sibling hands over what is for a registered client, and nothing else",
        /// what a sibling says of where a request came from is not signed with this node's token keys, or not
        /// for this request, or more than 60 seconds ago
        OriginForged "origin_forged" (status 403 "bad origin")
            check: "the token key files of both nodes, and their clocks",
            remedy: "give all nodes the same token keys, and set their clocks by NTP",
        /// the token names a peer that the topology no longer lists
        PeerWithdrawn "peer_withdrawn" (status 403 "bad route token")
            check: "the reload event before it: which peer was removed",
            remedy: "nothing, if the peer was removed on purpose; otherwise add its [[peer]] again",
        /// no connection could be made to any peer that serves the request
        PeerUnreachable "peer_unreachable" (status 503 "server unreachable")
            check: "peer_disconnected and handshake events of the pool's members at that time",
            remedy: "fix what the peer_disconnected and handshake_refused events name",
        /// every peer that serves the request has answered 503, and its Retry-After has not passed yet
        PeerHeldOff "peer_held_off" (rfc "RFC 3261 §21.5.4", status 503 "server unavailable")
            check: "the peer's own answers before it: a 503 with Retry-After",
            remedy: "reduce the peers' load; requests within dialogs are still sent to them",
        /// the peer does not read what is sent to it
        PeerCongested "peer_congested" (status 503 "server congested")
            check: "ss -tn: Send-Q of the connection to the peer; the peer's load",
            remedy: "reduce the peer's load; limits.send_queue is the bound",
        /// the shard that has to judge the message does not keep up with what other shards hand to it
        ShardCongested "shard_congested" (status 503 "overloaded")
            check: "the event overloaded with reason shard_inbox_full; top -H of the process",
            remedy: "add cores or nodes, or find out who floods",
        /// too many requests are waiting for a connection to one peer
        ConnectQueueFull "connect_queue_full" (status 503 "server unreachable")
            check: "peer_disconnected events of the peer; how long its handshakes take (took_us)",
            remedy: "find out why connecting takes so long; limits.connect_queue is the bound",
        /// this shard has as many transactions as limits.transactions allows
        TooManyTransactions "too_many_transactions" (status 503 "overloaded")
            check: "sipward status: transactions; which remote sends most in request_relayed",
            remedy: "add cores or nodes, or find out who floods",
        /// this client has as many transactions open as limits.transactions_per_client allows
        ClientBudget "client_budget" (status 503 "too many requests")
            check: "request events of that remote: methods and rate",
            remedy: "find out why the client sends so much, or raise the limit",
        /// the clients of this source, or the connections with this peer, have as many transactions open as
        /// limits.transactions_per_source or transactions_per_peer allows
        SourceBudget "source_budget" (status 503 "too many requests")
            check: "request events of that remote: methods and rate; sipward connections: whether it comes again and again",
            remedy: "find out what sends so much; behind a translating gateway raise the limit",
        /// this connection, its source or its peer takes as much memory as limits.memory_per_client, memory_per_source or
        /// memory_per_peer allows
        TooMuchHeld "too_much_held" (status 503 "too much is waiting")
            check: "request events of that remote: how large its requests are, and how long their answers take",
            remedy: "find out why so much waits: a server that does not answer, or a client that sends what nobody should; or raise the limit",
        /// all that this node keeps takes seven eighths of limits.memory, and nothing new begins
        MemoryFull "memory_full" (status 503 "overloaded")
            check: "sipward limits: which bound is taken most, and by whom",
            remedy: "find out who floods; or let it have more memory",
        /// this connection, or all connections with this peer, have as many INVITEs without a final answer as
        /// limits.invites_per_client, or `invites` of the [[peer]], allows
        TooManyInvites "too_many_invites" (status 503 "too many calls at once")
            check: "request events of that remote with method INVITE: how many, and how long they ring",
            remedy: "find out why it begins so many calls at once, or raise the limit",
        /// this connection, or all connections with this peer, begin more requests in a second than limits.client_rate, or `rate`
        /// of the [[peer]], allows
        RequestRate "request_rate" (status 503 "too many requests in this second")
            check: "request events of that remote: methods and rate",
            remedy: "find out what sends so much, or raise the rate",
        /// this connection, its source, its peer or this shard has as many answered INVITEs that still wait for an ACK or for
        /// further answers as limits.answered_per_client, answered_per_source, answered_per_peer or answered allow
        TooManyAnswered "too_many_answered" (status 503 "too many calls lately")
            check: "request events of that remote with method INVITE: how many in half a minute, and whether it sends ACKs",
            remedy: "find out why it begins so many calls, or does not acknowledge refusals; or raise the limit",
        /// the source, or the account that the credentials name, has had as many refused in a minute as
        /// limits.failed_logins allows
        CredentialsRefused "credentials_refused" (status 503 "too many failed attempts")
            check: "request events of that remote with status 401, 403 or 407",
            remedy: "correct the password in the device; nothing, if somebody guesses",
        /// so many requests with credentials of the source, or of one account from there, have no answer yet: ten times
        /// limits.failed_logins
        CredentialsWaiting "credentials_waiting" (status 503 "too many logins at once")
            check: "whether the server that checks passwords answers, and how soon; request events of that remote",
            remedy: "find out why the server is slow; raise the limit where many phones come back together behind one address; nothing, if somebody guesses",
        /// the daemon is stopping, or is drained for maintenance, and accepts nothing new
        Draining "draining" (status 503 "going away")
            check: "the event drain or clients_let_go before it",
            remedy: "send the request or connect to another node",
        /// after a change, the connection's certificate is no longer accepted: running transactions may
        /// finish, and nothing new is accepted
        TrustWithdrawn "trust_withdrawn" (status 403 "not trusted any more")
            check: "the reload event before it; sipward explain with the decision id of the connection's handshake",
            remedy: "nothing, if the change was intended; otherwise fix what the explanation names",
        /// no target answered in time (timers B, C, F)
        NoAnswer "no_answer" (status 408 "no answer")
            check: "the target's own log for this call_id",
            remedy: "find out why the target did not answer; to a request other than INVITE no 408 is sent (RFC 4320 §4.2)",
        /// the request was cancelled before its final response
        Cancelled "cancelled" (status 487 "cancelled")
            check: "request_relayed of the INVITE with the same call_id",
            remedy: "nothing",
        /// the CANCEL matches no INVITE of the same sender
        NoTransaction "no_transaction" (status 481 "no transaction")
            check: "request_relayed of the INVITE with the same call_id: answered before, or from another connection",
            remedy: "nothing, if the INVITE was answered at the same time",
        /// every target answered 503, and a 503 is not forwarded upstream
        DownstreamUnavailable "downstream_unavailable" (rfc "RFC 3261 §16.7 step 6", status 500 "server unavailable")
            check: "the targets' own logs for this call_id",
            remedy: "fix what the targets' own logs name",
        /// the ACK belongs to no transaction, and has no token of this node or no To tag
        AckUnmatched "ack_unmatched"
            check: "the Route fields of the ACK in the sender's trace: they should repeat this node's Record-Route",
            remedy: "fix the sender: it ignores this node's Record-Route",
        /// the ACK breaks a rule for which another request is refused; an ACK is never answered, so it is
        /// dropped
        AckRefused "ack_refused"
            check: "request events with the same call_id",
            remedy: "look at the other requests of its dialog",
        /// the topmost Via of the response does not name this node
        ResponseForeignVia "response_foreign_via" (rfc "RFC 3261 §18.1.2")
            check: "the Via lines of the response in the sender's trace",
            remedy: "fix the sender: it answers on the wrong connection",
        /// the start line or a header field of the response breaks the grammar of RFC 3261; From, To, Call-ID or
        /// CSeq is missing or stands twice, or Call-ID, From tag or CSeq number is not the request's; or the Via
        /// below this node's is missing or has another sent-by or branch than the request came with, so that its
        /// sender would not know the answer
        ResponseMalformed "response_malformed" (rfc "RFC 3261 §8.2.6.2")
            check: "the response in its sender's trace",
            remedy: "capture the response at its sender, and fix the sender",
        /// the response matches no client transaction
        ResponseUnmatched "response_unmatched" (rfc "RFC 6026 §7.3")
            check: "request_relayed with the same time and peer: a 408 or 487 before it means that it came too late",
            remedy: "nothing, if it came too late; otherwise find out why the sender sends it",
        /// the response came from another identity than the request was sent to
        ResponseWrongPeer "response_wrong_peer"
            check: "`peer` of this event against to_peer of the request",
            remedy: "find out why that peer answers for another",
        /// the connection that the response is for is closed
        OriginGone "origin_gone"
            check: "connection_closed of the caller before it",
            remedy: "nothing, if the client has left",
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
