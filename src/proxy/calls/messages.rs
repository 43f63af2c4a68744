//! What the shard of an INVITE, BYE or refresh tells the shard that keeps the call.
//!
//! It is sent before the answer leaves, so that whatever the answer leads to comes after it: a BYE never overtakes the
//! call that it ends.
use super::key::CallKey;
use crate::observe::CallRecord;
use crate::proxy::binding::BindingId;
use crate::proxy::link_id::LinkId;
use crate::proxy::source_key::SourceKey;
use crate::sip::{HeaderName, Message};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// One shard tells another of a call.
#[derive(Clone, Debug)]
pub struct CallMessage(pub(crate) CallNews);

/// A client that has a call: as its leg, without the kinds that are none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CallClient {
    /// Unregistered: known by its connection.
    Link(LinkId),
    /// Registered, whatever connection it has.
    Binding(BindingId),
}

/// What has happened. Each is one message between shards at most: an INVITE and its BYE cost two.
#[derive(Clone, Debug)]
pub(crate) enum CallNews {
    /// The first 2xx of a dialog has come.
    Answered(Box<AnsweredCall>),
    /// A re-INVITE or UPDATE was answered; the session lasts so long from now on, if it says.
    Refreshed(CallKey, Option<Duration>),
    /// A BYE is over.
    HungUp(HungUp),
}

/// A call that was answered.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredCall {
    /// Its dialog.
    pub(crate) key: CallKey,
    /// What is known of it so far; its end is filled in later.
    pub(crate) record: CallRecord,
    /// The caller and the callee, each if it is a client.
    pub(crate) clients: [Option<CallClient>; 2],
    /// Where the callee's connection comes from; where the caller's does is in the record.
    pub(crate) callee: IpAddr,
    /// A hash of the caller's tag.
    pub(crate) caller: u64,
    /// When its answer passed.
    pub(crate) at: Instant,
    /// How long its session lasts without a refresh, if it says.
    pub(crate) session: Option<Duration>,
}

impl AnsweredCall {
    /// The sources of its clients, the caller's first, each once: two phones of one office have one call.
    pub(crate) fn sources(&self) -> [Option<SourceKey>; 2] {
        let [caller, callee] = self.clients;
        let caller = caller.map(|_| SourceKey::of(self.record.remote.ip()));
        let callee = callee.map(|_| SourceKey::of(self.callee));
        [caller, callee.filter(|_| callee != caller)]
    }
}

/// A BYE was answered, or nobody answers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HungUp {
    /// Its dialog.
    pub(crate) key: CallKey,
    /// A hash of the From tag of the BYE.
    pub(crate) by: u64,
    /// When the BYE came.
    pub(crate) at: Instant,
    /// What it was answered.
    pub(crate) status: Option<u16>,
}

/// How long a session lasts without a refresh (RFC 4028 §4); `None`: as long as its sides like.
pub(crate) fn session_of(message: &Message<'_>) -> Option<Duration> {
    let value = message.first(HeaderName::SessionExpires)?;
    // Parameters follow it: who refreshes is not looked at, since either does.
    let digits = value.split(|b| !b.is_ascii_digit()).next()?;
    let seconds = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}
