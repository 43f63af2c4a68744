//! A topology on disk with one trust set and one peer, loaded as the daemon loads it.
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::topology::{self, Direction, Fault};
use sipward::trust::{Generation, Presented, decide};
use sipward_lab::pki::{Authority, now};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// The directory with our own identity, and what a case adds to it.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
}

/// What the topology of one case holds.
pub(crate) struct Setting<'s> {
    /// The peers' FQDNs.
    pub(crate) fqdns: &'s [&'s str],
    /// One PEM file.
    pub(crate) anchors: &'s str,
    /// PEM files; without one, revocation is off.
    pub(crate) crls: &'s [String],
    /// Further keys of the trust set.
    pub(crate) trust: &'s str,
    /// Further keys of the peer.
    pub(crate) peer: &'s str,
}

/// What was decided: the reason's code, with its detail for whoever reads a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) accepted: bool,
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl Desk {
    /// A directory with a certificate of our own.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = Authority::root("Contoso Root").unwrap();
        let edge = own.server("edge01.contoso.test").unwrap();
        edge.write_to(dir.path(), "edge").unwrap();
        Self { dir }
    }

    /// The generation at `at`, or the faults for which the topology is refused.
    pub(crate) fn generation(
        &self,
        setting: &Setting<'_>,
        at: UnixTime,
    ) -> Result<Generation, Vec<Fault>> {
        let path = self.put("topology.toml", &self.text(setting));
        // Our own certificate is of today; the case's time is that of the decision.
        let topology = topology::load(&path, now())?;
        Generation::build(1, topology, at)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn text(&self, setting: &Setting<'_>) -> String {
        let Setting {
            fqdns,
            anchors,
            crls,
            trust,
            peer,
        } = setting;
        self.put("anchors.pem", anchors);
        let mut revocation = "revocation = \"off\"".to_owned();
        if !crls.is_empty() {
            revocation = "crls = [".to_owned();
            for (number, crl) in crls.iter().enumerate() {
                self.put(&format!("{number}.crl.pem"), crl);
                write!(revocation, "\"{number}.crl.pem\", ").unwrap();
            }
            revocation.push(']');
        }
        let mut peers = String::new();
        for fqdn in *fqdns {
            writeln!(
                peers,
                "[[peer]]\nfqdn = \"{fqdn}\"\nkind = \"home\"\ntrust = [\"theirs\"]\n{peer}"
            )
            .unwrap();
        }
        let first = fqdns.first().unwrap();
        format!(
            r#"[node]
fqdn = "edge01.contoso.test"
domains = ["contoso.test"]

[[identity]]
name = "edge"
certificate = "edge.chain.pem"
private_key = "edge.key.pem"

[[trust]]
name = "theirs"
anchors = "anchors.pem"
{revocation}
{trust}

[[listener]]
name = "edge"
address = "127.0.0.1:0"

{peers}
[[pool]]
name = "front-end"
domains = ["contoso.test"]
peers = ["{first}"]
"#
        )
    }
}

/// Judges a chain that came in, or that the peer `fqdn` showed when it was dialled.
pub(crate) fn judge(
    generation: &Generation,
    chain: &[CertificateDer<'_>],
    direction: Direction,
    fqdn: &str,
    at: UnixTime,
) -> Told {
    let presented = match direction {
        Direction::Inbound => Presented::inbound(chain),
        Direction::Outbound => {
            let peer = generation.topology().peer_by_name(fqdn).unwrap();
            Presented::outbound(chain, peer)
        }
    };
    let decision = match decide(&presented, direction, generation, at) {
        Ok(peer) => peer.decision().clone(),
        Err(decision) => decision,
    };
    Told {
        accepted: decision.reason.code() == "accepted",
        code: decision.reason.code().to_owned(),
        detail: decision.detail.clone().unwrap_or_default(),
    }
}
