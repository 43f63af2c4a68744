//! What of a topology only a restart can change, as facts that can be compared: of two files, or of a running daemon and a
//! file.
use super::Topology;
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

impl Topology {
    /// The settings that only a restart can change.
    pub fn fixed(&self) -> Fixed {
        let or = |value: Option<u16>, absent: &str| {
            value.map_or_else(|| absent.to_owned(), |value| value.to_string())
        };
        let mut facts = BTreeMap::new();
        let mut fact = |key: &str, value: String| {
            facts.insert(key.to_owned(), value);
        };
        fact("node.fqdn", self.node.fqdn.to_string());
        fact("node.shards", or(self.node.shards, "one for each core"));
        fact("node.scheduling", self.node.scheduling.word().to_owned());
        fact(
            "node.advertise_port",
            or(self.node.advertise_port, "the listener's"),
        );
        fact("limits.log_queue", self.limits.log_queue.to_string());
        fact(
            "admin.socket",
            self.admin.socket.as_ref().map_or_else(
                || "in the runtime directory".to_owned(),
                |path| path.display().to_string(),
            ),
        );
        for listener in &self.listeners {
            let who = match (listener.accept.clients(), listener.accept.peers()) {
                (true, true) => "clients and peers",
                (true, false) => "clients",
                (false, _) => "peers",
            };
            fact(
                &format!("listener {}", listener.name),
                format!("{} for {who}", listener.address),
            );
        }
        Fixed(facts)
    }

    /// What differs in `newer` that only a restart can bring about, one line each.
    pub fn restart_needed(&self, newer: &Self) -> Vec<String> {
        self.fixed().changes(&newer.fixed())
    }
}
