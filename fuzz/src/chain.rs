//! Certificates and OCSP responses of strangers: what holds for any octets in their place.
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::topology::{self, Direction};
use sipward::trust::{Generation, Presented, Verdict, decide, explain};
use sipward_lab::ocsp::OcspSpec;
use sipward_lab::pki::{AuthoritySpec, LeafSpec, Usage};
use sipward_lab::site::{HOME, PARTNER_EDGE, Site};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

struct Stage {
    generation: Arc<Generation>,
    /// What the authorities issued, listed or not, valid or not: a leaf each, and the CAs between it and the anchor.
    chains: Vec<Vec<CertificateDer<'static>>>,
    /// A good OCSP response about the first.
    staple: Vec<u8>,
    at: UnixTime,
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let at = UnixTime::now();
        let site = Site::new().unwrap();
        let fe01 = format!("fe01.{HOME}");
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 5061));
        let mut text = site.topology(&[(&fe01, anywhere)], Some(anywhere));
        text.section("[[trust]]").text("revocation", "off");
        let file = site.write("topology.toml", &text.to_toml()).unwrap();
        let topology = topology::load(&file, at).unwrap();
        let first = site.enterprise.server(&fe01).unwrap();
        let staple = site.enterprise.ocsp(&OcspSpec::good(&first)).unwrap();
        let many = LeafSpec {
            uris: vec![format!("sip:{HOME}"), format!("sip:alice@{HOME}")],
            dns: vec![format!("*.{HOME}"), fe01.clone()],
            ..LeafSpec::server(&fe01)
        };
        let late = LeafSpec {
            not_after: -60,
            ..LeafSpec::server(&fe01)
        };
        let bound = AuthoritySpec {
            permitted: vec![HOME.to_owned()],
            path_length: Some(0),
            usages: vec![Usage::Server, Usage::Client],
            ..AuthoritySpec::named("Bound CA")
        };
        let bound = site.enterprise.subordinate_with(bound).unwrap();
        let issued = [
            first,
            site.fabrikam.server(PARTNER_EDGE).unwrap(),
            site.fabrikam.server(&fe01).unwrap(),
            site.enterprise.issue(&many).unwrap(),
            site.enterprise.issue(&late).unwrap(),
            bound.server(&fe01).unwrap(),
            bound.issue(&many).unwrap(),
        ];
        Stage {
            generation: Arc::new(Generation::build(1, topology, at).unwrap()),
            chains: issued.iter().map(|i| i.chain.clone()).collect(),
            staple,
            at,
        }
    })
}

/// Alters octets: triples of a place (two octets) and an exclusive or.
fn altered(octets: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % octets.len();
        octets[at] ^= change[2];
    }
    octets
}

/// The first octet says what the rest is: a certificate, several with their lengths, changes to a good one, or to an OCSP
/// response. Only what an authority issued, untouched, is accepted, and the explanation says the same as the decision.
pub fn chain(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    let stage = stage();
    let base = &stage.chains[usize::from(control >> 3) % stage.chains.len()];
    let mut staple = Vec::new();
    let chain: Vec<CertificateDer<'_>> = match control & 3 {
        0 => {
            // The last certificate, a CA's where there is one, or the leaf.
            let mut chain = base.clone();
            let at = if rest.len() % 2 == 0 {
                chain.len() - 1
            } else {
                0
            };
            chain[at] = altered(&chain[at], rest).into();
            chain
        }
        1 => vec![rest.to_vec().into()],
        2 => rest
            .split(|octet| *octet == 0xff)
            .map(|part| part.to_vec().into())
            .collect(),
        _ => {
            staple = match control & 0x80 {
                0 => altered(&stage.staple, rest),
                _ => rest.to_vec(),
            };
            base.clone()
        }
    };
    let dialled = stage.generation.topology().peer_refs().next();
    let inbound = Presented::inbound(&chain);
    let outbound = Presented::outbound(&chain, dialled.unwrap().0).with_staple(&staple);
    for (presented, direction) in [
        (inbound, Direction::Inbound),
        (outbound, Direction::Outbound),
    ] {
        let decided = decide(&presented, direction, &stage.generation, stage.at);
        let decision = match &decided {
            Ok(peer) => peer.decision(),
            Err(decision) => decision,
        };
        assert_eq!(decided.is_ok(), decision.verdict == Verdict::Accept);
        if decided.is_ok() {
            assert!(stage.chains.contains(&chain), "an altered certificate");
        }
        let texts = decision
            .names
            .iter()
            .chain(&decision.subjects)
            .chain(&decision.detail);
        for text in texts {
            assert!(text.len() < 4_096, "{} octets of text", text.len());
        }
        if control & 4 != 0 {
            let told = explain(&presented, direction, &stage.generation, stage.at);
            assert_eq!(told.reason, decision.reason.code());
            assert_eq!(told.is_accepted(), decided.is_ok());
            let shown = told.to_string();
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
