//! What of a topology only a restart can change, as facts that can be compared: of two files, or of a running daemon and a
//! file.
use super::{Accept, Topology};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of settings with their values as shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fixed(BTreeMap<String, String>);

impl Fixed {
    /// What is different in `newer`, one line each.
    pub fn changes(&self, newer: &Self) -> Vec<String> {
        let mut said = Vec::new();
        for (key, old) in &self.0 {
            match newer.0.get(key) {
                Some(new) if new == old => {}
                Some(new) => said.push(format!("{key} {old} becomes {new}")),
                None => said.push(format!("{key} {old} removed")),
            }
        }
        let added = newer.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        said.extend(added.map(|(key, new)| format!("{key} {new} added")));
        said
    }
}

/// What only a restart can change: the key as docs/topology.md lists it, and its facts.
type Row = (&'static str, fn(&Topology) -> Vec<(String, String)>);

const ROWS: &[Row] = &[
    ("`node.fqdn`", |t| one("node.fqdn", &t.node.fqdn)),
    ("`node.advertise_port`", |t| {
        one(
            "node.advertise_port",
            &or(t.node.advertise_port, "the listener's"),
        )
    }),
    ("`node.shards`", |t| {
        one("node.shards", &or(t.node.shards, "one for each core"))
    }),
    ("`node.scheduling`", |t| {
        one("node.scheduling", &t.node.scheduling.word())
    }),
    (
        "`address` of a `[[listener]]`, and listeners that come or go",
        |t| {
            let listeners = t.listeners.iter();
            let facts = listeners.map(|l| (format!("listener {}", l.name), l.address.to_string()));
            facts.collect()
        },
    ),
    (
        "`accept` of a `[[listener]]`, as far as it chooses the port that is announced: that of the first listener that \
         takes clients, and peers. Who may come in changes with a reload",
        |t| {
            let clients = announced(t, Accept::clients).map(|port| ("port for clients", port));
            let peers = announced(t, Accept::peers).map(|port| ("port for peers", port));
            let ports = clients.into_iter().chain(peers);
            ports
                .map(|(what, port)| (what.to_owned(), port.to_string()))
                .collect()
        },
    ),
    ("`limits.log_queue`", |t| {
        one("limits.log_queue", &t.limits.log_queue)
    }),
    ("`admin.socket`", |t| {
        let socket = t.admin.socket.as_ref();
        one(
            "admin.socket",
            &socket.map_or_else(
                || "in the runtime directory".to_owned(),
                |path| path.display().to_string(),
            ),
        )
    }),
];

fn one(key: &str, value: &dyn std::fmt::Display) -> Vec<(String, String)> {
    vec![(key.to_owned(), value.to_string())]
}

fn or(value: Option<u16>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| value.to_string())
}

/// The port of the first listener that takes them, where none is announced in its place and the first of all would not do.
fn announced(topology: &Topology, takes: fn(Accept) -> bool) -> Option<u16> {
    if topology.node.advertise_port.is_some() {
        return None;
    }
    let listeners = &topology.listeners;
    let first = listeners.iter().position(|l| takes(l.accept)).unwrap_or(0);
    // With the first listener for all there is nothing to tell that its address does not.
    let listener = listeners.get(first).filter(|_| first > 0)?;
    Some(listener.address.port())
}

/// The list of docs/topology.md, which a test compares with that file.
#[cfg(test)]
pub(super) fn docs() -> String {
    let lines = ROWS.iter().map(|(key, _)| format!("* {key}.\n"));
    lines.collect()
}

impl Topology {
    /// The settings that only a restart can change.
    pub fn fixed(&self) -> Fixed {
        Fixed(ROWS.iter().flat_map(|(_, facts)| facts(self)).collect())
    }

    /// What differs in `newer` that only a restart can bring about, one line each.
    pub fn restart_needed(&self, newer: &Self) -> Vec<String> {
        self.fixed().changes(&newer.fixed())
    }
}
