//! What of a topology only a restart can change, as facts that can be compared: of two files, or of a running daemon and a
//! file.
use super::keys::admin::RawAdmin;
use super::keys::listener::RawListener;
use super::keys::log::RawLog;
use super::keys::node::RawNode;
use super::keys::{Compare, Compared, Effect};
use super::{Accept, Limits, Topology};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of settings with their values as shown.
///
/// Text, and not the settings themselves: the running daemon sends its own to `sipward plan`, which may
/// be of another version and compares what both know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RestartSettings(BTreeMap<String, String>);

impl RestartSettings {
    /// What is different in `newer`, one line each.
    ///
    /// In the order of the names, which groups the settings of one section.
    pub fn changes(&self, newer: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, old) in &self.0 {
            match newer.0.get(key) {
                Some(new) if new == old => {}
                Some(new) => lines.push(format!("{key} {old} becomes {new}")),
                None => lines.push(format!("{key} {old} removed")),
            }
        }
        let added = newer.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        lines.extend(added.map(|(key, new)| format!("{key} {new} added")));
        lines
    }
}

/// The values of the keys of one section that need a restart, by what they are about.
///
/// The rows that are marked `restart` in the table of keys, so that a key that is added with that mark
/// is reported here without anything else to be done.
fn facts<K: Compared>(about: &str, context: &K::Context, item: &K::Item) -> Vec<(String, String)> {
    let rows = K::ROWS
        .iter()
        .zip(K::COMPARE)
        .filter(|(key, _)| matches!(key.effect, Effect::Restart));
    rows.filter_map(|(key, compare)| match compare {
        Compare::Value(value) => Some((
            format!("{about}{}", key.name),
            key.show(&value(context, item)),
        )),
        Compare::Change(_) | Compare::Elsewhere => None,
    })
    .collect()
}

/// The port of the first listener that takes them, where none is announced in its place and the first of all would not do.
///
/// Peers and clients are sent to one port each, which is written into routes that live as long as the
/// dialogs.
fn announced(topology: &Topology, takes: fn(Accept) -> bool) -> Option<u16> {
    if topology.node.advertise_port.is_some() {
        return None;
    }
    let listeners = &topology.listeners;
    let first = listeners.iter().position(|l| takes(l.accept)).unwrap_or(0);
    // If the first listener takes all, its address shows it already.
    let listener = listeners.get(first).filter(|_| first > 0)?;
    Some(listener.address.port())
}

impl Topology {
    /// The settings that only a restart can change.
    ///
    /// Everything that was used to make sockets, threads or the log's queue. The rest of a topology can
    /// be exchanged while it runs.
    pub fn restart_settings(&self) -> RestartSettings {
        let mut all = facts::<RawNode>("node.", &(), &self.node);
        for listener in &self.listeners {
            // A listener that comes or goes is bound or closed by a restart, so the fact is kept under its name.
            let of_listener = facts::<RawListener>("", self, listener);
            let name = format!("listener {}", listener.name);
            all.extend(of_listener.into_iter().map(|(key, shown)| match &*key {
                "address" => (name.clone(), shown),
                _ => (format!("{name} {key}"), shown),
            }));
        }
        for (what, takes) in [
            ("port for clients", Accept::clients as fn(Accept) -> bool),
            ("port for peers", Accept::peers),
        ] {
            let port = announced(self, takes).map(|port| (what.to_owned(), port.to_string()));
            all.extend(port);
        }
        all.extend(facts::<Limits>("limits.", &(), &self.limits));
        all.extend(facts::<RawLog>("log.", &(), &self.log));
        all.extend(facts::<RawAdmin>("admin.", &(), &self.admin));
        RestartSettings(all.into_iter().collect())
    }
}
