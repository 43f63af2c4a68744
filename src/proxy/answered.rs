//! INVITEs that have their final answer: what waits for Timer H, L or M, in 128 bytes
//! (RFC 3261 §17.2.1, RFC 6026 §7).
//!
//! A request that is answered is needed no more. What may still come is the INVITE
//! again, its ACK, a CANCEL, and further 2xx of a fork: each is recognised and carried
//! out by these few fields, and for nothing else is anything kept. That is why an
//! answer costs the same whatever its request was, and why many of them may wait.
use super::account::{ANSWERED_COST, Hold};
use super::calls::{AnsweredCall, CallKey, CallPart, session_of, tag_hash};
use super::context::{CurrentBranch, ResponseContext};
use super::environment::{Environment, Upstream};
use super::identity::PartyTexts;
use super::inbound::InboundMessage;
use super::interface::Actions;
use super::leg::Leg;
use super::link_id::LinkId;
use super::outgoing::{MessageWriter, RecordedToken};
use super::relay::dialog_hash;
use super::request_places::DialogTexts;
use super::transaction::T64;
use super::{same_party, way_back};
use crate::observe::{CallRecord, EndedBy};
use crate::reason::MessageReason;
use crate::sip::{CSeq, HeaderName, Message, Method, write_reply};
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What one of them costs, in bytes.
///
/// The record itself, the word that the allocator adds, its slot, its place among the
/// keys (a table of which an eighth is free) and its node in the wheel.
pub(crate) const COST: usize = ANSWERED_COST;

/// Further dialogs of one INVITE that are kept as calls: whoever sends more wants to
/// fill the table.
const MOST_FURTHER: usize = 7;

/// The longest To tag of a refusal that is kept; a repeated INVITE whose refusal had a
/// longer one is tried anew.
const LONGEST_TAG: usize = 48;

/// A leg in nine bytes.
///
/// An enum of three numbers takes sixteen, and a record has two of them. Packed, so
/// that it needs no alignment; its parts are copied out and never borrowed.
#[derive(Clone, Copy)]
#[repr(Rust, packed)]
struct ShortLeg {
    kind: u8,
    number: u64,
}

/// One of them.
///
/// It stays in the slot of its context, since its branch names that, and in the wheel,
/// which knows when its time is over. Nothing is kept twice: not the time of the
/// answer, which the wheel has as well, nor this node's own To tag, which follows from
/// key and nonce.
pub(crate) struct AnsweredInvite {
    /// Key of the server transaction: by it the INVITE is found again, its ACK and its
    /// CANCEL.
    pub(crate) key: u128,
    /// Of its last branch: a further 2xx names it, and nobody else can.
    nonce: u64,
    /// Where the INVITE came from. Answers leave on that connection, or on another one
    /// of the same sender, if it has gone meanwhile.
    link: LinkId,
    /// Who has sent it.
    leg: ShortLeg,
    /// Whether one side of its dialog is a client without a registration, which has to be shown its own
    /// value of what was recorded. Both values follow from both legs, the Call-ID and the next field.
    has_two_values: bool,
    /// Hash of the host in the request's To, as tokens have it.
    to_host: u32,
    /// What it waits for.
    state: AnswerState,
}

/// What was answered.
enum AnswerState {
    /// 3xx to 6xx: waits for its ACK under Timer H.
    Refused {
        /// Of the refusal.
        status: u16,
        /// How much of the tag's place is used; 0: it was longer, or there was none.
        length: u8,
        /// The To tag of the refusal: a second answer with another one would be taken
        /// for a fork's.
        tag: [u8; LONGEST_TAG],
    },
    /// 2xx: takes further ones until Timer L, which is M of the client.
    Accepted(AcceptedInvite),
}

/// What a further 2xx needs.
struct AcceptedInvite {
    /// Of Call-ID, From tag, CSeq number and the Via that it came with.
    dialog: u64,
    /// Who was asked, on which connection.
    ///
    /// Only it may answer once more; the target may do so on another connection as
    /// well.
    target: ShortLeg,
    /// That connection.
    asked: LinkId,
    /// The number of the caller's connection in the log, and its address.
    ///
    /// In parts, since a socket address has 32 bytes. Only the record of a call needs
    /// them.
    number: u64,
    /// As IPv6, which has a place for IPv4 addresses (RFC 4291 §2.5.5.2).
    address: [u8; 16],
    /// The port of that address.
    port: u16,
    /// How long the first answer took, in milliseconds, and how long of that it rang;
    /// `u32::MAX`: it did not.
    ///
    /// Of a second call its own times are counted on from these.
    setup: u32,
    /// See above.
    ringing: u32,
    /// The call that the first answer has formed.
    call: CallKey,
    /// Whether answers form calls, which this node keeps.
    forms_calls: bool,
    /// Whether a 2xx tells its receiver how often to send keep-alives
    /// (`ms-keep-alive`).
    keep_alive: bool,
    /// Not there for nearly all: a call between a registered client and a server has
    /// none of it.
    rare: Option<Box<RareParts>>,
}

/// What few of them have.
#[derive(Default)]
struct RareParts {
    /// What was recorded of a client without a registration, where a sibling has the other
    /// side: then no leg here says what it names.
    recorded: Option<Box<RecordedToken>>,
    /// The calls that further answers have formed.
    further: SmallVec<[CallKey; 1]>,
}

impl ShortLeg {
    fn of(leg: Leg) -> Self {
        let (kind, number) = leg.packed();
        Self { kind, number }
    }

    fn leg(self) -> Leg {
        Leg::unpacked(self.kind, self.number)
    }
}

impl AnsweredInvite {
    /// What stays of a context that has sent its final answer.
    pub(crate) fn of(context: &mut ResponseContext, env: &Environment) -> Self {
        let has_two_values = context.recorded.is_some();
        let to_host = context.plan.to_host;
        let tag = context.final_tag();
        let status = context.final_status;
        let state = match (200..300).contains(&status) {
            true => AnswerState::Accepted(AcceptedInvite::of(context, env)),
            false => {
                let mut kept = [0; LONGEST_TAG];
                let length = match kept.get_mut(..tag.len()) {
                    Some(place) => {
                        place.copy_from_slice(tag);
                        tag.len() as u8
                    }
                    None => 0,
                };
                AnswerState::Refused {
                    status,
                    length,
                    tag: kept,
                }
            }
        };
        Self {
            key: context.key,
            nonce: context.nonce,
            link: context.upstream.link,
            leg: ShortLeg::of(context.upstream.leg),
            has_two_values,
            to_host,
            state,
        }
    }

    /// The connection that the INVITE came on.
    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    /// The same of one that a client has sent and that was refused.
    pub(crate) fn refused_client(&self) -> Option<LinkId> {
        let is_client = self.leg.leg().is_client();
        (is_client && self.ends_with_ack()).then_some(self.link)
    }

    /// Whether its client is registered, and so may come back to it.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self.leg.leg(), Leg::Binding(_))
    }

    /// Whether this is its current branch.
    pub(crate) fn has_branch(&self, nonce: u64) -> bool {
        self.nonce == nonce
    }

    /// Whether an ACK with the INVITE's branch ends it (Timer I is zero).
    pub(crate) fn ends_with_ack(&self) -> bool {
        matches!(self.state, AnswerState::Refused { .. })
    }

    /// Who was asked, if somebody has accepted.
    pub(crate) fn target(&self) -> Option<Leg> {
        match &self.state {
            AnswerState::Refused { .. } => None,
            AnswerState::Accepted(accepted) => Some(accepted.target.leg()),
        }
    }

    /// The To tag of this node's answers: that of a CANCEL that comes too late.
    pub(crate) fn to_tag(&self) -> u64 {
        self.nonce.rotate_left(32) ^ self.key as u64
    }

    /// The INVITE again (RFC 3261 §17.2.1; RFC 6026 §7.1).
    ///
    /// The refusal is made again from it, a 2xx is the callee's to repeat. Returns
    /// whether that was all; else it should be tried anew, since the refusal said more
    /// than its status.
    pub(crate) fn on_repeat(
        &self,
        inbound: &InboundMessage<'_, '_>,
        env: &mut Environment,
        out: &mut Actions,
    ) -> bool {
        let AnswerState::Refused {
            status,
            length,
            ref tag,
        } = self.state
        else {
            return true;
        };
        let tag = tag.get(..usize::from(length)).unwrap_or_default();
        if says_more(status) || tag.is_empty() {
            return false;
        }
        let start = out.bytes.len();
        let (message, remote) = (inbound.message, inbound.origin.remote);
        write_reply(message, remote, status, Some(tag), &[], &mut out.bytes);
        env.send_upstream(inbound.upstream(), start, out);
        true
    }

    /// A response to its branch: a further 2xx of a fork passes, anything else is late
    /// (RFC 6026 §7.2, §8.4).
    ///
    /// # Errors
    /// It is dropped.
    pub(crate) fn on_response(
        &mut self,
        response: &InboundMessage<'_, '_>,
        (status, cseq): (u16, CSeq<'_>),
        answered: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        // The answer to this node's CANCEL adds nothing to the INVITE's own answer,
        // which has passed: it often comes after the 487 that it has brought about.
        if cseq.method == Method::Cancel {
            return Ok(());
        }
        // After a refusal the client transaction is over: Timer D is zero on a reliable
        // transport.
        let AnswerState::Accepted(accepted) = &mut self.state else {
            return Err(MessageReason::ResponseUnmatched);
        };
        if !accepted.is_asked(response, env) {
            return Err(MessageReason::ResponseWrongPeer);
        }
        if cseq.method != Method::Invite || !(200..300).contains(&status) {
            return Err(MessageReason::ResponseUnmatched);
        }
        // The same that a first answer is asked for: a branch alone would let a server
        // answer for another dialog.
        let message = response.message;
        if !accepted.is_repeated_in(message, cseq.number, env) {
            return Err(MessageReason::ResponseMalformed);
        }
        let upstream = Upstream {
            link: self.link,
            leg: self.leg.leg(),
            remote: accepted.remote(),
            number: accepted.number,
            sender: None,
        };
        let start = out.bytes.len();
        let rare = accepted.rare.as_ref();
        let again;
        let recorded = match rare.and_then(|rare| rare.recorded.as_deref()) {
            Some(kept) => std::slice::from_ref(kept),
            None if self.has_two_values => {
                let legs = (upstream.leg, accepted.target.leg());
                let call_id = message.call_id().unwrap_or_default();
                again = RecordedToken::again(legs, self.to_host, call_id, env);
                &again[..]
            }
            None => &[],
        };
        let outgoing = MessageWriter::to(upstream.leg, env);
        // What cannot be rid of hidden names is not sent: its caller has an answer.
        if outgoing
            .answer(
                response,
                status,
                (accepted.keep_alive, recorded),
                &mut out.bytes,
            )
            .is_ok()
        {
            accepted.note_call(response, upstream, answered, env, out);
            let bytes = out.bytes.len() - start;
            if !env.links.spares(upstream.link, bytes, &env.limits) {
                out.bytes.truncate(start);
                return Err(MessageReason::PeerCongested);
            }
            env.send_upstream(upstream, start, out);
        }
        Ok(())
    }
}

impl ResponseContext {
    /// It becomes a record: its buffers go back, and what it was counted by.
    pub(crate) fn settle(&mut self, env: &mut Environment) -> AnsweredInvite {
        let answered = AnsweredInvite::of(self, env);
        self.end_try(env);
        env.transactions -= 1;
        env.answered += 1;
        self.hold = Hold::default();
        env.buffers.put_back(std::mem::take(&mut self.request));
        env.buffers
            .put_back(std::mem::take(&mut self.last_response));
        self.call = CallPart::None;
        answered
    }
}

impl AcceptedInvite {
    fn of(context: &mut ResponseContext, env: &Environment) -> Self {
        let (target, asked) = match context.branch {
            CurrentBranch::Sent { target, link, .. } => (target, link),
            CurrentBranch::None | CurrentBranch::Waiting(_) | CurrentBranch::Rejoining { .. } => {
                (context.upstream.leg, LinkId::none(env.shard))
            }
        };
        // `sent_final` has set Timer L to run from the answer on.
        let at = context.deadlines.at.checked_sub(T64);
        let at = at.unwrap_or(context.received);
        let millis = |since: Instant| at.saturating_duration_since(since).as_millis() as u32;
        let beginning = match &context.call {
            CallPart::Begins(beginning) => Some(beginning),
            CallPart::None | CallPart::Refreshes | CallPart::Ends => None,
        };
        let formed = beginning.and_then(|beginning| beginning.first());
        let ringing = beginning.and_then(|beginning| beginning.ringing);
        let address = match context.upstream.remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        // A sibling's leg is no part of what was recorded.
        let recorded = context.recorded.take();
        let recorded = recorded.filter(|_| context.is_sibling(target));
        Self {
            dialog: numbered(context.dialog(env), context.cseq) ^ context.asker(env),
            target: ShortLeg::of(target),
            asked,
            number: context.upstream.number,
            address: address.octets(),
            port: context.upstream.remote.port(),
            setup: millis(context.received),
            ringing: ringing.map_or(u32::MAX, millis),
            call: formed.unwrap_or(CallKey::NONE),
            // The node that has the client counts them.
            forms_calls: formed.is_some() && !context.is_sibling(target),
            keep_alive: context.plan.keep_alive,
            rare: recorded.map(|recorded| {
                Box::new(RareParts {
                    recorded: Some(recorded),
                    ..RareParts::default()
                })
            }),
        }
    }

    fn remote(&self) -> SocketAddr {
        let address = Ipv6Addr::from(self.address);
        SocketAddr::new(IpAddr::V6(address).to_canonical(), self.port)
    }

    /// Only who was asked answers: on that connection, or on another one of the same
    /// party.
    fn is_asked(&self, response: &InboundMessage<'_, '_>, env: &Environment) -> bool {
        let origin = response.origin;
        self.asked == origin.link
            || match self.target.leg() {
                Leg::Peer(asked) => same_party::may_be(origin, response.leg, asked, env.routing()),
                target @ (Leg::Client(_) | Leg::Binding(_)) => env.is_client_at(target, origin),
            }
    }

    /// Whether a response has the Call-ID, the From tag, the CSeq number and the Via of the
    /// request (RFC 3261 §8.2.6.2).
    fn is_repeated_in(&self, response: &Message<'_>, number: u32, env: &Environment) -> bool {
        let call_id = response.first(HeaderName::CallId).unwrap_or_default();
        let from = response.from().ok();
        let hop = way_back::next_hop(response, env);
        from.zip(hop).is_some_and(|(from, hop)| {
            let dialog = dialog_hash(call_id, from.tag(), env);
            numbered(dialog, number) ^ hop == self.dialog
        })
    }

    /// Another phone has answered as well: a call of its own, unless this answer
    /// repeats another.
    fn note_call(
        &mut self,
        response: &InboundMessage<'_, '_>,
        upstream: Upstream,
        answered: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let (message, now) = (response.message, response.now);
        let Some(dialog) = DialogTexts::of(message).filter(|_| self.forms_calls) else {
            return;
        };
        let key = dialog.key(&env.secrets);
        if key == self.call {
            return;
        }
        let rare = self.rare.get_or_insert_default();
        if rare.further.contains(&key) || rare.further.len() >= MOST_FURTHER {
            return;
        }
        rare.further.push(key);
        let target = self.target.leg();
        let after = now.saturating_duration_since(answered);
        let since = |millis: u32| Duration::from_millis(millis.into()) + after;
        let record = CallRecord {
            // Its answer repeats what it was called by; the request is gone.
            parties: env.parties(&PartyTexts::of(message)),
            connection: upstream.number,
            remote: upstream.remote,
            decision: env.links.decision(upstream.link),
            from_peer: env.peer_name(upstream.leg),
            through: None,
            to_peer: env.peer_name(target),
            to_client: target.is_client(),
            to_connection: Some(response.origin.number),
            setup: since(self.setup),
            ringing: (self.ringing != u32::MAX).then(|| since(self.ringing)),
            talk: None,
            ended_by: EndedBy::Node,
            status: None,
        };
        let call = AnsweredCall {
            key,
            record,
            clients: [upstream.leg, target].map(Leg::call_client),
            callee: response.origin.remote.ip(),
            caller: tag_hash(&env.secrets, dialog.from_tag),
            at: now,
            session: session_of(message),
        };
        env.tell_of_answer(call, out);
    }
}

/// A dialog's hash with a CSeq number: of one dialog no two numbers make the same.
fn numbered(dialog: u64, cseq: u32) -> u64 {
    dialog.wrapping_add(u64::from(cseq))
}

/// Whether a refusal of this status has fields that its sender needs: where else to go,
/// or what to come back with.
fn says_more(status: u16) -> bool {
    (300..400).contains(&status)
        || [
            401, 405, 407, 413, 415, 416, 420, 421, 422, 423, 424, 469, 484, 485, 489, 494, 503,
        ]
        .contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_an_ack_or_a_further_answer_has_at_most_128_bytes() {
        assert!(
            size_of::<AnsweredInvite>() <= 128,
            "{}",
            size_of::<AnsweredInvite>()
        );
        assert_eq!(size_of::<ShortLeg>(), 9);
    }
}
