//! Names as an operator types them: of peers in any case, with the dot of the root, or the FQDN that several entries share; of users
//! alone, with their domain, or as a URI.
use super::context::ControlContext;
use super::refusal::ControlRefusal;
use crate::reason::DaemonReason;
use crate::topology::{Topology, acts_on_reader, printable};

/// As the topology has names of peers: lower case, without the dot of the root.
pub(super) fn normalised(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Why an FQDN means no entry: several have it, and each of them goes by a name of its own. `None`: no entry has it.
pub(super) fn shared_fqdn(name: &str, topology: &Topology) -> Option<ControlRefusal> {
    let same = topology.peers_called(name).iter();
    let same: Vec<&str> = same.map(|it| topology.peer(*it).name.as_str()).collect();
    let what = format!(
        "{name} is the fqdn of {}: name one of them",
        same.join(", ")
    );
    (!same.is_empty()).then(|| DaemonReason::MalformedCommand.because(what))
}

/// A user, if anybody can be called so: a denial of what is a slip would look like one that holds, and a trace would wait for
/// nobody.
pub(super) fn user(text: &str) -> Result<String, ControlRefusal> {
    let bare = ["sips:", "sip:"]
        .iter()
        .find_map(|it| text.strip_prefix(it));
    let mut parts = bare.unwrap_or(text).split('@');
    // What a URI cannot hold (RFC 3261 §25.1) is escaped there, and the name has the escape.
    let is_name = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || acts_on_reader(c))
    };
    let is_user = parts.clone().count() <= 2 && parts.all(is_name);
    is_user.then(|| text.to_owned()).ok_or_else(|| {
        let what = format!(
            "\"{}\" is no user: write alice, alice@contoso.test or sip:1001",
            printable(text, 64)
        );
        DaemonReason::MalformedCommand.because(what)
    })
}

impl ControlContext {
    /// A peer that the topology names: what selects by a slip would wait for nothing.
    pub(super) fn listed_peer(&self, name: &str) -> Result<String, ControlRefusal> {
        let name = normalised(name);
        let generation = self.daemon.generation();
        let topology = generation.topology();
        if topology.peer_by_name(&name).is_some() {
            return Ok(name);
        }
        Err(shared_fqdn(&name, topology).unwrap_or_else(|| {
            let what = format!("the topology names no peer {:?}", printable(&name, 64));
            DaemonReason::MalformedCommand.because(what)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_what_somebody_can_be_called() {
        for name in [
            "alice",
            "alice@contoso.test",
            "sip:1001",
            "sips:a@b",
            "東京",
            "a%20b",
        ] {
            assert_eq!(user(name).unwrap(), name);
        }
        for wrong in [
            "",
            "sip:",
            "@",
            "alice@",
            "@contoso.test",
            "a@b@c",
            "a b",
            "\u{1b}[2J",
            "a\n",
        ] {
            let refusal = user(wrong).unwrap_err();
            assert_eq!(refusal.code, DaemonReason::MalformedCommand);
            assert!(refusal.what.contains("is no user"), "{}", refusal.what);
            assert!(!refusal.what.contains(acts_on_reader));
        }
    }
}
