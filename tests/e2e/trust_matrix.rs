//! The trust matrix over real handshakes: what a server shows, in both directions, each with its own reason code.
use crate::harness::{Edge, Lab};
use serde_json::Value;
use sipward::trust::TrustReason;
use sipward_lab::forge::weakly_signed;
use sipward_lab::pki::{
    Authority, AuthoritySpec, CrlSpec, Issued, KeyKind, LeafSpec, Serial, Usage, self_signed,
};
use sipward_lab::site::{EDGE, TomlTable, TopologyText};
use sipward_lab::{Server, Wire};
use std::collections::HashSet;

const FE01: &str = "fe01.contoso.test";

/// Reasons that no handshake of the lab's own ends can provoke, and where they are provoked instead.
const ELSEWHERE: [(TrustReason, &str); 15] = [
    // One server cannot be there for two tenants of the matrix.
    (TrustReason::IdentityNotForPeer, "tests/e2e/tenants.rs"),
    (
        TrustReason::ClientCertificateUntrusted,
        "tests/e2e/client_certificates.rs",
    ),
    (
        TrustReason::ClientCertificateIgnored,
        "tests/e2e/client_certificates.rs",
    ),
    (
        TrustReason::ClientCertificateTrusted,
        "tests/e2e/client_certificates.rs",
    ),
    // The lab's ends staple nothing; rustls' do.
    (TrustReason::OcspMalformed, "src/trust/tests/ocsp.rs"),
    (TrustReason::OcspWrongCertificate, "src/trust/tests/ocsp.rs"),
    (TrustReason::OcspBadSignature, "src/trust/tests/ocsp.rs"),
    (TrustReason::OcspStale, "src/trust/tests/ocsp.rs"),
    (TrustReason::OcspUnknown, "src/trust/tests/ocsp.rs"),
    (TrustReason::OcspRevoked, "src/trust/tests/ocsp.rs"),
    // Without a certificate there is nothing to decide: the listener says `client_not_accepted`.
    (
        TrustReason::NoCertificate,
        "src/trust/tests/matrix/names.rs",
    ),
    // TLS bounds the Certificate message below our own bound.
    (
        TrustReason::ChainTooLarge,
        "src/trust/tests/matrix/names.rs",
    ),
    // The lab's TLS library does not sign with such a key; openssl does.
    (TrustReason::WeakKey, "tests/interop/weak_key.rs"),
    (TrustReason::KeyUnusable, "src/trust/tests/keys.rs"),
    // The lab's TLS library shows no certificate that is not of v3.
    (
        TrustReason::CertificateVersion,
        "src/trust/tests/matrix/paths.rs",
    ),
];

/// One server: what it shows, who may vouch for its name, and both outcomes.
struct Case {
    says: &'static str,
    identity: Issued,
    /// The peer's FQDN, a name of its own.
    fqdn: String,
    trust: &'static str,
    policy: fn(&mut TomlTable),
    inbound: TrustReason,
    outbound: TrustReason,
}

struct Cases {
    enterprise: Authority,
    fabrikam: Authority,
    /// Its trust set consults no CRLs: for what lies below intermediates.
    open: Authority,
    rsa: Authority,
    cases: Vec<Case>,
}

fn no_policy(_: &mut TomlTable) {}

impl Cases {
    fn new(lab: &Lab) -> Self {
        Self {
            enterprise: lab.site.enterprise.clone(),
            fabrikam: lab.site.fabrikam.clone(),
            open: Authority::root("Open Root").unwrap(),
            rsa: Authority::root_with(AuthoritySpec {
                key: KeyKind::Rsa2048,
                ..AuthoritySpec::named("RSA Root")
            })
            .unwrap(),
            cases: Vec::new(),
        }
    }

    /// The name of the next case's peer.
    fn next(&self) -> String {
        format!("s{}.rows.test", self.cases.len())
    }

    fn add(
        &mut self,
        says: &'static str,
        trust: &'static str,
        identity: Issued,
        (inbound, outbound): (TrustReason, TrustReason),
    ) -> &mut Case {
        let fqdn = self.next();
        self.cases.push(Case {
            says,
            identity,
            fqdn,
            trust,
            policy: no_policy,
            inbound,
            outbound,
        });
        self.cases.last_mut().unwrap()
    }

    /// A leaf of `authority` that differs from a good one by `change`.
    fn leaf(
        &mut self,
        says: &'static str,
        (trust, authority): (&'static str, &Authority),
        change: impl FnOnce(&mut LeafSpec),
        reasons: (TrustReason, TrustReason),
    ) -> &mut Case {
        let mut spec = LeafSpec::server(&self.next());
        change(&mut spec);
        let identity = authority.issue(&spec).unwrap();
        self.add(says, trust, identity, reasons)
    }

    fn names(&mut self) {
        use TrustReason as R;
        let ca = ("enterprise-ca", &self.enterprise.clone());
        let mismatch = (R::NotInTopology, R::NameMismatch);
        self.leaf("a good one", ca, |_| {}, both(R::Accepted));
        let unlisted = |s: &mut LeafSpec| s.dns = vec!["evil.rows.test".to_owned()];
        self.leaf("an unlisted server", ca, unlisted, mismatch);
        let other = |s: &mut LeafSpec| s.dns = vec![FE01.to_owned()];
        self.leaf(
            "another listed one",
            ca,
            other,
            (R::Accepted, R::NameMismatch),
        );
        let second = |s: &mut LeafSpec| s.dns.insert(0, "first.elsewhere.test".to_owned());
        self.leaf(
            "the listed name stands second",
            ca,
            second,
            both(R::Accepted),
        );
        let none = |s: &mut LeafSpec| *s = LeafSpec::default();
        self.leaf("no name", ca, none, both(R::NoUsableName));
        let many = |s: &mut LeafSpec| s.dns = (0..2_001).map(|n| format!("n{n}.test")).collect();
        self.leaf("too many names", ca, many, both(R::TooManyNames));
        let cn = |s: &mut LeafSpec| s.dns.clear();
        self.leaf("CN only", ca, cn, both(R::CommonNameOnly));
        self.leaf("CN only, allowed", ca, cn, both(R::Accepted))
            .policy = |peer| {
            peer.raw("common_name", "true");
        };
        // Below a label of its own: a wildcard of rows.test would speak for every case.
        let wildcard = |s: &mut LeafSpec| s.dns = vec!["*.wild.test".to_owned()];
        self.leaf("a wildcard", ca, wildcard, both(R::WildcardNotAllowed))
            .fqdn = "s.wild.test".to_owned();
        let two = |s: &mut LeafSpec| s.dns.push(FE01.to_owned());
        self.leaf(
            "two peers of different rights",
            ca,
            two,
            (R::AmbiguousIdentity, R::Accepted),
        );
    }

    fn paths(&mut self) {
        use TrustReason as R;
        let stranger = Authority::root("Stranger Root").unwrap();
        let (enterprise, fabrikam) = (self.enterprise.clone(), self.fabrikam.clone());
        let impostor = enterprise.impostor().unwrap();
        for (says, trust, ca, reason) in [
            (
                "an unknown CA",
                "enterprise-ca",
                &stranger,
                R::UnknownIssuer,
            ),
            (
                "a home name by the partner's CA",
                "enterprise-ca",
                &fabrikam,
                R::AnchorNotForPeer,
            ),
            (
                "a partner name by the home CA",
                "fabrikam-ca",
                &enterprise,
                R::AnchorNotForPeer,
            ),
            (
                "an impostor of the CA",
                "enterprise-ca",
                &impostor,
                R::BadSignature,
            ),
        ] {
            self.leaf(says, (trust, ca), |_| {}, both(reason));
        }
        let own = self_signed(&LeafSpec::server(&self.next())).unwrap();
        self.add("self-signed", "enterprise-ca", own, both(R::SelfSigned));

        let mut long = enterprise.server(&self.next()).unwrap();
        long.chain = vec![long.certificate.clone(); 11];
        self.add(
            "eleven certificates",
            "enterprise-ca",
            long,
            both(R::ChainTooLong),
        );
        let mut odd = enterprise.server(&self.next()).unwrap();
        odd.chain.push(vec![0x30, 0x03, 0x02, 0x01, 0x00].into());
        self.add(
            "an intermediate that is no X.509",
            "enterprise-ca",
            odd,
            both(R::MalformedCertificate),
        );
    }

    fn broken_paths(&mut self) {
        use TrustReason as R;
        let open = self.open.clone();
        let ca = ("open", &open);
        let backwards = |s: &mut LeafSpec| (s.not_before, s.not_after) = (100, -100);
        self.leaf(
            "a period that runs backwards",
            ca,
            backwards,
            both(R::PathInvalid),
        );
        let authority = |s: &mut LeafSpec| s.authority = true;
        self.leaf("a CA as leaf", ca, authority, both(R::AuthorityMisuse));
        let critical = |s: &mut LeafSpec| s.unknown_critical = true;
        self.leaf(
            "an unknown critical extension",
            ca,
            critical,
            both(R::UnknownCriticalExtension),
        );
        let mut deep = open.clone();
        for level in 0..7 {
            deep = deep.subordinate(&format!("Level {level}")).unwrap();
        }
        self.leaf(
            "seven intermediates",
            ("open", &deep),
            |_| {},
            both(R::Accepted),
        );
        let short = open
            .subordinate_with(AuthoritySpec {
                path_length: Some(0),
                ..AuthoritySpec::named("Last CA")
            })
            .unwrap();
        self.leaf(
            "a path too long for its CA",
            ("open", &short.subordinate("One too many").unwrap()),
            |_| {},
            both(R::PathLength),
        );
        let mut permitted: Vec<String> = (0..400).map(|n| format!("n{n}.test")).collect();
        permitted.push("rows.test".to_owned());
        let busy = open
            .subordinate_with(AuthoritySpec {
                permitted,
                ..AuthoritySpec::named("Busy CA")
            })
            .unwrap();
        let many = |s: &mut LeafSpec| {
            s.dns
                .extend((0..1_000).map(|n| format!("n{n}.of.rows.test")))
        };
        self.leaf(
            "many names below many constraints",
            ("open", &busy),
            many,
            both(R::PathTooComplex),
        );
        let bound = open
            .subordinate_with(AuthoritySpec {
                permitted: vec!["fabrikam.test".to_owned()],
                ..AuthoritySpec::named("Bound CA")
            })
            .unwrap();
        self.leaf(
            "a name outside its CA's constraints",
            ("open", &bound),
            |_| {},
            both(R::NameConstraintViolated),
        );
        let rsa = self.rsa.clone();
        self.leaf(
            "below an RSA root",
            ("rsa", &rsa),
            |_| {},
            both(R::Accepted),
        );
        let mut sha1 = rsa.server(&self.next()).unwrap();
        sha1.chain = vec![with_sha1(&sha1.certificate)];
        self.add(
            "a SHA-1 signature",
            "rsa",
            sha1,
            both(R::UnsupportedSignature),
        );
    }

    fn times(&mut self) {
        let ca = ("enterprise-ca", &self.enterprise.clone());
        let old = |s: &mut LeafSpec| (s.not_before, s.not_after) = (-7_200, -3_600);
        self.leaf("expired", ca, old, both(TrustReason::Expired));
        let young = |s: &mut LeafSpec| (s.not_before, s.not_after) = (3_600, 7_200);
        self.leaf("not yet valid", ca, young, both(TrustReason::NotYetValid));
    }

    /// Windows of entries, and pins.
    fn staged(&mut self, lab: &Lab, topology: &mut TopologyText) {
        use TrustReason as R;
        const PAST: &str = "2020-01-01T00:00:00Z";
        const TO_COME: &str = "2099-01-01T00:00:00Z";
        let ca = ("enterprise-ca", &self.enterprise.clone());
        let to_come = self.leaf("a peer to come", ca, |_| {}, both(R::PeerNotYetActive));
        to_come.policy = |peer| {
            peer.text("not_before", TO_COME);
        };
        let past = self.leaf(
            "a peer of the past",
            ca,
            |_| {},
            both(R::PeerNoLongerActive),
        );
        past.policy = |peer| {
            peer.text("not_after", PAST);
        };
        let pinned = self.leaf("another key than the pin", ca, |_| {}, both(R::PinMismatch));
        pinned.policy = |peer| {
            peer.list("pins", &["07".repeat(32).as_str()]);
        };
        for (says, trust, key, value, reason) in [
            (
                "a set to come",
                "set-to-come",
                "not_before",
                TO_COME,
                R::TrustNotYetActive,
            ),
            (
                "a set of the past",
                "set-of-the-past",
                "not_after",
                PAST,
                R::TrustNoLongerActive,
            ),
        ] {
            let root = Authority::root(trust).unwrap();
            write_trust(lab, topology, trust, &root, None);
            let set = topology.find("[[trust]]", "name", trust).unwrap();
            set.text(key, value);
            self.leaf(says, (trust, &root), |_| {}, both(reason));
        }
    }

    fn purposes(&mut self) {
        use TrustReason::{Accepted as Yes, EkuUnsuitable as No};
        let ca = ("enterprise-ca", &self.enterprise.clone());
        for (says, usages, reasons) in [
            ("serverAuth alone", vec![Usage::Server], (Yes, Yes)),
            ("clientAuth alone", vec![Usage::Client], (Yes, No)),
            ("codeSigning alone", vec![Usage::CodeSigning], (No, No)),
            ("id-kp-sipDomain alone", vec![Usage::SipDomain], (Yes, Yes)),
        ] {
            self.leaf(says, ca, |s| s.usages = usages, reasons);
        }
        let strict = self.leaf(
            "serverAuth alone at a strict peer",
            ca,
            |s| s.usages = vec![Usage::Server],
            (No, Yes),
        );
        strict.policy = |peer| {
            peer.text("purpose", "strict");
        };
        self.leaf(
            "a key that may not sign",
            ca,
            |s| s.encipher_only = true,
            both(TrustReason::KeyUsageUnsuitable),
        );
    }

    /// Revocation: each case has a CA and a trust set of its own.
    fn revocation(&mut self, lab: &Lab, topology: &mut TopologyText) {
        use TrustReason as R;
        let root = |name| Authority::root(name).unwrap();
        for (says, trust, ca, crl, reason) in [
            (
                "revoked",
                "revoking",
                root("Revoking Root"),
                Listing::Leaf,
                R::Revoked,
            ),
            (
                "the CRL is past its nextUpdate",
                "stale",
                root("Stale Root"),
                Listing::Stale,
                R::CrlStale,
            ),
            (
                "only another CA's CRL is there",
                "missing",
                root("Missing Root"),
                Listing::Foreign,
                R::CrlMissing,
            ),
            (
                "the CRL is from the future",
                "future",
                root("Future Root"),
                Listing::Future,
                R::CrlFromFuture,
            ),
            (
                "the CRL is an impostor's",
                "forged",
                root("Forged Root"),
                Listing::Forged,
                R::CrlBadSignature,
            ),
            (
                "the CRL is signed with what nobody takes",
                "weak",
                root("Weak Root"),
                Listing::Weak,
                R::CrlUnsupportedSignature,
            ),
        ] {
            let identity = ca.server(&self.next()).unwrap();
            let crls = [crl.of(&ca, &identity.serial)];
            write_trust(lab, topology, trust, &ca, Some(&crls));
            self.add(says, trust, identity, both(reason));
        }
        let mute_root = root("Mute Root");
        let mute = mute_root
            .subordinate_with(AuthoritySpec {
                crl_sign: false,
                ..AuthoritySpec::named("Mute CA")
            })
            .unwrap();
        let identity = mute.server(&self.next()).unwrap();
        let crls = [&mute_root, &mute].map(|ca| Listing::Empty.of(ca, &identity.serial));
        write_trust(lab, topology, "mute", &mute_root, Some(&crls));
        self.add(
            "a CA that may not sign CRLs",
            "mute",
            identity,
            both(R::CrlSignerUnfit),
        );
    }
}

/// What the only CRL of a trust set is like.
#[derive(Clone, Copy)]
enum Listing {
    Empty,
    Leaf,
    Stale,
    Future,
    Foreign,
    Forged,
    Weak,
}

impl Listing {
    fn of(self, ca: &Authority, leaf: &Serial) -> Vec<u8> {
        let fresh = CrlSpec {
            next_update: 3_600,
            ..CrlSpec::default()
        };
        let crl = match self {
            Self::Empty | Self::Weak => ca.crl(&fresh),
            Self::Leaf => ca.crl(&CrlSpec {
                revoked: vec![leaf.clone()],
                ..fresh
            }),
            Self::Stale => ca.crl(&CrlSpec {
                this_update: -7_200,
                next_update: -3_600,
                ..fresh
            }),
            Self::Future => ca.crl(&CrlSpec {
                this_update: 3_600,
                next_update: 7_200,
                ..fresh
            }),
            Self::Foreign => Authority::root("Foreign Root").unwrap().crl(&fresh),
            Self::Forged => ca.impostor().unwrap().crl(&fresh),
        };
        let crl = crl.unwrap();
        if matches!(self, Self::Weak) {
            return weakly_signed(&crl);
        }
        crl.to_vec()
    }
}

fn both(reason: TrustReason) -> (TrustReason, TrustReason) {
    (reason, reason)
}

/// The certificate with sha1WithRSAEncryption in the place of sha256WithRSAEncryption.
fn with_sha1(certificate: &[u8]) -> rustls_pki_types::CertificateDer<'static> {
    let sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    let mut der = certificate.to_vec();
    let places: Vec<usize> = (0..der.len() - 8)
        .filter(|i| der[*i..].starts_with(&sha256))
        .collect();
    assert_eq!(places.len(), 2);
    for place in places {
        der[place + 8] = 0x05;
    }
    der.into()
}

/// Adds a trust set with these CRLs; `None`: it consults none.
fn write_trust(
    lab: &Lab,
    topology: &mut TopologyText,
    name: &'static str,
    anchor: &Authority,
    crls: Option<&[Vec<u8>]>,
) {
    let anchors = format!("{name}.pem");
    lab.site.write(&anchors, &anchor.certificate_pem()).unwrap();
    let section = topology.add("[[trust]]");
    section.text("name", name).text("anchors", &anchors);
    let Some(crls) = crls else {
        section.text("revocation", "off");
        return;
    };
    let files: Vec<String> = (0..crls.len()).map(|n| format!("{name}.{n}.crl")).collect();
    for (file, der) in files.iter().zip(crls) {
        std::fs::write(lab.site.path().join(file), der).unwrap();
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    section.list("crls", &files);
}

/// The home server, the edge, and a server for each case.
struct Matrix {
    edge: Edge,
    fe01: Server,
    /// Kept open: the edge takes requests from it.
    _wire: Wire,
    servers: Vec<(Case, Server)>,
}

impl Matrix {
    async fn new() -> Self {
        let lab = Lab::new();
        let fe01 = lab.home("fe01").await;
        let mut topology = lab.site.topology(&[(FE01, fe01.address())], None);
        let mut cases = Cases::new(&lab);
        cases.names();
        cases.paths();
        cases.broken_paths();
        cases.times();
        cases.purposes();
        cases.revocation(&lab, &mut topology);
        cases.staged(&lab, &mut topology);
        write_trust(&lab, &mut topology, "open", &cases.open, None);
        write_trust(&lab, &mut topology, "rsa", &cases.rsa, None);
        let mut servers = Vec::new();
        for case in cases.cases {
            let server = lab
                .server(case.says, &case.fqdn, "sip:x@rows.test", &case.identity)
                .await;
            let peer = topology
                .add("[[peer]]")
                .text("fqdn", &case.fqdn)
                .text("kind", "federated")
                .list("domains", &[&case.domain()])
                .list("trust", &[case.trust])
                .list("address", &[&server.address().to_string()]);
            (case.policy)(peer);
            servers.push((case, server));
        }
        let edge = lab.edge(&topology).await;
        let wire = fe01.dial(edge.address, EDGE).await.unwrap();
        Self {
            edge,
            fe01,
            _wire: wire,
            servers,
        }
    }

    /// The reason of the next handshake in that direction.
    async fn reason(&self, mark: usize, direction: &str) -> String {
        let log = &self.edge.log;
        let of = |e: &Value| e["direction"] == direction;
        let event = tokio::select! {
            accepted = log.wait_after(mark, "handshake_accepted", of) => accepted.unwrap(),
            refused = log.wait_after(mark, "handshake_refused", of) => refused.unwrap(),
        };
        assert!(
            event["decision"].is_string(),
            "not from trust::decide: {event}"
        );
        event["reason"].as_str().unwrap_or_default().to_owned()
    }

    async fn inbound(&self, server: &Server) -> String {
        let mark = self.edge.log.mark();
        // Whether the refusal shows here or later is TLS's affair; the edge's log is what is judged.
        let _wire = server.dial(self.edge.address, EDGE).await;
        self.reason(mark, "inbound").await
    }

    async fn outbound(&self, case: &Case, server: &Server) -> String {
        let mark = self.edge.log.mark();
        let uri = format!("sip:x@{}", case.domain());
        let sent = self.fe01.message(&uri, "hi").send().await.unwrap();
        let reason = self.reason(mark, "outbound").await;
        if case.outbound == TrustReason::Accepted {
            let got = server.expect("MESSAGE").await.unwrap();
            server.reply(&got, 200).await.unwrap();
            self.fe01.answer(&sent, 200).await.unwrap();
        } else {
            self.fe01.final_answer(&sent).await.unwrap();
            assert!(
                server.untaken().await.is_empty(),
                "{} got something",
                case.says
            );
        }
        reason
    }
}

impl Case {
    fn domain(&self) -> String {
        format!("d-{}", self.fqdn)
    }
}

#[tokio::test]
pub(crate) async fn every_reason_is_given_over_real_handshakes_in_both_directions() {
    let matrix = Matrix::new().await;
    let mut provoked = HashSet::new();
    let mut wrong = Vec::new();
    for (case, server) in &matrix.servers {
        // Out first: what the peer's own connection would prove is not to be reused.
        let outbound = matrix.outbound(case, server).await;
        let inbound = matrix.inbound(server).await;
        let wanted = (case.inbound.code(), case.outbound.code());
        if wanted != (inbound.as_str(), outbound.as_str()) {
            wrong.push(format!(
                "{}: wanted {wanted:?}, got {:?}",
                case.says,
                (inbound, outbound)
            ));
        }
        provoked.extend([case.inbound, case.outbound]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> = TrustReason::ALL
        .iter()
        .filter(|r| !provoked.contains(r) && ELSEWHERE.iter().all(|(e, _)| e != *r))
        .collect();
    assert!(idle.is_empty(), "no handshake provokes {idle:?}");
    matrix.edge.stop().await;
}

#[test]
fn what_is_provoked_elsewhere_stands_there() {
    for (reason, file) in ELSEWHERE {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let named = text.contains(&format!("TrustReason::{reason:?}"))
            || text.contains(&format!("\"{}\"", reason.code()));
        assert!(named, "{file} does not mention {reason}");
    }
}
