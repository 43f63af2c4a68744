//! The verifiers inside rustls: real handshakes in memory, both directions, and the alerts that end them.
use super::{World, listener};
use crate::topology::{Accept, ClientCertificates, PeerKind};
use crate::trust::{Generation, InboundVerifier, ListenerTrust, OutboundVerifier, TrustReason};
use rustls::{AlertDescription, ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use sipward_lab::pki::{Authority, Issued, LeafSpec, self_signed};
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";
const NODE: &str = "edge01.contoso.test";

struct Lab {
    root: Authority,
    generation: Arc<Generation>,
}

fn lab() -> Lab {
    let root = Authority::root("Contoso Root").unwrap();
    // To each other both ends are peers: one lab serves both directions.
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(NODE, PeerKind::Home, &["enterprise-ca"])
        .generation();
    Lab {
        root,
        generation: Arc::new(generation),
    }
}

/// A listener that refuses what speaks for no peer.
fn listening(lab: &Lab, accept: Accept) -> Arc<ListenerTrust> {
    let listener = listener(accept, ClientCertificates::Refuse);
    ListenerTrust::new(&lab.generation, &listener, Arc::default())
}

/// The verifier of one handshake with it.
fn inbound(lab: &Lab, accept: Accept) -> Arc<InboundVerifier> {
    listening(lab, accept).verifier(None)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// How both ends finished.
struct Ends {
    server: Result<(), rustls::Error>,
    client: Result<(), rustls::Error>,
}

/// Shows a chain and signs with a key, whether they belong together or not.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl Shows {
    fn new(chain: &Issued, key: &Issued) -> Arc<Self> {
        let key = provider()
            .key_provider
            .load_private_key(key.key.clone_key());
        let key = rustls::sign::CertifiedKey::new(chain.chain.clone(), key.unwrap());
        Arc::new(Self(Arc::new(key)))
    }
}

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// Both ends over memory until nothing moves; `shown` is the client's certificate.
fn shake(
    lab: &Lab,
    version: &'static rustls::SupportedProtocolVersion,
    inbound: &Arc<InboundVerifier>,
    outbound: &Arc<OutboundVerifier>,
    shown: Option<&Issued>,
    server: &Issued,
) -> Ends {
    let shows = shown.map(|issued| Shows::new(issued, issued));
    shake_showing(lab, version, inbound, outbound, shows, server)
}

fn shake_showing(
    lab: &Lab,
    version: &'static rustls::SupportedProtocolVersion,
    inbound: &Arc<InboundVerifier>,
    outbound: &Arc<OutboundVerifier>,
    shown: Option<Arc<Shows>>,
    server: &Issued,
) -> Ends {
    let versions = [version];
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)
        .unwrap()
        .with_client_cert_verifier(Arc::clone(inbound) as Arc<_>)
        .with_single_cert(server.chain.clone(), server.key.clone_key())
        .unwrap();
    let mut serving = ServerConnection::new(Arc::new(config)).unwrap();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(outbound) as Arc<_>);
    let config = match shown {
        Some(shows) => builder.with_client_cert_resolver(shows),
        None => builder.with_no_client_auth(),
    };
    let name = NODE.try_into().unwrap();
    let mut calling = ClientConnection::new(Arc::new(config), name).unwrap();
    assert_eq!(lab.generation.number(), 7);
    let mut ends = Ends {
        server: Ok(()),
        client: Ok(()),
    };
    for _ in 0..10 {
        let mut wire = Vec::new();
        while calling.wants_write() {
            calling.write_tls(&mut wire).unwrap();
        }
        let mut read = wire.as_slice();
        while !read.is_empty() && ends.server.is_ok() {
            serving.read_tls(&mut read).unwrap();
            ends.server = serving.process_new_packets().map(|_| ());
        }
        let mut wire = Vec::new();
        while serving.wants_write() {
            serving.write_tls(&mut wire).unwrap();
        }
        let mut read = wire.as_slice();
        while !read.is_empty() && ends.client.is_ok() {
            calling.read_tls(&mut read).unwrap();
            ends.client = calling.process_new_packets().map(|_| ());
        }
    }
    ends
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

#[test]
fn two_peers_prove_themselves_to_each_other() {
    let lab = lab();
    let node = lab.root.server(NODE).unwrap();
    let peer = lab.root.server(FE01).unwrap();
    let dialled = lab.generation.topology().peer_by_name(NODE).unwrap();
    for version in VERSIONS {
        let inbound = inbound(&lab, Accept::Peers);
        let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
        let ends = shake(&lab, version, &inbound, &outbound, Some(&peer), &node);
        assert_eq!((ends.server, ends.client), (Ok(()), Ok(())));
        let came = inbound.take().unwrap().unwrap();
        assert_eq!(came.decision().peer_name.as_deref(), Some(FE01));
        let reached = outbound.take().unwrap().unwrap();
        assert_eq!(reached.peer(), dialled);
        assert!(inbound.take().is_none() && outbound.take().is_none());
    }
}

#[test]
fn a_client_without_a_certificate_stays_only_where_clients_may() {
    let lab = lab();
    let node = lab.root.server(NODE).unwrap();
    let dialled = lab.generation.topology().peer_by_name(NODE).unwrap();
    for (accept, stays) in [
        (Accept::Clients, true),
        (Accept::Both, true),
        (Accept::Peers, false),
    ] {
        let inbound = inbound(&lab, accept);
        let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
        let ends = shake(
            &lab,
            &rustls::version::TLS13,
            &inbound,
            &outbound,
            None,
            &node,
        );
        assert_eq!(ends.server.is_ok(), stays, "{accept:?}");
        assert!(inbound.take().is_none());
        if !stays {
            assert_eq!(ends.server, Err(rustls::Error::NoCertificatesPresented));
            let alert = TrustReason::NoCertificate.alert().unwrap();
            assert_eq!(ends.client, Err(rustls::Error::AlertReceived(alert)));
        }
    }
}

#[test]
fn a_refused_certificate_ends_the_handshake_with_its_alert_and_is_no_client() {
    let lab = lab();
    let node = lab.root.server(NODE).unwrap();
    let dialled = lab.generation.topology().peer_by_name(NODE).unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let expired = lab
        .root
        .issue(&LeafSpec {
            not_after: -60,
            ..LeafSpec::server(FE01)
        })
        .unwrap();
    for (shown, reason, alert) in [
        (
            lab.root.server("evil.test").unwrap(),
            TrustReason::NotInTopology,
            AlertDescription::AccessDenied,
        ),
        (
            stranger.server(FE01).unwrap(),
            TrustReason::UnknownIssuer,
            AlertDescription::UnknownCA,
        ),
        (
            expired,
            TrustReason::Expired,
            AlertDescription::CertificateExpired,
        ),
    ] {
        for version in VERSIONS {
            let inbound = inbound(&lab, Accept::Both);
            let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
            let ends = shake(&lab, version, &inbound, &outbound, Some(&shown), &node);
            assert!(ends.server.is_err());
            assert_eq!(ends.client, Err(rustls::Error::AlertReceived(alert)));
            assert_eq!(inbound.take().unwrap().unwrap_err().reason, reason);
        }
    }
}

/// What a client is told that shows a chain and signs with a key.
fn told(
    lab: &Lab,
    version: &'static rustls::SupportedProtocolVersion,
    shows: &Arc<Shows>,
) -> (AlertDescription, Option<TrustReason>) {
    let node = lab.root.server(NODE).unwrap();
    let dialled = lab.generation.topology().peer_by_name(NODE).unwrap();
    let inbound = inbound(lab, Accept::Both);
    let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
    let shown = Some(Arc::clone(shows));
    let ends = shake_showing(lab, version, &inbound, &outbound, shown, &node);
    let Err(rustls::Error::AlertReceived(alert)) = ends.client else {
        panic!("{:?}", ends.client);
    };
    (
        alert,
        inbound.take().and_then(Result::err).map(|d| d.reason),
    )
}

#[test]
fn a_stranger_is_told_the_same_whether_a_name_is_listed_or_not() {
    let lab = lab();
    let stranger = Authority::root("Stranger Root").unwrap();
    // One that bears the name of our CA.
    let impostor = lab.root.impostor().unwrap();
    let unlisted = "fe09.contoso.test";
    let mut reasons = std::collections::HashSet::new();
    for name in [FE01, unlisted] {
        let plain = LeafSpec::server(name);
        for spec in [
            plain.clone(),
            LeafSpec {
                not_after: -60,
                ..plain.clone()
            },
            LeafSpec {
                not_before: 60,
                ..plain.clone()
            },
            LeafSpec {
                authority: true,
                ..plain.clone()
            },
            LeafSpec {
                unknown_critical: true,
                ..plain.clone()
            },
            LeafSpec {
                encipher_only: true,
                ..plain.clone()
            },
            LeafSpec {
                usages: vec![sipward_lab::pki::Usage::Email],
                ..plain.clone()
            },
            LeafSpec {
                dns: Vec::new(),
                ..plain.clone()
            },
            LeafSpec {
                dns: vec!["*.contoso.test".to_owned()],
                ..plain.clone()
            },
            LeafSpec {
                uris: vec![format!("sip:{name}")],
                ..plain.clone()
            },
            LeafSpec {
                dns: vec![FE01.to_owned(), NODE.to_owned()],
                ..plain.clone()
            },
        ] {
            for issued in [
                stranger.issue(&spec).unwrap(),
                impostor.issue(&spec).unwrap(),
                self_signed(&spec).unwrap(),
            ] {
                for version in VERSIONS {
                    let (alert, reason) = told(&lab, version, &Shows::new(&issued, &issued));
                    assert_eq!(alert, AlertDescription::UnknownCA, "{reason:?} {spec:?}");
                    reasons.insert(reason);
                }
            }
        }
    }
    assert!(reasons.len() > 5, "the log tells them apart: {reasons:?}");
}

#[test]
fn who_shows_a_certificate_without_its_key_is_told_that_and_no_more() {
    let lab = lab();
    let stranger = Authority::root("Stranger Root").unwrap();
    let own = stranger.server("evil.test").unwrap();
    let spec = LeafSpec::server(FE01);
    let shown = [
        lab.root.server(FE01).unwrap(),
        lab.root.server("fe09.contoso.test").unwrap(),
        lab.root
            .issue(&LeafSpec {
                not_after: -60,
                ..spec.clone()
            })
            .unwrap(),
        lab.root
            .issue(&LeafSpec {
                encipher_only: true,
                ..spec
            })
            .unwrap(),
        stranger.server(FE01).unwrap(),
        stranger.server("fe09.contoso.test").unwrap(),
    ];
    for copied in &shown {
        for version in VERSIONS {
            let (alert, _) = told(&lab, version, &Shows::new(copied, &own));
            assert_eq!(alert, AlertDescription::DecryptError);
        }
    }
}

/// Both ends of a handshake in TLS 1.2 up to the client's flight with the certificate, one record an entry.
fn until_the_certificate(
    lab: &Lab,
    inbound: &Arc<InboundVerifier>,
    shown: &Issued,
) -> (ServerConnection, Vec<Vec<u8>>) {
    let node = lab.root.server(NODE).unwrap();
    let dialled = lab.generation.topology().peer_by_name(NODE).unwrap();
    let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
    let versions = [&rustls::version::TLS12];
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)
        .unwrap()
        .with_client_cert_verifier(Arc::clone(inbound) as Arc<_>)
        .with_single_cert(node.chain.clone(), node.key.clone_key())
        .unwrap();
    let mut serving = ServerConnection::new(Arc::new(config)).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(outbound as Arc<_>)
        .with_client_cert_resolver(Shows::new(shown, shown));
    let name = NODE.try_into().unwrap();
    let mut calling = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut wire = Vec::new();
    calling.write_tls(&mut wire).unwrap();
    serving.read_tls(&mut wire.as_slice()).unwrap();
    serving.process_new_packets().unwrap();
    let mut wire = Vec::new();
    while serving.wants_write() {
        serving.write_tls(&mut wire).unwrap();
    }
    let mut read = wire.as_slice();
    while !read.is_empty() {
        calling.read_tls(&mut read).unwrap();
        calling.process_new_packets().unwrap();
    }
    let mut wire = Vec::new();
    while calling.wants_write() {
        calling.write_tls(&mut wire).unwrap();
    }
    let mut records = Vec::new();
    let mut rest = wire.as_slice();
    while let [_, _, _, high, low, ..] = rest {
        let (record, after) = rest.split_at(5 + usize::from(u16::from_be_bytes([*high, *low])));
        records.push(record.to_vec());
        rest = after;
    }
    (serving, records)
}

fn feed(serving: &mut ServerConnection, records: &[u8]) -> Result<(), rustls::Error> {
    serving.read_tls(&mut &*records).unwrap();
    serving.process_new_packets().map(|_| ())
}

/// All orders in which the steps of two handshakes can follow each other; `true`: the first one's turn.
fn interleavings(first: usize, second: usize) -> Vec<Vec<bool>> {
    match (first, second) {
        (0, n) => vec![vec![false; n]],
        (n, 0) => vec![vec![true; n]],
        (first, second) => {
            let turns = |turn, rest: Vec<Vec<bool>>| {
                let turns = rest.into_iter();
                turns.map(move |rest| [vec![turn], rest].concat())
            };
            turns(true, interleavings(first - 1, second))
                .chain(turns(false, interleavings(first, second - 1)))
                .collect()
        }
    }
}

#[test]
fn handshakes_of_one_listener_have_their_own_verdicts_in_whatever_order_they_are_polled() {
    let lab = lab();
    let stranger = Authority::root("Stranger Root").unwrap();
    let good = lab.root.server(FE01).unwrap();
    let bad = stranger.server(FE01).unwrap();
    let other = lab.root.server(NODE).unwrap();
    let listener = listening(&lab, Accept::Both);
    let expected = |shown: &Issued| {
        if std::ptr::eq(shown, &bad) {
            return Err(TrustReason::UnknownIssuer);
        }
        Ok(if std::ptr::eq(shown, &good) {
            FE01
        } else {
            NODE
        })
    };
    let mut orders = 0;
    for (first, second) in [(&good, &bad), (&good, &other), (&bad, &bad)] {
        for order in interleavings(3, 3) {
            orders += 1;
            let mut ends: Vec<_> = [first, second]
                .map(|shown| {
                    let verifier = listener.verifier(None);
                    let (serving, records) = until_the_certificate(&lab, &verifier, shown);
                    let [certificate, exchange, signature, change, finished] =
                        records.try_into().unwrap();
                    let steps = [
                        certificate,
                        [exchange, signature].concat(),
                        [change, finished].concat(),
                    ];
                    (verifier, serving, steps.into_iter(), Ok(()))
                })
                .into();
            for turn in &order {
                let (_, serving, steps, ended) = &mut ends[usize::from(!turn)];
                let step = steps.next().unwrap();
                if ended.is_ok() {
                    *ended = feed(serving, &step);
                }
            }
            for ((verifier, serving, _, ended), shown) in ends.iter().zip([first, second]) {
                let verdict = verifier.take().unwrap();
                let who = verdict.map(|came| came.decision().peer_name.clone().unwrap());
                let who = who.as_deref().map_err(|refused| refused.reason);
                assert_eq!(who, expected(shown), "{order:?}");
                assert_eq!(ended.is_err(), who.is_err(), "{order:?}");
                assert_eq!(serving.is_handshaking(), who.is_err(), "{order:?}");
            }
        }
    }
    assert_eq!(orders, 3 * 20);
}

#[test]
fn a_server_that_is_not_the_dialled_peer_is_refused() {
    let lab = lab();
    let peer = lab.root.server(FE01).unwrap();
    let dialled = lab.generation.topology().peer_by_name(FE01).unwrap();
    let node = lab.root.server(NODE).unwrap();
    for version in VERSIONS {
        let inbound = inbound(&lab, Accept::Both);
        let outbound = OutboundVerifier::noting(&lab.generation, dialled, Arc::default());
        // The name in SNI is the server's, and does not help.
        let ends = shake(&lab, version, &inbound, &outbound, Some(&peer), &node);
        assert_eq!(ends.client, Err(TrustReason::NameMismatch.tls_error()));
        let alert = AlertDescription::AccessDenied;
        assert_eq!(ends.server, Err(rustls::Error::AlertReceived(alert)));
        assert_eq!(
            outbound.take().unwrap().unwrap_err().reason,
            TrustReason::NameMismatch
        );
        assert!(inbound.take().is_none());
    }
}

#[test]
fn a_listener_for_clients_asks_for_no_certificate() {
    use rustls::server::danger::ClientCertVerifier as _;
    let lab = lab();
    let of = |accept| inbound(&lab, accept);
    assert!(!of(Accept::Clients).offer_client_auth());
    assert!(of(Accept::Both).offer_client_auth());
    assert!(!of(Accept::Both).client_auth_mandatory());
    assert!(of(Accept::Peers).client_auth_mandatory());
    assert!(of(Accept::Peers).root_hint_subjects().is_empty());
    let schemes = of(Accept::Peers).supported_verify_schemes();
    assert!(!schemes.contains(&rustls::SignatureScheme::RSA_PKCS1_SHA1));
    assert!(!schemes.contains(&rustls::SignatureScheme::ECDSA_SHA1_Legacy));
}
