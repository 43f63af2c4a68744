//! When something goes to the other process of this node, and what is done with what comes from there.
use super::envelope::Envelope;
use super::vouched::VouchedSender;
use crate::proxy::binding::{BindingId, BindingMessage, Found, HeldBinding, Place, WAIT};
use crate::proxy::core::Core;
use crate::proxy::environment::Environment;
use crate::proxy::inbound::InboundMessage;
use crate::proxy::interface::{Actions, Origin, RemoteIdentity};
use crate::proxy::leg::{Leg, PeerKey};
use crate::proxy::link_id::LinkId;
use crate::proxy::link_state::SendIf;
use crate::sip::Message;
use std::time::Instant;

/// Messages of one client connection that are handed over for their transaction, in a second: so many belong to what it had
/// begun, or was asked, over another connection.
const MOST: usize = 200;

impl Environment {
    /// The connection to the process that accepts in place of this one: clients and peers that leave this one are there.
    fn successor(&self) -> Option<LinkId> {
        self.links.other_process().filter(|_| self.is_retired)?;
        self.links.any_link(PeerKey::OTHER_PROCESS)
    }

    /// Whether there is such a process.
    ///
    /// Then this one makes no connection any more: it would have to leave it in a moment, and the other one has what it needs.
    pub(crate) fn has_successor(&self) -> bool {
        self.successor().is_some()
    }

    /// Whether this client was here and comes back to the other process.
    ///
    /// Asked where the client's directory is. One that was never here may be anywhere: siblings are asked for it.
    pub(crate) fn has_left(&self, id: BindingId) -> bool {
        self.successor().is_some() && self.directory.knows(id)
    }

    /// Has the process that accepts send what stands in `out` from `start` on; `false`: there is none, and nothing has changed.
    pub(crate) fn cross(&mut self, to: &Envelope, start: usize, out: &mut Actions) -> bool {
        let Some(link) = self.successor() else {
            return false;
        };
        // Its length stands in front of it: written anew behind that.
        let message = out.bytes.split_off(start);
        to.write(&message, &mut out.bytes);
        out.send(link, start, None);
        // Its own requests a shard finds itself when the connection goes.
        if let Some(asker) = to.asker().filter(|asker| asker.shard != self.shard) {
            self.written.note(link, asker, self.now);
        }
        true
    }

    /// The other process may still send to a connection that this client has left.
    ///
    /// TCP tells nobody that a phone has another network. Within a process its new registration does; this is the same for two.
    /// One short message for each registration, and only while there are two.
    pub(crate) fn report_held(&self, id: BindingId, out: &mut Actions) {
        if self.is_retired || self.links.other_process().is_none() {
            return;
        }
        if let Some(link) = self.links.any_link(PeerKey::OTHER_PROCESS) {
            let start = out.bytes.len();
            Envelope::Holds(id).write(b"", &mut out.bytes);
            out.send(link, start, None);
        }
    }

    /// Sends what nobody answers and nobody here has under way, such as an ACK, which must not come behind its BYE: over the
    /// connection of its dialog.
    fn send_unanswered(&mut self, to: Leg, bytes: &[u8], out: &mut Actions) {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(bytes);
        let message = Message::parse(bytes).ok();
        let link = message.and_then(|message| self.link_of_dialog(to, &message));
        if !self.spares(link, to, start, out) {
            return;
        }
        // A peer that is listed no more, or has no room: its sender repeats it or ends the call.
        let _ = self.send_downstream(to, link, start, SendIf::Always, out);
    }

    /// Hands a message over whose transaction no shard of this process has; `false`: the other one has it neither, since it has
    /// handed it over itself, or there is none.
    pub(crate) fn ask_other_process(
        &mut self,
        inbound: &InboundMessage<'_, '_>,
        out: &mut Actions,
    ) -> bool {
        let Some(link) = self.links.any_link(PeerKey::OTHER_PROCESS) else {
            return false;
        };
        let origin = inbound.origin;
        if let Leg::Client(_) = inbound.leg
            && let Some(client) = self.links.get_mut(origin.link)
            && !client.crossing.admits(MOST, inbound.now)
        {
            return false;
        }
        let sender = match (inbound.leg, &origin.identity) {
            // Back and forth would have no end.
            (_, RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_)) => return false,
            (Leg::Peer(key), _) => VouchedSender::Peer(key.0),
            (Leg::Client(_) | Leg::Binding(_), _) => {
                let own = self.links.bindings_of(origin.link);
                let mut ids: smallvec::SmallVec<[BindingId; 1]> =
                    own.chain(self.links.former_of(origin.link)).collect();
                // Read by another shard.
                if ids.is_empty() {
                    ids.extend(inbound.held);
                }
                // Who has not registered is nobody there.
                if ids.is_empty() {
                    return false;
                }
                VouchedSender::Client(ids)
            }
        };
        let envelope = Envelope::From {
            sender,
            remote: origin.remote,
            local: origin.local,
            number: origin.number,
        };
        let start = out.bytes.len();
        envelope.write(inbound.message.bytes(), &mut out.bytes);
        out.send(link, start, None);
        true
    }
}

impl Origin {
    /// Of a message that the other process has read; `None`: the envelope holds another kind.
    pub fn vouched(envelope: &Envelope, shard: u8) -> Option<Self> {
        let Envelope::From {
            sender,
            remote,
            local,
            number,
        } = envelope
        else {
            return None;
        };
        Some(Self {
            link: LinkId::none(shard),
            identity: RemoteIdentity::Vouched(sender.clone()),
            remote: *remote,
            local: *local,
            asked: 0,
            held: sender.bindings().first().copied(),
            number: *number,
        })
    }
}

impl Core {
    /// The other process of this node has this to send, or to say. A message of somebody else that it hands over is for
    /// [`Self::on_message`].
    pub fn on_envelope(
        &mut self,
        envelope: &Envelope,
        bytes: &[u8],
        now: Instant,
        out: &mut Actions,
    ) {
        self.env.now = now;
        match *envelope {
            Envelope::ToClient(id, asker) => {
                // Its directory may be another shard's, and the client not here yet.
                let message = BindingMessage::Pass {
                    place: Place::Binding(id),
                    bytes: bytes.into(),
                    until: Some(now + WAIT),
                    asker,
                };
                self.env.tell(id.shard(self.env.shards), message, out);
            }
            Envelope::ToPeer(key, Some(request)) => {
                self.env.deliver_crossed(PeerKey(key), request, bytes, out);
            }
            Envelope::Undelivered(asker, reason) => {
                if asker.shard < self.env.shards {
                    let message = BindingMessage::Undelivered { asker, reason };
                    self.env.tell(asker.shard, message, out);
                }
            }
            Envelope::ToPeer(key, None) => {
                self.env
                    .send_unanswered(Leg::Peer(PeerKey(key)), bytes, out);
            }
            Envelope::Holds(id) => {
                let message = BindingMessage::HeldElsewhere(id);
                self.env.tell(id.shard(self.env.shards), message, out);
            }
            // What the shell has to do.
            Envelope::From { .. } | Envelope::Ends => {}
        }
        self.settle(now, out);
    }

    /// A message of another shard, which nobody answers, finds its connection being closed.
    ///
    /// That shard has asked the directory a moment before it knew. What somebody answers goes back to it instead.
    pub fn on_late(&mut self, link: LinkId, bytes: &[u8], now: Instant, out: &mut Actions) {
        self.env.now = now;
        // Closed for good: what its client held is not known here any more.
        let Some(state) = self.env.links.get(link) else {
            return;
        };
        // A client is found by any of its bindings.
        let held = state.held.first().and_then(HeldBinding::id);
        let to = match (state.leg, held.or(state.former.last().copied())) {
            (Leg::Client(_), Some(id)) => Leg::Binding(id),
            (leg, _) => leg,
        };
        self.env.send_unanswered(to, bytes, out);
        self.settle(now, out);
    }

    /// As [`Core::on_binding`] for a process: the other one says what it alone can know.
    ///
    /// A client of this process is at the other one: its connection here is dead, and what runs on it follows.
    pub(crate) fn held_elsewhere(&mut self, id: BindingId, now: Instant, out: &mut Actions) {
        let env = &mut self.env;
        // Nobody takes a client from the process that accepts.
        if !env.is_retired {
            return;
        }
        let Found::At(link) = env.directory.find(id, env.shard, None, now) else {
            return;
        };
        let grace = env.limits.binding_grace;
        env.directory.lost(id, link, grace, now);
        // The shard of the connection has what runs on it.
        let message = BindingMessage::Displaced { id, link };
        env.tell(link.shard(), message, out);
    }
}
