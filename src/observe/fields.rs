//! The fields of an event: name and value, in the order in which they are written.
use super::Event;
use crate::reason::Reason;
use crate::trust::{Decision, MatchedKind};
use std::net::SocketAddr;
use std::time::Duration;

/// The value of a field, before any bound or escape.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text, whoever chose it.
    Text(&'a str),
    /// Octets that are usually text.
    Octets(&'a [u8]),
    /// An address with port.
    Address(SocketAddr),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(&'a [String]),
}

/// Takes the fields of one event, one call each.
type Take<'t> = dyn FnMut(&'static str, Value<'_>) + 't;

impl Event {
    /// Hands over every field that this event has, in the order of its row in [`super::table`]. Absent values are left out.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each event, and nothing else"
    )]
    pub fn fields(&self, take: &mut Take<'_>) {
        use Value::{Address, Flag, List, Number, Octets, Text};
        match self {
            Self::Start {
                version,
                topology,
                shards,
            } => {
                take("version", Text(version));
                take("topology", Octets(topology.as_os_str().as_encoded_bytes()));
                take("shards", count(*shards));
            }
            Self::StartRefused {
                topology,
                reason,
                details,
            } => {
                take("topology", Octets(topology.as_os_str().as_encoded_bytes()));
                take("reason", Text(reason.code()));
                take("details", List(details));
            }
            Self::Listening {
                listener,
                address,
                accept,
            } => {
                take("listener", Text(listener));
                take("address", Address(*address));
                take("accept", Text(accept));
            }
            Self::Ready { generation } => take("generation", Number(*generation)),
            Self::TokenKeyRandom => {}
            Self::Warning { code, what } => {
                take("code", Text(code.code()));
                take("what", Text(what));
            }
            Self::HandshakeAccepted { .. }
            | Self::HandshakeRefused { .. }
            | Self::HandshakeRefusedByPeer { .. }
            | Self::HandshakeAborted { .. } => self.handshake(take),
            Self::HandshakesSuppressed {
                of,
                direction,
                reason,
                peer,
                count,
            } => {
                take("of", Text(of));
                take("direction", Text(direction));
                take("reason", Text(reason.code()));
                text(take, "peer", peer.as_deref());
                take("count", Number(*count));
            }
            Self::ClientsSuppressed { of, reason, count } => {
                take("of", Text(of));
                text(take, "reason", reason.map(Reason::code));
                take("count", Number(*count));
            }
            Self::TrustWithdrawn {
                connection,
                direction,
                remote,
                peer,
                reason,
                detail,
                decision,
                new_decision,
            } => {
                take("connection", Number(*connection));
                take("direction", Text(direction));
                take("remote", Address(*remote));
                text(take, "peer", peer.as_deref());
                take("reason", Text(reason.code()));
                text(take, "detail", detail.as_deref());
                text(take, "decision", decision.as_deref());
                text(take, "new_decision", new_decision.as_deref());
            }
            Self::WouldRefuse {
                direction,
                remote,
                decision,
            } => {
                take("direction", Text(direction));
                take("remote", Address(*remote));
                let (reason, detail) = match &decision.would_refuse {
                    Some((reason, detail)) => (*reason, detail.as_deref()),
                    None => (decision.reason, None),
                };
                take("reason", Text(reason.code()));
                text(take, "detail", detail);
                take("decision", Text(&decision.id));
                text(take, "peer", decision.peer_fqdn.as_deref());
                if let Some(line) = decision.line {
                    take("line", Number(u64::from(line)));
                }
            }
            Self::ConnectionClosed {
                connection,
                remote,
                peer,
                by,
                reason,
                trust_reason,
                messages_in,
                messages_out,
                open,
            } => {
                take("connection", Number(*connection));
                take("remote", Address(*remote));
                text(take, "peer", peer.as_deref());
                take("by", Text(by));
                take("reason", Text(reason.code()));
                text(take, "trust_reason", trust_reason.map(Reason::code));
                take("messages_in", Number(*messages_in));
                take("messages_out", Number(*messages_out));
                take("open_ms", millis(*open));
            }
            Self::Request(request) => {
                text(take, "reason", request.reason.map(Reason::code));
                take("method", Octets(&request.method));
                take("call_id", Octets(&request.call_id));
                take("remote", Address(request.remote));
                text(take, "from_peer", request.from_peer.as_deref());
                text(take, "to_peer", request.to_peer.as_deref());
                take("to_client", Flag(request.to_client));
                number(take, "status", request.status.map(u64::from));
                take("took_us", micros(request.took));
            }
            Self::PeerUp { peer, shard } => {
                take("peer", Text(peer));
                take("shard", Number(u64::from(*shard)));
            }
            Self::PeerDown {
                peer,
                shard,
                reason,
                retry_in,
            } => {
                take("peer", Text(peer));
                take("shard", Number(u64::from(*shard)));
                take("reason", Text(reason.code()));
                if let Some(pause) = retry_in {
                    take("retry_in_ms", millis(*pause));
                }
            }
            Self::MemberDown {
                peer,
                reason,
                retry_in,
            } => {
                take("peer", Text(peer));
                take("reason", Text(reason.code()));
                number(
                    take,
                    "retry_in_ms",
                    retry_in.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
                );
            }
            Self::MemberUp { peer, down } => {
                take("peer", Text(peer));
                take("down_ms", millis(*down));
            }
            Self::LookupStale { peer } => take("peer", Text(peer)),
            Self::MessageDropped {
                reason,
                remote,
                peer,
            } => {
                take("reason", Text(reason.code()));
                if let Some(remote) = remote {
                    take("remote", Address(*remote));
                }
                text(take, "peer", peer.as_deref());
            }
            Self::Reload {
                generation,
                trigger,
                result,
                details,
                served,
                took,
            } => {
                take("generation", Number(*generation));
                take("trigger", Text(trigger));
                take("result", Text(result));
                take("took_us", micros(*took));
                take("details", List(details));
                take("served", List(served));
            }
            Self::ControlListening { path } => {
                take("path", Octets(path.as_os_str().as_encoded_bytes()));
            }
            Self::ControlUnavailable {
                path,
                reason,
                detail,
            } => {
                take("path", Octets(path.as_os_str().as_encoded_bytes()));
                take("reason", Text(reason.code()));
                take("detail", Text(detail));
            }
            Self::ControlRequest {
                command,
                uid,
                reason,
            } => {
                take("command", Text(command));
                take("uid", Number(u64::from(*uid)));
                text(take, "reason", reason.map(Reason::code));
            }
            Self::CrlUpdated { .. }
            | Self::CrlRefused { .. }
            | Self::CrlFetchFailed { .. }
            | Self::CrlStaleSoon { .. }
            | Self::CrlStale { .. }
            | Self::CrlStateFailed { .. }
            | Self::CrlForgotten { .. } => self.crl(take),
            Self::Forecast {
                generation,
                soon: _,
                ends_at,
                relaxed,
                details,
            } => {
                take("generation", Number(*generation));
                number(take, "ends_at", *ends_at);
                take("relaxed", List(relaxed));
                take("details", List(details));
            }
            Self::Drain { transactions } => {
                if let Some(transactions) = transactions {
                    take("transactions", count(*transactions));
                }
            }
            Self::Stopped { abandoned } => take("abandoned", count(*abandoned)),
            Self::Library {
                target, message, ..
            } => {
                take("target", Text(target));
                take("message", Text(message));
            }
            Self::LogDropped { lines } => take("lines", Number(*lines)),
        }
    }

    /// The fields of the four events that a handshake can end in; of other events none.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller's match sends only these four here"
    )]
    fn handshake(&self, take: &mut Take<'_>) {
        use Value::{Address, Number, Text};
        match self {
            Self::HandshakeAccepted {
                direction,
                connection,
                remote,
                via,
                sni,
                version,
                cipher,
                group,
                decision,
                took,
            } => {
                take("direction", Text(direction));
                take("connection", Number(*connection));
                take("remote", Address(*remote));
                take("via", Text(via));
                text(take, "sni", sni.as_deref());
                take("version", Text(version));
                take("cipher", Text(cipher));
                take("group", Text(group));
                take("took_us", micros(*took));
                if let Some(decision) = decision {
                    take("reason", Text(decision.reason.code()));
                    self::decision(decision, take);
                }
            }
            Self::HandshakeRefused {
                direction,
                remote,
                via,
                sni,
                reason,
                detail,
                decision,
            } => {
                ends(take, direction, *remote, via, sni.as_deref());
                take("reason", Text(reason.code()));
                text(take, "detail", detail.as_deref());
                if let Some(decision) = decision {
                    self::decision(decision, take);
                }
            }
            Self::HandshakeRefusedByPeer {
                direction,
                remote,
                via,
                sni,
                reason,
                alert,
                detail,
                shown,
                decision,
            } => {
                ends(take, direction, *remote, via, sni.as_deref());
                take("reason", Text(reason.code()));
                take("alert", Number(u64::from(*alert)));
                take("detail", Text(detail));
                if let Some(shown) = shown {
                    take("identity", Text(&shown.identity));
                    take("shown_subjects", Value::List(&shown.subjects));
                    take("shown_fingerprints", Value::List(&shown.fingerprints));
                }
                if let Some(decision) = decision {
                    self::decision(decision, take);
                }
            }
            Self::HandshakeAborted {
                direction,
                remote,
                via,
                sni,
                reason,
                detail,
            } => {
                ends(take, direction, *remote, via, sni.as_deref());
                take("reason", Text(reason.code()));
                text(take, "detail", detail.as_deref());
            }
            _ => {}
        }
    }
}

impl Event {
    /// The fields of the events about CRLs; of other events none.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller's match sends only these here"
    )]
    fn crl(&self, take: &mut Take<'_>) {
        use Value::{Number, Octets, Text};
        match self {
            Self::CrlUpdated {
                trust,
                file,
                issuer,
                revoked,
                next_update,
                generation,
            } => {
                take("trust", Text(trust));
                take("file", Octets(file.as_os_str().as_encoded_bytes()));
                take("issuer", Text(issuer));
                take("revoked", count(*revoked));
                take("next_update", Number(*next_update));
                take("generation", Number(*generation));
            }
            Self::CrlRefused {
                trust,
                file,
                issuer,
                reason,
                detail,
            } => {
                take("trust", Text(trust));
                take("file", Octets(file.as_os_str().as_encoded_bytes()));
                text(take, "issuer", issuer.as_deref());
                take("reason", Text(reason.code()));
                take("detail", Text(detail));
            }
            Self::CrlFetchFailed {
                trust,
                uri,
                reason,
                detail,
            } => {
                take("trust", Text(trust));
                take("uri", Text(uri));
                take("reason", Text(reason.code()));
                take("detail", Text(detail));
            }
            Self::CrlStaleSoon {
                trust,
                file,
                issuer,
                next_update,
                left,
            } => {
                take("trust", Text(trust));
                take("file", Octets(file.as_os_str().as_encoded_bytes()));
                take("issuer", Text(issuer));
                take("next_update", Number(*next_update));
                take("left_s", Number(left.as_secs()));
            }
            Self::CrlStale {
                trust,
                file,
                issuer,
                next_update,
            } => {
                take("trust", Text(trust));
                take("file", Octets(file.as_os_str().as_encoded_bytes()));
                take("issuer", Text(issuer));
                take("next_update", Number(*next_update));
            }
            Self::CrlStateFailed {
                file,
                reason,
                detail,
            } => {
                take("file", Octets(file.as_os_str().as_encoded_bytes()));
                take("reason", Text(reason.code()));
                take("detail", Text(detail));
            }
            Self::CrlForgotten {
                series,
                issuer,
                number,
                uid,
                pid,
                generation,
            } => {
                take("series", Text(series));
                take("issuer", Text(issuer));
                text(take, "number", number.as_deref());
                take("uid", Number(u64::from(*uid)));
                if let Some(pid) = pid {
                    take("pid", Number(u64::from(*pid)));
                }
                take("generation", Number(*generation));
            }
            _ => {}
        }
    }
}

/// What a trust decision adds to the event of its handshake.
fn decision(decision: &Decision, take: &mut Take<'_>) {
    use Value::{List, Text};
    take("decision", Text(&decision.id));
    take("verdict", Text(decision.verdict.word()));
    text(take, "peer", decision.peer_fqdn.as_deref());
    if let Some((name, kind)) = &decision.matched {
        take("matched", Text(name));
        take("matched_kind", Text(matched_kind(*kind)));
    }
    take("names", List(&decision.names));
    take("subjects", List(&decision.subjects));
    take("fingerprints", List(&decision.fingerprints));
    if let Some((trust, subject)) = &decision.anchor {
        take("trust", Text(trust));
        take("anchor", Text(subject));
    }
    if let Some((issuer, age)) = &decision.crl {
        take("crl", Text(issuer));
        take("crl_age_s", Value::Number(*age));
    }
    text(take, "purpose", decision.purpose);
    number(take, "valid_until", decision.valid_until);
    take("generation", Value::Number(decision.generation));
    number(take, "line", decision.line.map(u64::from));
}

/// Between whom a handshake that failed was.
fn ends(take: &mut Take<'_>, direction: &str, remote: SocketAddr, via: &str, sni: Option<&str>) {
    take("direction", Value::Text(direction));
    take("remote", Value::Address(remote));
    take("via", Value::Text(via));
    text(take, "sni", sni);
}

fn matched_kind(kind: MatchedKind) -> &'static str {
    match kind {
        MatchedKind::SipUri => "sip_uri",
        MatchedKind::Dns => "dns",
        MatchedKind::Wildcard => "wildcard",
        MatchedKind::CommonName => "common_name",
    }
}

fn text(take: &mut Take<'_>, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        take(name, Value::Text(value));
    }
}

fn number(take: &mut Take<'_>, name: &'static str, value: Option<u64>) {
    if let Some(value) = value {
        take(name, Value::Number(value));
    }
}

fn count(value: usize) -> Value<'static> {
    Value::Number(u64::try_from(value).unwrap_or(u64::MAX))
}

fn millis(value: Duration) -> Value<'static> {
    Value::Number(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
}

fn micros(value: Duration) -> Value<'static> {
    Value::Number(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
}
