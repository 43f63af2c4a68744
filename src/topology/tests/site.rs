//! A good topology with its files, and the changes to it that tests make; the tests of the running program use it too.
use sipward_lab::pki::{Authority, LeafSpec, Usage, self_signed};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const DAY: i64 = 86_400;

pub(crate) const GOOD: &str = r#"[node]
fqdn = "edge01.contoso.test"
domains = ["contoso.test"]

[[identity]]
name = "edge"
certificate = "edge.chain.pem"
private_key = "edge.key.pem"

[[trust]]
name = "enterprise-ca"
anchors = "enterprise-ca.pem"
crls = ["enterprise-ca.crl.pem"]

[[trust]]
name = "fabrikam-ca"
anchors = "fabrikam-ca.pem"
crls = ["fabrikam-ca.crl.pem"]
revocation = { grace = "6h" }
scope = "leaf"

[[listener]]
name = "edge"
address = "127.0.0.1:5061"
identity = "edge"
accept = ["client", "peer"]

[[peer]]
fqdn = "FE01.contoso.test."
kind = "home"
trust = ["enterprise-ca"]
address = ["10.0.0.11:5061", "fe01.internal.test"]

[[peer]]
fqdn = "fe02.contoso.test"
kind = "home"
trust = ["enterprise-ca"]

[[peer]]
fqdn = "edge.fabrikam.test"
kind = "federated"
domains = ["fabrikam.test"]
trust = ["fabrikam-ca"]

[[pool]]
name = "front-end"
domains = ["contoso.test"]
peers = ["fe01.contoso.test", "fe02.contoso.test"]
strategy = "weighted"
weights = { "fe02.contoso.test" = 3 }

[limits]
handshakes = 100

[log]
requests = "all"

[tokens]
key_file = "tokens"

[[expect]]
certificate = "edge.chain.pem"
as = "inbound"
verdict = "refuse"
reason = "not_in_topology"
"#;

/// A directory with all that the cases name.
pub(crate) struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = Authority::root("Contoso Root").unwrap();
        let partner = Authority::root("Fabrikam Root").unwrap();
        let valid = Duration::from_secs(86_400);
        for (name, ca) in [("enterprise-ca", &root), ("fabrikam-ca", &partner)] {
            lab.write(&format!("{name}.pem"), &ca.certificate_pem());
            lab.write(&format!("{name}.crl.pem"), &ca.crl_pem(&[], valid).unwrap());
        }

        lab.write_leaves(&root);
        lab.write_odd_files(&root, &partner);
        lab
    }
    fn write_leaves(&self, root: &Authority) {
        let spec = || LeafSpec {
            not_before: -DAY,
            not_after: 365 * DAY,
            ..LeafSpec::edge("edge01.contoso.test", "contoso.test")
        };
        let leaf = |stem: &str, spec: &LeafSpec| {
            let issued = root.issue(spec).unwrap();
            self.write(&format!("{stem}.chain.pem"), &issued.chain_pem);
            self.write(&format!("{stem}.key.pem"), &issued.key_pem);
        };
        leaf("edge", &spec());
        leaf("twin", &spec());
        leaf(
            "other",
            &LeafSpec {
                dns: vec!["sip.contoso.test".to_owned()],
                ..spec()
            },
        );
        leaf(
            "stray",
            &LeafSpec {
                dns: vec!["stray.contoso.test".to_owned()],
                ..spec()
            },
        );
        leaf(
            "expired",
            &LeafSpec {
                not_before: -2 * DAY,
                not_after: -DAY,
                ..spec()
            },
        );
        leaf(
            "future",
            &LeafSpec {
                not_before: DAY,
                ..spec()
            },
        );
        leaf(
            "soon",
            &LeafSpec {
                not_after: 10 * DAY + DAY / 2,
                ..spec()
            },
        );
        leaf(
            "server",
            &LeafSpec {
                usages: vec![Usage::Server],
                ..spec()
            },
        );
        leaf(
            "client",
            &LeafSpec {
                usages: vec![Usage::Client],
                ..spec()
            },
        );
        leaf(
            "critical",
            &LeafSpec {
                unknown_critical: true,
                ..spec()
            },
        );
        leaf(
            "uri",
            &LeafSpec {
                uris: vec!["sip:contoso.test".to_owned()],
                ..spec()
            },
        );
        leaf(
            "node-only",
            &LeafSpec {
                dns: vec!["edge01.contoso.test".to_owned()],
                ..spec()
            },
        );
        leaf(
            "only-uri",
            &LeafSpec {
                dns: Vec::new(),
                uris: ["sip:edge01.contoso.test", "sip:contoso.test"]
                    .map(str::to_owned)
                    .to_vec(),
                ..spec()
            },
        );
    }
    fn write_odd_files(&self, root: &Authority, partner: &Authority) {
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap();
        self.write(
            "disordered.chain.pem",
            &format!("{}{}", read("edge.chain.pem"), partner.certificate_pem()),
        );
        self.write(
            "reversed.chain.pem",
            &format!("{}{}", root.certificate_pem(), read("edge.chain.pem")),
        );
        self.write(
            "rooted.chain.pem",
            &format!("{}{}", read("edge.chain.pem"), root.certificate_pem()),
        );
        self.write_crossed_chains(root, partner);
        self.write_broken_chains(root);
        self.write("garbage.pem", "hello\n");
        self.write(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        );
        self.write(
            "broken.crl.pem",
            "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        );
        self.write(
            "tokens",
            &format!(
                "# signs\n2 {}\n\n1 {} # before\n",
                "ab".repeat(32),
                "cd".repeat(32)
            ),
        );
        self.write("tokens.bad", &format!("2 {}\nnonsense\n", "ab".repeat(32)));
        self.write(
            "tokens.three",
            &"1 2 3"
                .split(' ')
                .map(|id| format!("{id} {}\n", "ab".repeat(32)))
                .collect::<String>(),
        );
        self.write("tokens.twice", &format!("2 {0}\n2 {0}\n", "ab".repeat(32)));
        self.write("tokens.empty", "# none\n");
        self.write("open.key.pem", &read("edge.key.pem"));
        self.mode("open.key.pem", 0o644);
        std::fs::create_dir(self.path("directory.pem")).unwrap();
    }
    /// One that signed itself; and, below a policy CA and an issuing one, chains that lack either.
    fn write_broken_chains(&self, root: &Authority) {
        let own = self_signed(&LeafSpec::server("edge01.contoso.test")).unwrap();
        self.write("own.chain.pem", &own.chain_pem);
        self.write("own.key.pem", &own.key_pem);
        let policy = root.subordinate("Contoso Policy").unwrap();
        let issuing = policy.subordinate("Contoso Department").unwrap();
        let leaf = issuing
            .issue(&LeafSpec::server("edge01.contoso.test"))
            .unwrap();
        let end = "-----END CERTIFICATE-----\n";
        let certificates: Vec<&str> = leaf.chain_pem.split_inclusive(end).collect();
        self.write("gap.chain.pem", &certificates[..2].concat());
        self.write("gap.key.pem", &leaf.key_pem);
        // The whole hierarchy in one file, as CAs hand it out.
        let anchors = [root, &policy].map(Authority::certificate_pem).concat();
        self.write("bundle.pem", &anchors);
    }
    /// A leaf below an issuing CA, with certificates behind them that are over.
    fn write_crossed_chains(&self, root: &Authority, partner: &Authority) {
        let issuing = root.subordinate("Contoso Issuing").unwrap();
        let leaf = issuing
            .issue(&LeafSpec::server("edge01.contoso.test"))
            .unwrap();
        let over = |ca: &Authority, by: &Authority| {
            let ca = ca.certified_by(by, -2 * DAY, -DAY).unwrap();
            ca.certificate_pem()
        };
        let first = leaf
            .chain_pem
            .split_inclusive("-----END CERTIFICATE-----\n")
            .next()
            .unwrap();
        for (name, chain) in [
            // A cross-certificate of the root, and one of the issuing CA beside its good one.
            (
                "crossed",
                format!("{}{}", leaf.chain_pem, over(root, partner)),
            ),
            (
                "doubled",
                format!("{}{}", leaf.chain_pem, over(&issuing, partner)),
            ),
            ("lapsed", format!("{first}{}", over(&issuing, root))),
            ("alone", first.to_owned()),
        ] {
            self.write(&format!("{name}.chain.pem"), &chain);
            self.write(&format!("{name}.key.pem"), &leaf.key_pem);
        }
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o600);
    }
    pub(crate) fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }
}

/// The good topology with some text replaced.
pub(crate) fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

pub(crate) const POOL_END: &str = "weights = { \"fe02.contoso.test\" = 3 }";
pub(crate) const IDENTITY_END: &str = "private_key = \"edge.key.pem\"";
pub(crate) const SECOND: &str = "private_key = \"edge.key.pem\"\n[[identity]]\nname = \"second\"\ncertificate = \"other.chain.pem\"\nprivate_key = \"other.key.pem\"";
