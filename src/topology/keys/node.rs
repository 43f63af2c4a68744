//! The keys of `[node]`: this daemon.
use super::key::{SOME_TEXTS, TEXT, TEXTS, ValueType};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::{Confinement, MOST_SHARDS, Node, Scheduling};

// Most of this section needs a restart, because sockets, threads and the names in routes that are on
// their way were made with it.
keys! {
    /// `[node]` as it is written.
    pub(crate) struct RawNode compares (), Node {
        // In every route that is on its way: another name would not be recognised as this node's.
        fqdn: Option<Text> = required, TEXT, restart,
            "This node's own name: in Via, Record-Route and Path, unless `advertise` says otherwise. At least one identity of each \
             listener must carry the name that is announced there."
            => Compare::Value(|(), node| ShownValue::text(&node.fqdn));
        // As the name above; and tokens that are on their way are bound to it.
        advertise: Option<Text> = optional("`fqdn`"), TEXT, restart,
            "The name in Via, Record-Route and Path instead of `fqdn`: one that all nodes of a site share, by SRV records or at a \
             balancer's address. With the same `[tokens]` keys the nodes take each other's routes then. Without a port in it \
             (`advertise_port` 5061) SRV records are asked for."
            => Compare::Value(|(), node| node.advertise.as_ref().map_or(ShownValue::Absent, ShownValue::text));
        domains: Option<Vec<Text>> = required, SOME_TEXTS, reload,
            "The home SIP domains, names or addresses. Each needs a pool. `fqdn` may be one of them, as for Teams: a signed \
             route, and an OPTIONS without a user, at that name are still this node's. An address is one of this node as well."
            => Compare::Value(|(), node| ShownValue::list(&node.domains));
        aliases: Vec<Text> = optional("none"), TEXTS, reload,
            "Further names and addresses of this node, as in Route and in an OPTIONS for it. Behind 1:1 NAT the public \
             address, which is where clients and partners send."
            => Compare::Value(|(), node| ShownValue::list(&node.aliases));
        advertise_port: Option<u16> = optional("the listener's"), ValueType::Integer(1, 65_535), restart,
            "The port to announce instead of the listener's (behind a balancer that translates).";
        shards: Option<u16> = optional("one for each core"), ValueType::Integer(1, MOST_SHARDS as u64), restart,
            "How many shards to run.";
        scheduling: Scheduling = default(Scheduling::Batch), ValueType::Word(Scheduling::WORDS), restart,
            "How the kernel schedules the shards' threads. `\"batch\"`: under SCHED_BATCH (sched(7)). A thread that wakes lets \
             the one on its core finish instead of interrupting it, and then finds more to do at once; while other programs \
             keep every core busy, it waits some milliseconds longer for its turn. A policy that the daemon was started with \
             (`chrt`, `CPUSchedulingPolicy=`) stays. `\"inherit\"`: as the daemon was started, whatever that is.";
        confinement: Confinement = default(Confinement::Landlock), ValueType::Word(Confinement::WORDS), restart,
            "What the process drops before it serves. `\"landlock\"`: it can write nowhere but in the directories of `state`, \
             `log.file` and the control socket, execute no program, and bind no TCP port but its listeners' (landlock(7); what the \
             kernel has of that, see the event `confined`). An upgrade and a new address of `[http]` are exempt; a `state` that a \
             reload moves is written after a restart. `\"off\"`: nothing.";
        // The path itself is not shown, only that it moved: what matters is that what was kept is left
        // behind.
        state: Option<Text> = optional("`$STATE_DIRECTORY` (systemd's `StateDirectory=`), else none"), TEXT, reload,
            "Directory in which the newest CRLs are kept across restarts; see `[[trust]]`. It is made, for the daemon's user \
             alone, if it is not there."
            => Compare::Change(|old, new| (old.state != new.state).then(|| "state moved to another directory".to_owned()));
    }
}
