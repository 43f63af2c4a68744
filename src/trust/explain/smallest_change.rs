//! The smallest change that would turn a refusal: edits of the topology are supposed, and judged by the same decision.
use crate::reason::TrustReason;
use crate::topology::{
    DnsName, IdentityRef, NamePolicy, Peer, PeerKind, Pin, PurposePolicy, TrustRef, Window,
};
use crate::trust::decision::verdict::{Decision, Verdict};
use crate::trust::decision::{
    decide::decision_on, question::TrustQuestion, vouch::set_that_would_vouch,
};
use crate::trust::explain::elsewhere::{elsewhere, is_this_node};
use crate::trust::trace::recorder::Trace;
use serde::{Deserialize, Serialize};

/// The smallest change that turns a refusal, tried with the same decision.
///
/// Edits are only supposed: nothing is written, and the operator decides whether the change is right. An
/// attack needs a change as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallestChange {
    /// Edits of the topology that were tried, one after the other.
    pub edits: Vec<String>,
    /// What has to be done elsewhere: a certificate, a CRL, a clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// What else would let it in, if it is not a server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or: Option<String>,
    /// The reason code that was found with the edits in place: `accepted` when nothing else is needed.
    pub leads_to: String,
}

/// Edits that are tried one after the other; a refusal that needs more is no slip in the file.
///
/// Each edit is judged like a handshake, and all share one budget.
const MAX_EDITS: usize = 4;

/// An edit of the peers, with what the operator would write.
///
/// The peers as a whole, because an edit may add one.
struct Edit {
    peers: Vec<Peer>,
    text: String,
}

/// What would turn a refusal; `None` for an accepted chain.
pub(crate) fn smallest_change(
    question: &TrustQuestion<'_>,
    decision: &Decision,
) -> Option<SmallestChange> {
    if decision.verdict != Verdict::Refuse {
        return None;
    }
    let generation = question.generation;
    let mut edits = Vec::new();
    let mut supposed = generation.supposing(generation.topology().peers().to_vec());
    let mut now = decision.clone();
    // One fault may hide another: after each edit the decision is asked again what it finds now.
    while edits.len() < MAX_EDITS {
        let asked = TrustQuestion {
            generation: &supposed,
            ..*question
        };
        let Some(edit) = edit_for(&now, &asked) else {
            break;
        };
        let with_it = generation.supposing(edit.peers);
        let again = TrustQuestion {
            generation: &with_it,
            ..*question
        };
        let next = decision_on(&again, &Trace::off());
        // An edit that changes nothing is not worth suggesting.
        if next.reason == now.reason && next.detail == now.detail {
            break;
        }
        edits.push(edit.text);
        supposed = with_it;
        now = Decision::clone(&next);
        if now.reason == TrustReason::Accepted {
            break;
        }
    }
    let asked = TrustQuestion {
        generation: &supposed,
        ..*question
    };
    let elsewhere = (now.reason != TrustReason::Accepted).then(|| elsewhere(&now, &asked));
    Some(SmallestChange {
        edits,
        elsewhere,
        or: None,
        leads_to: now.reason.code().to_owned(),
    })
}

/// What an edit does to a peer entry.
type PeerChange = Box<dyn Fn(&mut Peer)>;

/// The edit of the topology that answers a reason, if one can.
fn edit_for(decision: &Decision, question: &TrustQuestion<'_>) -> Option<Edit> {
    let topology = question.generation.topology();
    // The one reason that asks for a new entry; all others change one that is there.
    if decision.reason == TrustReason::NotInTopology {
        return new_peer(decision, question);
    }
    // A name that is held back has no peer in the decision yet, but the line of its entry.
    // By name where the decision has one, and else by line: the entry may have been changed by an edit
    // before.
    let entry = |peer: &&Peer| match decision.peer_name.as_deref() {
        Some(name) => peer.name.as_str() == name,
        None => Some(peer.line) == decision.line,
    };
    let peer = topology.peers().iter().find(entry)?;
    // Where the operator would make the edit.
    let place = format!("at peer {} (line {})", peer.name, peer.line);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others are answered outside the peer entries"
    )]
    let (change, text): (PeerChange, String) = match decision.reason {
        TrustReason::CommonNameOnly => (
            Box::new(|peer| peer.common_name = true),
            format!("{place}: common_name = true"),
        ),
        TrustReason::WildcardNotAllowed => (
            Box::new(|peer| peer.names = NamePolicy::OneLabelWildcard),
            format!("{place}: names = \"one-label-wildcard\""),
        ),
        // With the relaxed policy already in place only another certificate helps.
        TrustReason::EkuUnsuitable if peer.purpose == PurposePolicy::Strict => (
            Box::new(|peer| peer.purpose = PurposePolicy::ServerOrClient),
            format!("{place}: purpose = \"server-or-client\""),
        ),
        // Suggested with the window as it is now, so that nobody removes it by mistake.
        TrustReason::PeerNotYetActive | TrustReason::PeerNoLongerActive => (
            Box::new(|peer| peer.window = Window::default()),
            format!(
                "{place}: without not_before and not_after (it counts {})",
                peer.window
            ),
        ),
        TrustReason::PinMismatch => {
            // Suggested with a warning: a changed key may as well be an attack.
            let key = leaf_pin(question)?;
            (
                Box::new(move |peer| peer.pins.push(key)),
                format!("{place}: \"{key}\" among the pins, only if this key is the peer's own"),
            )
        }
        TrustReason::AnchorNotForPeer => {
            // The warning matters: this edit lets another CA vouch for the peer's name.
            let set = vouching_set(question, &peer.trust)?;
            let sets = peer.trust.iter().chain([&set]);
            let names = sets.map(|set| format!("\"{}\"", topology.trust(*set).name));
            let names = names.collect::<Vec<_>>().join(", ");
            (
                Box::new(move |peer| peer.trust.push(set)),
                format!("{place}: trust = [{names}], only if that CA may vouch for this name"),
            )
        }
        _ => return None,
    };
    // The generation's own peers stay as they are; a copy is changed.
    let name = peer.name.clone();
    let mut peers = topology.peers().to_vec();
    peers.iter_mut().filter(|p| p.name == name).for_each(change);
    Some(Edit { peers, text })
}

/// The pin of the presented leaf's key.
fn leaf_pin(question: &TrustQuestion<'_>) -> Option<Pin> {
    let leaf = question.chain.as_ref().ok()?.leaf_certificate();
    Some(Pin(*leaf.key().digest()))
}

/// A new entry for the first whole name that was presented.
///
/// Only if some configured set would vouch: without one the CA is the larger question.
fn new_peer(decision: &Decision, question: &TrustQuestion<'_>) -> Option<Edit> {
    // Wildcards and addresses cannot be an entry's name.
    let name = decision.names.iter().find_map(|n| DnsName::parse(n).ok())?;
    let topology = question.generation.topology();
    // A certificate of this node that comes in from outside is a loop or a copy of its key.
    if is_this_node(topology, &name) {
        return None;
    }
    let set = vouching_set(question, &[])?;
    let mut peers = topology.peers().to_vec();
    // One more must still be an index; a file with that many peers cannot take another.
    // References are 32 bits wide.
    u32::try_from(peers.len() + 1).ok()?;
    let trust = &topology.trust(set).name;
    let text = format!(
        "add [[peer]] fqdn = \"{name}\", trust = [\"{trust}\"], with its kind and domains, only if this server is to be trusted"
    );
    // Federated, which grants least.
    peers.push(Peer {
        kind: PeerKind::Federated,
        trust: vec![set],
        line: 0,
        ..Peer::named(name, IdentityRef(0))
    });
    Some(Edit { peers, text })
}

/// The first configured set outside `asked`, by name, to whose anchors the chain leads.
fn vouching_set(question: &TrustQuestion<'_>, asked: &[TrustRef]) -> Option<TrustRef> {
    let chain = question.chain.as_ref().ok()?;
    set_that_would_vouch(chain, asked, question.generation, question.at)
}
