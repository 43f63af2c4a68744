//! Every code of the table provoked by one change to a good topology, and what a good one resolves to.
mod narrowed;

use super::*;
use crate::reason::TopologyReason;
use sipward_lab::pki::{Authority, LeafSpec, Usage, now};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

const DAY: i64 = 86_400;

const GOOD: &str = r#"[node]
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
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
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
            ..LeafSpec::server("edge01.contoso.test")
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
            "only-uri",
            &LeafSpec {
                dns: Vec::new(),
                uris: vec!["sip:edge01.contoso.test".to_owned()],
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
        ] {
            self.write(&format!("{name}.chain.pem"), &chain);
            self.write(&format!("{name}.key.pem"), &leaf.key_pem);
        }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o600);
    }
    fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }
    fn load(&self, text: &str) -> Result<Topology, Vec<Fault>> {
        load_text(text, &self.path("topology.toml"), now())
    }
    fn good(&self, text: &str) -> Topology {
        self.load(text)
            .unwrap_or_else(|faults| panic!("{}", shown(&faults)))
    }
}

fn shown(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// The good topology with some text replaced.
fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// The line of the first occurrence.
fn line_of(text: &str, needle: &str) -> u32 {
    let at = text.find(needle).unwrap_or_else(|| panic!("{needle}"));
    u32::try_from(text[..at].matches('\n').count()).unwrap() + 1
}

/// One change to the good topology: what is found, at the line of which text, with which words in it.
struct Case {
    code: TopologyReason,
    edits: &'static [(&'static str, &'static str)],
    /// Empty: the finding is about the whole file, or another file.
    line: &'static str,
    says: &'static str,
}

const fn case(
    code: TopologyReason,
    edits: &'static [(&'static str, &'static str)],
    line: &'static str,
    says: &'static str,
) -> Case {
    Case {
        code,
        edits,
        line,
        says,
    }
}

const POOL_END: &str = "weights = { \"fe02.contoso.test\" = 3 }";
const IDENTITY_END: &str = "private_key = \"edge.key.pem\"";
const SECOND: &str = "private_key = \"edge.key.pem\"\n[[identity]]\nname = \"second\"\ncertificate = \"other.chain.pem\"\nprivate_key = \"other.key.pem\"";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case(TopologyReason::Syntax, &[("fqdn = \"edge01.contoso.test\"", "fqdn = edge01.contoso.test")], "fqdn = edge01", "not TOML"),
    case(TopologyReason::UnknownKey, &[("address = [\"10", "adress = [\"10")], "adress", "`adress` in [[peer]]; did you mean `address`?"),
    case(TopologyReason::UnknownKey, &[("[limits]", "[limit]")], "[limit]", "section or key `limit`; did you mean `limits`?"),
    case(TopologyReason::UnknownKey, &[("handshakes = 100", "handshake = 100")], "handshake =", "did you mean `handshakes`?"),
    case(TopologyReason::UnknownKey, &[("grace = \"6h\"", "grace = \"6h\", zzz = 1")], "zzz", "`zzz` in [[trust]] revocation"),
    case(TopologyReason::WrongType, &[("domains = [\"contoso.test\"]", "domains = \"contoso.test\"")], "domains", "[node] domains is a string, not a list of strings"),
    case(TopologyReason::WrongType, &[("handshakes = 100", "handshakes = \"many\"")], "handshakes", "limits.handshakes"),
    case(TopologyReason::WrongType, &[("name = \"front-end\"", "name = \"\"")], "name = \"\"", "is empty"),
    case(TopologyReason::WrongType, &[("[log]", "[[log]]")], "[[log]]", "must be written as [log]"),
    case(TopologyReason::WrongType, &[("[\"client\", \"peer\"]", "[\"client\", 5]")], "[\"client\", 5]", "an entry of [[listener]] accept is an integer"),
    case(TopologyReason::UnknownWord, &[("\"weighted\"", "\"wieghted\"")], "wieghted", "did you mean `weighted`?"),
    case(TopologyReason::UnknownWord, &[("scope = \"leaf\"", "scope = \"leaf\"\n[[trust]]\nname = \"x\"\nanchors = \"fabrikam-ca.pem\"\ncrls = [\"fabrikam-ca.crl.pem\"]\nrevocation = \"no\"")], "\"no\"", "revocation does not know \"no\""),
    case(TopologyReason::MissingKey, &[("kind = \"federated\"", "")], "[[peer]]\nfqdn = \"edge.fab", "[[peer]] has no `kind`"),
    case(TopologyReason::MissingKey, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\nclient_certificate = \"edge.chain.pem\"")], "client_certificate", "no `client_private_key`"),
    case(TopologyReason::EmptyList, &[("peers = [\"fe01.contoso.test\", \"fe02.contoso.test\"]", "peers = []"), (POOL_END, "")], "peers = []", "pool \"front-end\" peers is an empty list"),
    case(TopologyReason::EmptyList, &[("accept = [\"client\", \"peer\"]", "accept = []")], "accept", "accept is an empty list"),
    case(TopologyReason::EmptyList, &[("trust = [\"fabrikam-ca\"]", "trust = []")], "trust = []", "trust is an empty list"),
    case(TopologyReason::InvalidName, &[("fqdn = \"edge.fabrikam.test\"", "fqdn = \"10.0.0.1\"")], "10.0.0.1\"\nkind", "\"10.0.0.1\" is not a name"),
    case(TopologyReason::InvalidName, &[("[\"fabrikam.test\"]", "[\"büro.test\"]")], "büro", "is not a name"),
    case(TopologyReason::InvalidAddress, &[("127.0.0.1:5061", "localhost:5061")], "localhost", "not an address to listen on"),
    case(TopologyReason::InvalidAddress, &[("10.0.0.11:5061", "10.0.0.11:0")], "10.0.0.11:0", "not an address to dial"),
    case(TopologyReason::InvalidDuration, &[("\"6h\"", "\"6\"")], "\"6\"", "grace = \"6\""),
    case(TopologyReason::InvalidDuration, &[("handshakes = 100", "drain = 10")], "drain", "limits.drain"),
    case(TopologyReason::InvalidSize, &[("handshakes = 100", "head_bytes = \"64K\"")], "head_bytes", "limits.head_bytes"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = 0")], "handshakes", "limits.handshakes = 0"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = -5")], "handshakes", "limits.handshakes = -5"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "drain = \"2h\"")], "drain", "limits.drain"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "backoff_min = \"1m\"")], "backoff_min", "longer than limits.backoff_max"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = 99999999999999999999")], "handshakes", "out of range"),
    case(TopologyReason::OutOfRange, &[("= 3 }", "= 0 }")], "weights", "weights: 0 of"),
    case(TopologyReason::OutOfRange, &[("\"6h\"", "\"0s\"")], "\"0s\"", "grace"),
    case(TopologyReason::OutOfRange, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\nshards = 0\n")], "shards", "node.shards = 0"),
    case(TopologyReason::OutOfRange, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\nshards = 65\n")], "shards", "node.shards = 65"),
    case(TopologyReason::OutOfRange, &[(POOL_END, "health = { up_after = 0 }")], "health", "up_after = 0"),
    case(TopologyReason::InvalidDuration, &[("[limits]", "[admin]\nwatch = \"soon\"\n[limits]")], "watch", "admin.watch"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[admin]\nwatch = \"1ms\"\n[limits]")], "watch", "admin.watch"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[admin]\nsocket = \"/run/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345/s\"\n[limits]")], "socket", "a socket's path at most 107"),
    case(TopologyReason::InvalidTime, &[("kind = \"federated\"", "kind = \"federated\"\nnot_after = \"tomorrow\"")], "tomorrow", "peer \"edge.fabrikam.test\" not_after = tomorrow"),
    case(TopologyReason::InvalidTime, &[("scope = \"leaf\"", "scope = \"leaf\"\nnot_before = 2026-12-01")], "2026-12-01", "not_before = 2026-12-01 cannot be read"),
    case(TopologyReason::InvalidTime, &[("reason = \"not_in", "at = \"noon\"\nreason = \"not_in")], "noon", "[[expect]] at"),
    case(TopologyReason::WrongType, &[("kind = \"federated\"", "kind = \"federated\"\nnot_after = 5")], "not_after", "is an integer, not a time"),
    case(TopologyReason::WindowEmpty, &[("kind = \"federated\"", "kind = \"federated\"\nnot_before = 2098-01-01T00:00:00Z\nnot_after = 2097-01-01T00:00:00Z")], "not_after", "lies before not_before"),
    case(TopologyReason::WindowOver, &[("scope = \"leaf\"", "scope = \"leaf\"\nnot_after = \"2020-01-01T00:00:00Z\"")], "not_after", "trust \"fabrikam-ca\" counts as absent since 2020"),
    case(TopologyReason::IdentityGap, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\nnot_after = 2098-01-01T00:00:00Z")], "[[identity]]", "from 2098-01-01T00:00:01Z on listener \"edge\" has no identity to show"),
    case(TopologyReason::StageObserved, &[("kind = \"federated\"", "kind = \"federated\"\nstage = \"observe\"")], "stage", "its pins refuse nobody"),
    case(TopologyReason::PinMalformed, &[("kind = \"federated\"", "kind = \"federated\"\npins = [\"abcd\"]")], "pins", "\"abcd\" is not a SHA-256"),
    case(TopologyReason::UnknownReference, &[("reason = \"not_in", "peer = \"fe9.contoso.test\"\nreason = \"not_in")], "fe9", "[[expect]] names the peer \"fe9.contoso.test\""),
    case(TopologyReason::UnknownReference, &[("peers = [\"fe01.contoso", "peers = [\"fe1.contoso")], "peers = ", "did you mean `fe01.contoso.test`?"),
    case(TopologyReason::UnknownReference, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabricam-ca\"]")], "fabricam-ca", "did you mean `fabrikam-ca`?"),
    case(TopologyReason::UnknownReference, &[("identity = \"edge\"", "identity = \"egde\"")], "egde", "listener \"edge\" names the identity \"egde\""),
    case(TopologyReason::UnknownReference, &[("identity = \"edge\"", "sni = [\"egde\"]")], "egde", "did you mean `edge`?"),
    case(TopologyReason::UnknownReference, &[("kind = \"federated\"", "kind = \"federated\"\nidentity = \"egde\"")], "egde", "peer \"edge.fabrikam.test\" names"),
    case(TopologyReason::UnknownReference, &[("{ \"fe02", "{ \"edge.fabrikam.test\" = 1, \"fe02")], "weights", "not in its peers"),
    case(TopologyReason::OutOfRange, &[("fqdn = \"fe02.contoso.test\"", "connections = 17\nfqdn = \"fe02.contoso.test\"")], "connections", "connections = 17"),
    case(TopologyReason::InvalidDuration, &[("fqdn = \"fe02.contoso.test\"", "keepalive = \"30\"\nfqdn = \"fe02.contoso.test\"")], "keepalive", "cannot be read"),
    case(TopologyReason::OutOfRange, &[("fqdn = \"fe02.contoso.test\"", "keepalive = \"2h\"\nfqdn = \"fe02.contoso.test\"")], "keepalive", "is out of range"),
    case(TopologyReason::InvalidAddress, &[("[limits]", "[dns]\nservers = [\"ns1\"]\n[limits]")], "servers", "is not an address"),
    case(TopologyReason::DuplicateName, &[("[limits]", "[dns]\nservers = [\"192.0.2.53\", \"192.0.2.53:53\"]\n[limits]")], "servers", "is there twice"),
    case(TopologyReason::InvalidDuration, &[("[limits]", "[dns]\ntimeout = \"2\"\n[limits]")], "timeout = \"2\"", "cannot be read"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[dns]\nstale = \"8d\"\n[limits]")], "stale", "is out of range"),
    case(TopologyReason::UnknownReference, &[(POOL_END, "drain = [\"edge.fabrikam.test\"]")], "drain", "which is not in its peers"),
    case(TopologyReason::DuplicateName, &[("fqdn = \"fe02.contoso.test\"", "fqdn = \"fe01.contoso.test\""), (", \"fe02.contoso.test\"]", "]"), (POOL_END, "")], "fqdn = \"fe01.contoso.test\"", "defined twice, first in line"),
    case(TopologyReason::DuplicateName, &[("name = \"fabrikam-ca\"", "name = \"enterprise-ca\""), ("trust = [\"fabrikam-ca\"]", "trust = [\"enterprise-ca\"]")], "name = \"enterprise-ca\"\nanchors = \"fabrikam", "trust \"enterprise-ca\""),
    case(TopologyReason::DuplicateName, &[(", \"fe02.contoso.test\"]", ", \"FE01.contoso.test\"]"), (POOL_END, "")], "peers = ", "is there twice"),
    case(TopologyReason::DuplicateListenerAddress, &[("[[peer]]", "[[listener]]\nname = \"second\"\naddress = \"0.0.0.0:5061\"\n[[peer]]")], "address = \"0.0.0.0", "listener \"second\" wants 0.0.0.0:5061"),
    case(TopologyReason::DuplicateSni, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\n[[identity]]\nname = \"twin\"\ncertificate = \"twin.chain.pem\"\nprivate_key = \"twin.key.pem\"")], "[[listener]]", "edge01.contoso.test is carried by the identities \"edge\" and \"twin\""),
    case(TopologyReason::FileMissing, &[("enterprise-ca.crl.pem", "none.crl.pem")], "none.crl.pem", "none.crl.pem does not exist"),
    case(TopologyReason::FileUnreadable, &[("\"enterprise-ca.pem\"", "\"directory.pem\"")], "directory.pem", "directory.pem cannot be read"),
    case(TopologyReason::PemMalformed, &[("\"edge.key.pem\"", "\"garbage.pem\"")], "garbage.pem", "it holds no private key"),
    case(TopologyReason::PemMalformed, &[("\"edge.chain.pem\"", "\"garbage.pem\"")], "garbage.pem", "it holds no certificate"),
    case(TopologyReason::PemMalformed, &[("\"fabrikam-ca.pem\"", "\"broken.pem\"")], "broken.pem", "certificate number 1 cannot be parsed"),
    case(TopologyReason::InvalidDuration, &[("scope = \"leaf\"", "crl_refresh = \"often\"")], "crl_refresh", "crl_refresh = \"often\" cannot be read"),
    case(TopologyReason::OutOfRange, &[("scope = \"leaf\"", "crl_refresh = \"2d\"")], "crl_refresh", "crl_refresh is out of range"),
    case(TopologyReason::OutOfRange, &[("scope = \"leaf\"", "crl_refresh = \"off\"\ncrl_fetch = true")], "crl_fetch", "its crl_refresh is off"),
    case(TopologyReason::KeyMismatch, &[("\"edge.key.pem\"", "\"other.key.pem\"")], "other.key.pem", "does not belong"),
    case(TopologyReason::ChainOrder, &[("\"edge.chain.pem\"", "\"disordered.chain.pem\"")], "disordered", "was issued by"),
    case(TopologyReason::CertificateExpired, &[("\"edge.chain.pem\"", "\"expired.chain.pem\""), ("edge.key", "expired.key")], "expired.chain", "expired at"),
    case(TopologyReason::CertificateExpired, &[("\"edge.chain.pem\"", "\"lapsed.chain.pem\""), ("edge.key", "lapsed.key")], "lapsed.chain", "CN=Contoso Issuing\" expired at"),
    case(TopologyReason::CertificateNotYetValid, &[("\"edge.chain.pem\"", "\"future.chain.pem\""), ("edge.key", "future.key")], "future.chain", "is not valid before"),
    case(TopologyReason::IdentityWithoutFqdn, &[("\"edge.chain.pem\"", "\"other.chain.pem\""), ("edge.key", "other.key")], "[[listener]]", "its certificates are for sip.contoso.test"),
    case(TopologyReason::CrlRequired, &[("crls = [\"enterprise-ca.crl.pem\"]", "")], "[[trust]]", "names none"),
    case(TopologyReason::PeerIsNode, &[("fqdn = \"edge.fabrikam.test\"", "fqdn = \"Edge01.contoso.test\"")], "fqdn = \"Edge01", "has the name of this node"),
    case(TopologyReason::PeerWithoutDomains, &[("domains = [\"fabrikam.test\"]", "")], "[[peer]]\nfqdn = \"edge.fab", "has no domains"),
    case(TopologyReason::DomainNotHome, &[("fqdn = \"fe02.contoso.test\"", "fqdn = \"fe02.contoso.test\"\ndomains = [\"x.test\"]")], "domains = [\"x.test\"]", "x.test is not in node.domains"),
    case(TopologyReason::DomainNotHome, &[("domains = [\"contoso.test\"]\npeers", "domains = [\"contoso.test\", \"x.test\"]\npeers")], "[[pool]]", "sends x.test to home servers"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"fabrikam.test\", \"contoso.test\"]")], "domains = [\"fabrikam", "contoso.test is a home domain"),
    case(TopologyReason::DomainWithoutPool, &[("domains = [\"contoso.test\"]", "domains = [\"contoso.test\", \"x.test\"]")], "", "x.test has no pool"),
    case(TopologyReason::DomainRoutedTwice, &[("[limits]", "[[pool]]\nname = \"again\"\ndomains = [\"contoso.test\"]\npeers = [\"fe02.contoso.test\"]\n[limits]")], "[[pool]]\nname = \"again", "\"front-end\" and \"again\""),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"*.test\"]")], "[\"*.test", "*.test of the federated peer \"edge.fabrikam.test\" covers"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"*.contoso.test\"]")], "[\"*.contoso", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"fabrikam.test\", \"Fe02.contoso.test\"]")], "[\"fabrikam.test\", \"Fe02", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"edge01.contoso.test\"]")], "[\"edge01", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\naliases = [\"192.0.2.9\"]\n"), ("[\"fabrikam.test\"]", "[\"192.0.2.9\"]")], "domains = [\"192.0.2.9", "this node"),
    case(TopologyReason::DomainNotHome, &[("[\"contoso.test\"]\npeers", "[\"contoso.test\", \"*.contoso.test\"]\npeers")], "[[pool]]", "*.contoso.test"),
    case(TopologyReason::InvalidName, &[("domains = [\"contoso.test\"]", "domains = [\"contoso.test\", \"*.contoso.test\"]")], "*.contoso.test", "is not a name"),
    case(TopologyReason::InvalidName, &[("[\"fabrikam.test\"]", "[\"192.0.2.1:5061\"]")], "192.0.2.1:5061", "is not a name"),
    case(TopologyReason::DuplicateName, &[("[\"fabrikam.test\"]", "[\"2001:db8::1\", \"[2001:DB8:0::1]\"]")], "2001:db8::1", "is there twice"),
    case(TopologyReason::AnonymousUnused, &[("fqdn = \"fe02.contoso.test\"", "anonymous = true\nfqdn = \"fe02.contoso.test\"")], "anonymous", "a home server"),
    case(TopologyReason::DnsUnused, &[("domains = [\"fabrikam.test\"]", "dns = \"federation\"\ndomains = [\"*.fabrikam.test\", \"192.0.2.1\"]")], "dns", "no domains"),
    case(TopologyReason::DomainNotOfMember, &[("[limits]", "[[pool]]\nname = \"out\"\ndomains = [\"x.test\"]\npeers = [\"edge.fabrikam.test\"]\n[limits]")], "[[pool]]\nname = \"out", "does not list that domain"),
    case(TopologyReason::PoolMixedKinds, &[(", \"fe02.contoso.test\"]", ", \"edge.fabrikam.test\"]"), (POOL_END, "")], "[[pool]]", "mixes"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.bad\"")], "", "not a token key"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.three\"")], "", "more than two keys"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.twice\"")], "", "id 2 is there twice"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.empty\"")], "", "no key in it"),
    case(TopologyReason::HomeDomainDenied, &[("[log]", "[boundary]\ndeny_domains = [\"evil.test\", \"test\"]\n[log]")], "deny_domains", "denies the home domain contoso.test"),
    case(TopologyReason::UnknownWord, &[("[log]", "[boundary]\nclients = { strip_in = [\"P-Asserted-Identiy\"] }\n[log]")], "clients", "did you mean `P-Asserted-Identity`?"),
    case(TopologyReason::DuplicateName, &[("[log]", "[boundary]\nhome = { strip_in = [\"Diversion\"], keep_in = [\"Diversion\"] }\n[log]")], "home =", "strip_in and keep_in \"Diversion\" is there twice"),
    case(TopologyReason::DuplicateName, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabrikam-ca\"]\nfields = { keep_out = [\"ms-*\", \"ms-*\"] }")], "fields", "keep_out \"ms-*\" is there twice"),
    case(TopologyReason::RevocationOff, &[("crls = [\"enterprise-ca.crl.pem\"]", "revocation = \"off\"")], "revocation = \"off\"", "revocation off"),
    case(TopologyReason::CrlsUnused, &[("revocation = { grace = \"6h\" }", "revocation = \"off\"")], "[[trust]]\nname = \"fab", "no effect"),
    case(TopologyReason::CrlsUnused, &[("revocation = { grace = \"6h\" }", "revocation = \"off\"\ncrl_fetch = true")], "crl_fetch", "none is fetched"),
    case(TopologyReason::TrustUnused, &[("trust = [\"fabrikam-ca\"]", "trust = [\"enterprise-ca\"]")], "[[trust]]\nname = \"fab", "vouches for nobody"),
    case(TopologyReason::ClientPurposeMissing, &[("\"edge.chain.pem\"", "\"server.chain.pem\""), ("edge.key", "server.key")], "server.chain", "lacks clientAuth"),
    case(TopologyReason::ServerPurposeMissing, &[("\"edge.chain.pem\"", "\"client.chain.pem\""), ("edge.key", "client.key")], "client.chain", "lacks serverAuth"),
    case(TopologyReason::FqdnHiddenByUri, &[("\"edge.chain.pem\"", "\"uri.chain.pem\""), ("edge.key", "uri.key")], "uri.chain", "sip:contoso.test"),
    case(TopologyReason::CertificateExpiresSoon, &[("\"edge.chain.pem\"", "\"soon.chain.pem\""), ("edge.key", "soon.key")], "soon.chain", "in 10 days"),
    case(TopologyReason::ChainCertificateOver, &[("\"edge.chain.pem\"", "\"crossed.chain.pem\""), ("edge.key", "crossed.key")], "crossed.chain", "behind our own counts from"),
    case(TopologyReason::ChainCertificateOver, &[("\"edge.chain.pem\"", "\"doubled.chain.pem\""), ("edge.key", "doubled.key")], "doubled.chain", "\"CN=Contoso Issuing\" behind our own"),
    case(TopologyReason::KeyReadableByOthers, &[("\"edge.key.pem\"", "\"open.key.pem\"")], "open.key", "mode 0644"),
    case(TopologyReason::TokenKeysMissing, &[("[tokens]\nkey_file = \"tokens\"\n", "")], "", "random key"),
    case(TopologyReason::WeightsUnused, &[("strategy = \"weighted\"", "strategy = \"ordered\"")], "weights", "its strategy is ordered"),
    case(TopologyReason::DomainDeniedToPeer, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabrikam-ca\"]\ndeny = [\"fabrikam.test\"]")], "[[peer]]\nfqdn = \"edge.fab", "fabrikam.test is denied"),
    case(TopologyReason::DnsUnused, &[("fqdn = \"fe02.contoso.test\"", "dns = \"sip\"\naddress = [\"192.0.2.1\"]\nfqdn = \"fe02.contoso.test\"")], "dns", "these are dialled"),
    case(TopologyReason::DnsUnused, &[("fqdn = \"fe02.contoso.test\"", "dns = \"federation\"\nfqdn = \"fe02.contoso.test\"")], "dns", "no domains"),
    case(TopologyReason::PrioritiesUnused, &[(POOL_END, "priorities = { \"fe02.contoso.test\" = 2 }"), ("strategy = \"weighted\"", "strategy = \"call-id-hash\"")], "priorities", "its strategy is call-id-hash"),
    case(TopologyReason::PoolDrained, &[(POOL_END, "drain = [\"fe02.contoso.test\", \"fe01.contoso.test\"]")], "drain", "names every member"),
    case(TopologyReason::NoClientsHere, &[("accept = [\"client\", \"peer\"]", "accept = [\"peer\"]\nclient_certificates = \"ignore\"")], "client_certificates = ", "accepts no clients"),
    case(TopologyReason::ClientTrustUnused, &[("accept = [\"client\", \"peer\"]", "accept = [\"client\", \"peer\"]\nclient_trust = [\"fabrikam-ca\"]")], "client_trust = ", "requires no certificate"),
    case(TopologyReason::NoListenerForClients, &[("accept = [\"client\", \"peer\"]", "accept = [\"peer\"]"), ("[[peer]]\nfqdn = \"edge.fabrikam.test\"\nkind = \"federated\"\ndomains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\n", "")], "", "no listener accepts clients"),
];

#[test]
fn a_renewed_certificate_lies_ready_and_takes_over_at_its_time() {
    let lab = Lab::new();
    let at = |seconds: u64| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let turn = now().as_secs() + 2 * 86_400;
    let staged = |stem: &str, begin: u64| {
        let old = format!("not_after = \"{}\"", show_moment(turn));
        let new = format!("not_before = \"{}\"", show_moment(begin));
        let new =
            format!("certificate = \"{stem}.chain.pem\"\nprivate_key = \"{stem}.key.pem\"\n{new}");
        let both = format!("{IDENTITY_END}\n{old}\n[[identity]]\nname = \"renewed\"\n{new}");
        lab.load(&edited(&[(IDENTITY_END, &both)]))
    };
    // The new one is not valid yet: it need not be before its window.
    let topology = staged("future", turn).unwrap_or_else(|faults| panic!("{}", shown(&faults)));
    let (old, new) = (IdentityRef(0), IdentityRef(1));
    for named in [old, new] {
        assert_eq!(topology.identity_at(named, now()), old);
        assert_eq!(topology.identity_at(named, at(turn + 1)), new);
    }
    assert_eq!(topology.identity_at(old, at(turn)), old);
    let codes = |loaded: Result<Topology, Vec<Fault>>| -> Vec<&str> {
        loaded
            .err()
            .unwrap_or_default()
            .iter()
            .map(|f| f.code.code())
            .collect()
    };
    assert_eq!(
        codes(staged("future", now().as_secs())),
        ["certificate_not_yet_valid", "duplicate_sni"]
    );
    assert_eq!(codes(staged("twin", turn - 60)), ["duplicate_sni"]);
    assert_eq!(codes(staged("twin", turn + 60)), ["identity_gap"]);
    // Another name takes nobody's place.
    assert_eq!(codes(staged("other", turn)), ["identity_gap"]);
}

#[test]
fn every_code_is_found_at_its_line_and_alone() {
    let lab = Lab::new();
    for case in CASES {
        let text = edited(case.edits);
        let findings = match (lab.load(&text), case.code.severity()) {
            (Err(faults), Severity::Fault) => faults,
            (Ok(topology), Severity::Warning) => topology.warnings,
            (Err(faults), Severity::Warning) => panic!("{:?}: {}", case.code, shown(&faults)),
            (Ok(_), Severity::Fault) => panic!("{:?} with {} was not found", case.code, case.says),
        };
        let all = shown(&findings);
        let of_code = findings.iter().filter(|f| f.code == case.code.code());
        let finding = of_code.clone().find(|f| f.what.contains(case.says));
        let finding =
            finding.unwrap_or_else(|| panic!("{:?} \"{}\" not in\n{all}", case.code, case.says));
        if case.code.severity() == Severity::Fault {
            assert_eq!(
                findings.len(),
                of_code.count(),
                "{:?} brings others with it:\n{all}",
                case.code
            );
        }
        if !case.line.is_empty() {
            assert_eq!(finding.file, lab.path("topology.toml"));
            assert_eq!(
                finding.line,
                Some(line_of(&text, case.line)),
                "{:?}\n{all}",
                case.code
            );
        }
        assert!(!finding.remedy.is_empty());
    }
}

#[test]
fn every_code_of_the_table_has_a_case() {
    let provoked: HashSet<TopologyReason> = CASES.iter().map(|case| case.code).collect();
    let missing: Vec<&TopologyReason> = TopologyReason::ALL
        .iter()
        .filter(|code| !provoked.contains(code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_good_topology_resolves_without_a_warning() {
    let lab = Lab::new();
    let topology = lab.good(GOOD);
    assert_eq!(topology.warnings(), []);
    assert_eq!(topology.node().fqdn.as_str(), "edge01.contoso.test");
    assert_eq!(
        topology.identities()[0].names[0].as_str(),
        "edge01.contoso.test"
    );
    assert!(topology.identities()[0].client.is_none());

    let fabrikam = &topology.trusts()[1];
    assert_eq!(
        fabrikam.revocation,
        Revocation::Grace(Duration::from_secs(21_600))
    );
    assert_eq!(fabrikam.scope, RevocationScope::Leaf);
    assert_eq!(topology.trusts()[0].revocation, Revocation::Require);
    assert_eq!(topology.trusts()[0].scope, RevocationScope::Chain);

    let listener = &topology.listeners()[0];
    assert_eq!(listener.accept, Accept::Both);
    assert!(listener.sni.is_empty());

    let fe01 = topology.peer(topology.peer_by_fqdn("fe01.contoso.test").unwrap());
    assert_eq!(
        fe01.addresses,
        [
            DialAddress::Socket("10.0.0.11:5061".parse().unwrap()),
            DialAddress::Host("fe01.internal.test".to_owned(), 5061),
        ]
    );
    assert!(fe01.assert_identity && !fe01.common_name);
    assert_eq!(
        (fe01.names, fe01.purpose),
        (NamePolicy::Exact, PurposePolicy::ServerOrClient)
    );
    assert_eq!(fe01.line, line_of(GOOD, "[[peer]]"));
    let partner = topology.peer(topology.peer_by_fqdn("edge.fabrikam.test").unwrap());
    assert!(!partner.assert_identity);
    assert_eq!(topology.trust(partner.trust[0]).name, "fabrikam-ca");

    let pool = &topology.pools()[0];
    assert_eq!(pool.peers, [(PeerRef(0), 1), (PeerRef(1), 3)]);
    assert_eq!(pool.strategy, Strategy::Weighted);
    let implied = &topology.pools()[1];
    assert_eq!(
        (implied.name.as_str(), implied.peers.as_slice()),
        ("fabrikam.test", &[(PeerRef(2), 1)][..])
    );

    assert_eq!(topology.limits().handshakes, 100);
    assert_eq!(topology.log().requests, LogRequests::All);
    assert_eq!(topology.log().format, LogFormat::Auto);
    assert_eq!(topology.tokens().keys, [(2, [0xab; 32]), (1, [0xcd; 32])]);
    assert_eq!(
        topology.tokens().key_file.as_deref(),
        Some(lab.path("tokens").as_path())
    );
    let expectation = &topology.expectations()[0];
    assert!(!expectation.accept);
    assert_eq!(expectation.reason.as_deref(), Some("not_in_topology"));
}

#[test]
fn all_faults_come_at_once_in_the_order_of_lines() {
    let lab = Lab::new();
    let text = edited(&[
        ("fqdn = \"edge01", "fdqn = \"edge01"),
        (
            "name = \"edge\"\naddress",
            "name = \"edge\"\ncolour = \"red\"\naddress",
        ),
        ("\"edge.key.pem\"", "\"other.key.pem\""),
        ("kind = \"federated\"", "kind = \"federal\""),
        ("\"fabrikam-ca.crl.pem\"", "\"gone.pem\""),
        ("peers = [\"fe01", "peers = [\"fe1"),
        ("handshakes = 100", "handshakes = 0"),
        ("\"tokens\"", "\"tokens.bad\""),
    ]);
    let faults = lab.load(&text).err().unwrap();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(
        codes,
        [
            "unknown_key",
            "key_mismatch",
            "file_missing",
            "unknown_key",
            "unknown_word",
            "unknown_reference",
            "out_of_range",
            "token_key_malformed",
        ],
        "{}",
        shown(&faults)
    );
    assert_eq!(faults[7].file, lab.path("tokens.bad"));
    assert_eq!(faults[7].line, Some(2));
}

#[test]
fn several_syntax_errors_are_several_faults() {
    let lab = Lab::new();
    let faults = lab
        .load("[node\nfqdn = \n[[peer]]\nx = = 1\n")
        .err()
        .unwrap();
    let lines: HashSet<u32> = faults.iter().filter_map(|fault| fault.line).collect();
    assert!(faults.iter().all(|fault| fault.code == "syntax"));
    assert!(
        lines.contains(&1) && lines.contains(&4),
        "{}",
        shown(&faults)
    );
}

#[test]
fn a_file_that_is_empty_lacks_its_sections() {
    let lab = Lab::new();
    let faults = lab.load("").err().unwrap();
    let codes: HashSet<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(codes, HashSet::from(["missing_key"]));
    assert_eq!(faults.len(), 6, "{}", shown(&faults));
}

/// What a fuzzer found: peers and listeners that name no identity take the first, and there was none.
#[test]
fn a_file_that_lacks_any_kind_of_section_loads_or_says_so() {
    let lab = Lab::new();
    let sections: Vec<&str> = GOOD.split_inclusive("\n\n").collect();
    let header = |section: &str| section.lines().next().unwrap_or_default().to_owned();
    let kinds: HashSet<String> = sections.iter().map(|section| header(section)).collect();
    for named in ["", "identity = \"edge\"\n"] {
        for kind in &kinds {
            let kept = sections.iter().filter(|section| header(section) != *kind);
            let text = kept.copied().collect::<String>().replace(named, "");
            let needed = [
                "[node]",
                "[[identity]]",
                "[[trust]]",
                "[[listener]]",
                "[[peer]]",
                "[[pool]]",
            ];
            match lab.load(&text) {
                Ok(_) => assert!(!needed.contains(&kind.as_str()), "{kind} is not missed"),
                Err(faults) => {
                    let missing = faults
                        .iter()
                        .any(|f| f.code == "missing_key" && f.what.contains(kind));
                    assert!(missing, "without {kind}: {}", shown(&faults));
                }
            }
        }
    }
}

#[test]
fn a_missing_topology_file_is_a_fault_of_its_own() {
    let faults = load(Path::new("/nonexistent/topology.toml"), now())
        .err()
        .unwrap();
    assert_eq!((faults.len(), faults[0].code.code()), (1, "file_missing"));
    let lab = Lab::new();
    let faults = load(&lab.path("directory.pem"), now()).err().unwrap();
    assert_eq!(
        (faults.len(), faults[0].code.code()),
        (1, "file_unreadable")
    );
}

#[test]
fn no_token_key_is_ever_shown() {
    let lab = Lab::new();
    lab.write("tokens.secret", "1 5ec2e75ec2e75ec2e7\n");
    let text = edited(&[("\"tokens\"", "\"tokens.secret\"")]);
    let faults = lab.load(&text).err().unwrap();
    assert!(!shown(&faults).contains("5ec2e7"));
}

#[test]
fn a_chain_with_the_root_or_a_leaf_with_a_sip_uri_serves() {
    let lab = Lab::new();
    lab.good(&edited(&[("\"edge.chain.pem\"", "\"rooted.chain.pem\"")]));
    let text = edited(&[
        ("\"edge.chain.pem\"", "\"only-uri.chain.pem\""),
        ("edge.key", "only-uri.key"),
    ]);
    assert_eq!(lab.good(&text).warnings(), []);
}

#[test]
fn a_key_belongs_to_its_certificate_whatever_extensions_that_has() {
    let lab = Lab::new();
    lab.good(&edited(&[
        ("\"edge.chain.pem\"", "\"critical.chain.pem\""),
        ("edge.key", "critical.key"),
    ]));
}

#[test]
fn a_leaf_that_is_not_first_is_named_as_the_cause() {
    let lab = Lab::new();
    let text = edited(&[("\"edge.chain.pem\"", "\"reversed.chain.pem\"")]);
    let faults = lab.load(&text).err().unwrap();
    let mismatch = faults.iter().find(|f| f.code == "key_mismatch").unwrap();
    assert!(
        mismatch.remedy.contains("put the leaf first"),
        "{}",
        shown(&faults)
    );
}

#[test]
fn a_listener_shows_all_identities_unless_sni_says_which() {
    let lab = Lab::new();
    let all = lab.good(&edited(&[(IDENTITY_END, SECOND)]));
    assert_eq!(all.listeners()[0].sni, [IdentityRef(1)]);
    let none = lab.good(&edited(&[
        (IDENTITY_END, SECOND),
        ("identity = \"edge\"", "sni = []"),
    ]));
    assert_eq!(none.listeners()[0].identity, IdentityRef(0));
    assert!(none.listeners()[0].sni.is_empty());
    // The fqdn may be carried by an identity that SNI alone chooses.
    let by_sni = lab.good(&edited(&[
        (IDENTITY_END, SECOND),
        ("identity = \"edge\"", "identity = \"second\""),
    ]));
    assert_eq!(by_sni.listeners()[0].sni, [IdentityRef(0)]);
}

#[test]
fn two_listeners_on_port_0_do_not_collide() {
    let lab = Lab::new();
    let text = edited(&[
        ("127.0.0.1:5061", "127.0.0.1:0"),
        (
            "[[peer]]",
            "[[listener]]\nname = \"second\"\naddress = \"127.0.0.1:0\"\naccept = [\"peer\"]\n[[peer]]",
        ),
    ]);
    assert_eq!(lab.good(&text).listeners()[1].accept, Accept::Peers);
}

#[test]
fn partners_that_share_a_domain_share_its_implicit_pool() {
    let lab = Lab::new();
    let more = "[[peer]]\nfqdn = \"edge2.fabrikam.test\"\nkind = \"federated\"\ndomains = [\"fabrikam.test\", \"sales.fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\n[[pool]]";
    let topology = lab.good(&edited(&[("[[pool]]", more)]));
    let pools: Vec<(&str, usize)> = topology
        .pools()
        .iter()
        .map(|p| (p.name.as_str(), p.peers.len()))
        .collect();
    assert_eq!(
        pools,
        [
            ("front-end", 2),
            ("fabrikam.test", 2),
            ("sales.fabrikam.test", 1)
        ]
    );
    // A section of its own for the domain takes the place of the implicit pool.
    let explicit = format!(
        "{}[[pool]]\nname = \"fab\"\ndomains = [\"fabrikam.test\"]\npeers = [\"edge.fabrikam.test\"]\nstrategy = \"ordered\"\n",
        edited(&[("[[pool]]", more)])
    );
    let topology = lab.good(&explicit);
    let pools: Vec<(&str, usize)> = topology
        .pools()
        .iter()
        .map(|p| (p.name.as_str(), p.peers.len()))
        .collect();
    assert_eq!(
        pools,
        [("front-end", 2), ("fab", 1), ("sales.fabrikam.test", 1)]
    );
}

#[test]
fn all_below_a_name_is_a_domain_of_partners_and_the_longest_that_a_pool_serves_needs_no_other() {
    let lab = Lab::new();
    let text = edited(&[
        (
            "[\"fabrikam.test\"]",
            "[\"*.Fabrikam.test\", \"fabrikam.test\", \"sales.fabrikam.test\", \"*.eu.fabrikam.test\", \"192.0.2.7\", \"::7\"]",
        ),
        (
            "[limits]",
            "[[pool]]\nname = \"fab\"\ndomains = [\"*.fabrikam.test\"]\npeers = [\"edge.fabrikam.test\"]\n[limits]",
        ),
    ]);
    let topology = lab.good(&text);
    let pools: Vec<&str> = topology.pools().iter().map(|p| p.name.as_str()).collect();
    // What lies below the pool's star and is its member's needs no pool of its own.
    assert_eq!(
        pools,
        ["front-end", "fab", "fabrikam.test", "192.0.2.7", "[::7]"]
    );
    // Below a home domain a partner may have what is no name of ours.
    lab.good(&edited(&[(
        "[\"fabrikam.test\"]",
        "[\"*.branch.contoso.test\"]",
    )]));
    // Nor is an address below anything.
    lab.good(&edited(&[
        ("[\"contoso.test\"]", "[\"contoso.test\", \"192.0.2.1\"]"),
        (
            "domains = [\"contoso.test\"]\npeers",
            "domains = [\"contoso.test\", \"192.0.2.1\"]\npeers",
        ),
    ]));
}

#[test]
fn a_partner_may_be_anonymous_where_it_is_believed_or_by_a_key_of_its_own() {
    let lab = Lab::new();
    let strips = |line: &str, boundary: &str| {
        let text = edited(&[
            (
                "[\"fabrikam.test\"]",
                &format!("[\"fabrikam.test\"]\n{line}"),
            ),
            ("[limits]", &format!("{boundary}[limits]")),
        ]);
        let topology = lab.good(&text);
        let anonymous = topology.peers()[2].boundary.anonymous;
        anonymous.map(|strip| strip.has(crate::sip::HeaderName::PAssertedIdentity))
    };
    let strip = "[boundary]\nfederated = { strip_in = [\"P-Asserted-Identity\"] }\n";
    for (line, boundary, expected) in [
        ("", "", None),
        ("anonymous = true", "", Some(false)),
        ("assert_identity = true", "", Some(false)),
        ("assert_identity = true\nanonymous = false", "", None),
        (
            "anonymous = true\nfields = { strip_in = [\"P-Asserted-Identity\"] }",
            "",
            Some(true),
        ),
        ("anonymous = true", strip, Some(true)),
        (
            "anonymous = true\nfields = { keep_in = [\"P-Asserted-Identity\"] }",
            strip,
            Some(false),
        ),
    ] {
        assert_eq!(strips(line, boundary), expected, "{line} {boundary}");
    }
    assert_eq!(lab.good(GOOD).peers()[0].boundary.anonymous, None);
}

#[test]
fn the_boundary_of_a_peer_is_its_trust_then_its_kind_then_its_own() {
    use crate::sip::HeaderName::{Diversion, HistoryInfo, PAssertedIdentity, PrivateMs};
    let lab = Lab::new();
    let topology = lab.good(&edited(&[
        (
            "[log]",
            "[boundary]\npeer_name = true\ndeny_domains = [\"evil.test\"]\nclients = { keep_in = [\"ms-*\"] }\nfederated = { keep_in = [\"Diversion\", \"ms-*\"] }\nhome = { require_in = [\"P-Asserted-Identity\"] }\n[log]",
        ),
        (
            "trust = [\"fabrikam-ca\"]",
            "trust = [\"fabrikam-ca\"]\nsips = false\nhide_topology = true\ndeny = [\"secret.test\"]\nfields = { strip_in = [\"ms-*\"], strip_out = [\"History-Info\"] }",
        ),
    ]));
    let boundary = topology.boundary();
    assert!(boundary.peer_name && boundary.deny_domains[0].as_str() == "evil.test");
    assert!(!boundary.clients.strip_in.has(PrivateMs) && boundary.clients.strip_in.has(Diversion));
    let home = &topology.peers()[0].boundary;
    assert!(home.sips && home.deny.is_empty());
    assert!(home.fields.require_in.has(PAssertedIdentity));
    let partner = &topology.peers()[2].boundary;
    assert!(!partner.sips && partner.deny[0].as_str() == "secret.test");
    assert!(!partner.fields.strip_in.has(Diversion) && partner.fields.strip_in.has(PrivateMs));
    assert!(partner.fields.strip_out.has(HistoryInfo));
    assert!(partner.fields.strip_in.has(PAssertedIdentity));
    let plain = lab.good(GOOD);
    assert_eq!(
        plain.changes(&topology),
        [
            "peer fe01.contoso.test changed: fields",
            "peer fe02.contoso.test changed: fields",
            "peer edge.fabrikam.test changed: fields, deny +secret.test, sips true becomes false, hide_topology false becomes true",
            "boundary changed: clients, deny_domains +evil.test, peer_name false becomes true",
        ]
    );
}

#[test]
fn health_is_kept_with_its_defaults() {
    let lab = Lab::new();
    let topology = lab.good(&edited(&[(POOL_END, "health = { timeout = \"1s\" }")]));
    let expected = Health {
        timeout: Duration::from_secs(1),
        ..Health::default()
    };
    assert_eq!(topology.pools()[0].health, Some(expected));
}

#[test]
fn a_pool_may_drain_members_and_group_them() {
    let lab = Lab::new();
    let topology = lab.good(&edited(&[
        (
            POOL_END,
            "drain = [\"fe01.contoso.test\"]\npriorities = { \"fe02.contoso.test\" = 2 }\nweights = { \"fe02.contoso.test\" = 3 }\nhealth = { fail_back = \"0s\" }",
        ),
        ("strategy = \"weighted\"", "strategy = \"ordered\""),
    ]));
    let pool = &topology.pools()[0];
    assert_eq!(pool.drain, [pool.peers[0].0]);
    assert_eq!(pool.priorities, [1, 2]);
    assert_eq!(pool.peers[1].1, 3);
    assert_eq!(pool.health.unwrap().fail_back, Duration::ZERO);
    let before = lab.good(&edited(&[(POOL_END, "")]));
    let said = before.changes(&topology).join("; ");
    for part in ["drain +fe01.contoso.test", "priorities", "health"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_time_to_notice_a_death_counts_every_ping_in_full() {
    let health = Health::default();
    assert_eq!(health.detection(), Duration::from_secs(22));
    assert_eq!(health.recovery(), Duration::from_secs(52));
    let slow = Health {
        timeout: Duration::from_secs(15),
        ..health
    };
    assert_eq!(slow.detection(), Duration::from_secs(40));
}

#[test]
fn a_reload_without_a_change_says_nothing() {
    let lab = Lab::new();
    let (old, new) = (lab.good(GOOD), lab.good(GOOD));
    assert_eq!(old.changes(&new), Vec::<String>::new());
    assert_eq!(old.restart_needed(&new), Vec::<String>::new());
}

#[test]
fn a_reload_says_what_changed() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let new = lab.good(&edited(&[
        ("\"edge.chain.pem\"", "\"twin.chain.pem\""),
        ("\"edge.key.pem\"", "\"twin.key.pem\""),
        ("\"6h\"", "\"1h\""),
        (
            "fqdn = \"fe02.contoso.test\"",
            "fqdn = \"fe03.contoso.test\"",
        ),
        (", \"fe02.contoso.test\"]", ", \"fe03.contoso.test\"]"),
        (POOL_END, ""),
        ("10.0.0.11", "10.0.0.12"),
        ("address = [\"10", "keepalive = \"30s\"\naddress = [\"10"),
        ("handshakes = 100", "handshakes = 50"),
        ("\"all\"", "\"refused\""),
        ("[limits]", "[admin]\nwatch = \"10s\"\n[limits]"),
        ("[tokens]\nkey_file = \"tokens\"\n", ""),
    ]));
    let said = old.changes(&new);
    let expected = [
        "identity edge changed: certificate renewed, valid until ",
        "trust fabrikam-ca changed: revocation",
        "peer fe02.contoso.test removed",
        "peer fe01.contoso.test changed: address +10.0.0.12:5061 -10.0.0.11:5061, keepalive",
        "peer fe03.contoso.test added",
        "pool front-end changed: peers +fe03.contoso.test -fe02.contoso.test",
        "limit handshakes changed from 100 to 50",
        "log changed: requests all becomes refused",
        "token keys changed: ids 2, 1 become none",
        "admin changed: watch off becomes 10s",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said} / {expected}");
    }
    assert_eq!(old.restart_needed(&new), Vec::<String>::new());
}

#[test]
fn crls_and_anchors_are_compared_by_content() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let root = Authority::root("Contoso Root").unwrap();
    lab.write("enterprise-ca.pem", &root.certificate_pem());
    lab.write(
        "enterprise-ca.crl.pem",
        &root.crl_pem(&[], Duration::from_secs(86_400)).unwrap(),
    );
    let said = old.changes(&lab.good(GOOD));
    assert_eq!(
        said,
        [
            "trust enterprise-ca changed: anchors renewed under the same names, CRLs replaced (1 before, 1 now)"
        ]
    );
}

#[test]
fn a_crl_that_cannot_be_used_is_a_fault_with_its_reason() {
    let lab = Lab::new();
    let faults = lab
        .load(&edited(&[(
            "\"fabrikam-ca.crl.pem\"",
            "\"broken.crl.pem\"",
        )]))
        .err()
        .unwrap();
    assert_eq!(faults.len(), 1, "{}", shown(&faults));
    assert_eq!(faults[0].code, "crl_malformed");
    assert!(
        faults[0].what.contains("broken.crl.pem"),
        "{}",
        faults[0].what
    );
}

#[test]
fn crls_come_from_directories_too_and_are_read_again_unless_told_otherwise() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("crls")).unwrap();
    for name in ["enterprise-ca", "fabrikam-ca"] {
        let from = lab.path(&format!("{name}.crl.pem"));
        std::fs::copy(from, lab.path(&format!("crls/{name}.crl"))).unwrap();
    }
    let text = edited(&[
        ("\"enterprise-ca.crl.pem\"", "\"crls\""),
        ("scope = \"leaf\"", "crl_refresh = \"off\""),
    ]);
    let topology = lab.good(&text);
    let [first, second] = topology.trusts() else {
        panic!("two trust sets");
    };
    assert_eq!((first.crls.len(), second.crls.len()), (2, 1));
    assert_eq!(first.crl_sources[0].path, lab.path("crls"));
    assert_eq!(first.crl_refresh, Some(Duration::from_secs(300)));
    assert_eq!(second.crl_refresh, None);
}

#[test]
fn what_needs_a_restart_is_said_apart() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let new = lab.good(&edited(&[
        (
            "domains = [\"contoso.test\"]",
            "domains = [\"contoso.test\"]\nshards = 2\nscheduling = \"inherit\"\nadvertise_port = 5071",
        ),
        ("127.0.0.1:5061", "127.0.0.1:5062"),
        ("[\"client\", \"peer\"]", "[\"peer\"]"),
        ("[limits]", "[admin]\nsocket = \"/run/x\"\n[limits]"),
    ]));
    assert_eq!(
        old.restart_needed(&new),
        [
            "admin.socket in the runtime directory becomes /run/x",
            "listener edge 127.0.0.1:5061 becomes 127.0.0.1:5062",
            "node.advertise_port the listener's becomes 5071",
            "node.scheduling batch becomes inherit",
            "node.shards one for each core becomes 2",
        ]
    );
}

/// The part of docs/topology.md that tells of a section.
fn docs_of<'d>(docs: &'d str, header: &str) -> &'d str {
    let title = format!("## `{header}`");
    let start = docs.find(&title).unwrap_or_else(|| panic!("no {title}"));
    let rest = &docs[start + title.len()..];
    rest.split("\n## ").next().unwrap()
}

fn keys_in_tables(docs: &str) -> HashSet<&str> {
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

#[test]
fn the_docs_name_every_key_and_word_of_the_schema_and_no_other() {
    let docs = include_str!("../../docs/topology.md");
    for section in schema::SECTIONS {
        let part = docs_of(docs, &section.header());
        let mut known = HashSet::new();
        for key in (section.keys)() {
            known.insert(key.name);
            let (words, inner): (&[&str], &[schema::Key]) = match key.kind {
                schema::Kind::Word(words) | schema::Kind::Words(words) => (words, &[]),
                schema::Kind::Table(keys) => (&[], keys),
                schema::Kind::WordOrTable(words, keys) => (words, keys),
                schema::Kind::Text
                | schema::Kind::Integer
                | schema::Kind::Flag
                | schema::Kind::Texts
                | schema::Kind::Quantity
                | schema::Kind::Moment
                | schema::Kind::Numbers => (&[], &[]),
            };
            for word in words {
                assert!(
                    part.contains(&format!("`\"{word}\"`")),
                    "{} {word}",
                    key.name
                );
            }
            for key in inner {
                assert!(part.contains(&format!("`{}`", key.name)), "{}", key.name);
                known.insert(key.name);
            }
        }
        let named = keys_in_tables(part);
        assert!(
            named.is_subset(&known),
            "{}: {:?}",
            section.name,
            named.difference(&known)
        );
        for key in (section.keys)() {
            assert!(
                named.contains(key.name),
                "{} {} has no row",
                section.name,
                key.name
            );
        }
    }
}

#[test]
fn the_docs_have_the_tables_of_limits() {
    let docs = include_str!("../../docs/topology.md");
    let fields = boundary::docs();
    assert!(docs.contains(&fields), "the table should be:\n{fields}");
    let limits = limits::docs();
    assert!(docs.contains(&limits), "the table should be:\n{limits}");
    let fixed = fixed::docs();
    assert!(docs.contains(&fixed), "the list should be:\n{fixed}");
}
