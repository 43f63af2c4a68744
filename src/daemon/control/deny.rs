//! `deny`, `denials` and `admit_again`: networks that are refused for a time.
//!
//! A denial is in force before the command is answered, and before what it closes is closed. The file comes last: where it
//! cannot be written, the operator has what was asked for, and learns that until it can be that ends with the process.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{Denial, KickTarget};
use crate::observe::Event;
use crate::proxy::NamedParty;
use crate::reason::{ConnectionReason, DaemonReason};
use crate::topology::{network, printable};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest denial: what is to last belongs into the file.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// What is said of another time.
pub(super) const DENIAL_TIME: &str = "a denial lasts at least a second, and a year at most";
/// Characters of a reason.
///
/// One line of a table, for whoever finds the denial next week.
const LONGEST_REASON: usize = 200;

/// What a `deny` has done.
///
/// Connections that were in their handshake are not counted: they end when that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// How many connections it has closed.
    pub connections: usize,
    /// Who is refused from now on.
    pub denied: Denial,
}

impl ControlContext {
    /// Carries out `deny`.
    pub(super) async fn deny(
        &self,
        text: &str,
        time: Duration,
        reason: Option<&str>,
        uid: Option<u32>,
    ) -> Result<Denied, ControlRefusal> {
        let Some(network) = network(text) else {
            let what = format!(
                "\"{}\" is no address, and no network without bits behind its prefix",
                printable(text, 64)
            );
            return Err(DaemonReason::MalformedCommand.because(what));
        };
        // An operator's words, which others read at their terminals.
        let reason = reason.map(|reason| printable(reason, LONGEST_REASON));
        let party = NamedParty::Network(network);
        let target = KickTarget::of(&party);
        // First of all, or who is closed would be back before it.
        let denied = self.enter_denial(party, time, reason, uid).await?;
        let edge = &self.daemon.edge;
        let closed = edge.kick(&target, ConnectionReason::Denied, FOR_SHARDS);
        let connections = closed.await.ok_or_else(no_answer)?;
        Ok(Denied {
            connections,
            denied,
        })
    }

    /// Carries out `denials`.
    ///
    /// Bounded by what is kept: 10,000 of operators, and as many of the file.
    pub(super) fn denials(&self) -> Vec<Denial> {
        self.daemon.edge.denials()
    }

    /// Carries out `admit_again`: a network, a peer or a user.
    pub(super) async fn admit_again(
        &self,
        text: &str,
        uid: Option<u32>,
    ) -> Result<NamedParty, ControlRefusal> {
        // As the list has it: a name may be a peer's or a user's, and nobody should have to say which.
        let parties = [
            network(text).map(NamedParty::Network),
            Some(NamedParty::Peer(text.to_ascii_lowercase())),
            Some(NamedParty::User(text.to_owned())),
        ];
        let mut parties = parties.into_iter().flatten();
        let Some(party) = parties.find(|party| self.daemon.edge.admit_again(party)) else {
            return Err(DaemonReason::UnknownDenial.because(
                "no operator has denied that; what the topology denies ends with a reload",
            ));
        };
        if uid.is_some() {
            self.daemon.log.record(Event::DenialEnded {
                denied: party.to_string(),
                uid,
            });
        }
        self.daemon.keep_denials().await;
        Ok(party)
    }

    /// Refuses a party from now on, and says who has asked for it.
    pub(super) async fn enter_denial(
        &self,
        party: NamedParty,
        time: Duration,
        reason: Option<String>,
        uid: Option<u32>,
    ) -> Result<Denial, ControlRefusal> {
        if time.is_zero() || time > LONGEST {
            return Err(DaemonReason::MalformedCommand.because(DENIAL_TIME));
        }
        // In force from here on, whatever becomes of the file.
        let denial = self.daemon.edge.deny(party, time, reason);
        let denial = denial.ok_or_else(|| {
            DaemonReason::DenialsFull.because("as many parties are denied as there is room for")
        })?;
        self.note_denial(&denial, uid);
        self.daemon.keep_denials().await;
        Ok(denial)
    }

    /// Logs who has denied whom; another process of this node has done that already.
    pub(super) fn note_denial(&self, denial: &Denial, uid: Option<u32>) {
        if let Some(uid) = uid {
            self.daemon.log.record(Event::Denial {
                denied: denial.party.to_string(),
                until: denial.until.unwrap_or_default(),
                detail: denial.reason.clone(),
                uid,
            });
        }
    }

    /// Refuses whom another process of this node refuses; returns that, or nothing where there is no room.
    pub(super) async fn share_denial(&self, denial: Denial) -> Vec<Denial> {
        let is_entered = self.daemon.edge.share_denial(denial.clone());
        self.daemon.keep_denials().await;
        is_entered.then_some(denial).into_iter().collect()
    }
}
