//! sipward: a mutual-TLS SIP proxy daemon that decides trust in one place.
//!
//! The map, from the bottom up (dependencies point down only):
//!
//! * [`reason`]: the registry of reason codes, below everything.
//! * [`sip`]: framing, the lazy message view, URIs and edits over received bytes; no policy, no I/O.
//! * [`topology`]: the TOML file, from text to a [`topology::Topology`] without open questions.
//! * [`trust`]: [`trust::decide`], the one place that decides whose a certificate is.
//! * [`observe`]: the events an operator sees, and how they leave the message path.
//! * [`proxy`]: the sans-I/O core of RFC 3261 §16 and §17, one per shard.
//! * [`edge`]: the only I/O shell: shards, listeners, handshakes, connections to peers.
//! * [`daemon`]: start-up, generations and reload, drain, signals, systemd.
//! * [`cli`]: the commands.
//!
//! The demo, the tests and the benches have their certificates and SIP ends from `sipward-lab`, a crate that knows nothing
//! of this one, so that no test shares a fault with what it tests.
//!
//! The way of one message: a connection's task in [`edge`] reads, and [`sip::Framer`] finds the frame.
//! [`proxy::Core::on_message`] judges it by the identity of that connection and plans the edits. The same task carries out
//! the actions that it returns, as far as the outgoing session, whose bytes leave with the next flush.

pub mod cli;
pub mod daemon;
pub mod edge;
pub mod observe;
pub mod proxy;
pub mod reason;
pub mod sip;
pub mod topology;
pub mod trust;
