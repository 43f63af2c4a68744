//! Rows of the matrix: validity, purposes, windows and pins.
use super::*;

pub(super) fn times(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let old = LeafSpec {
        not_before: -7_200,
        not_after: -3_600,
        ..LeafSpec::server(FE01)
    };
    let young = LeafSpec {
        not_before: 3_600,
        not_after: 7_200,
        ..LeafSpec::server(FE01)
    };
    for (says, issuer, spec, reason) in [
        ("expired", &cas.issuing, &old, R::Expired),
        ("not yet valid", &cas.issuing, &young, R::NotYetValid),
        (
            "expired and of an unknown CA",
            &cas.stranger,
            &old,
            R::UnknownIssuer,
        ),
        (
            "expired and of the partner's CA",
            &cas.fabrikam,
            &old,
            R::AnchorNotForPeer,
        ),
        (
            "not yet valid and of an unknown CA",
            &cas.stranger,
            &young,
            R::UnknownIssuer,
        ),
    ] {
        rows.add(says, &issuer.issue(spec).unwrap().chain, FE01, both(reason));
    }
    let old_ca = AuthoritySpec {
        not_before: -9_000,
        not_after: -60,
        ..AuthoritySpec::named("Old Issuing")
    };
    let young_ca = AuthoritySpec {
        not_before: 60,
        ..AuthoritySpec::named("Young Issuing")
    };
    for (says, ca, root, reason) in [
        (
            "below an expired intermediate",
            &old_ca,
            &cas.enterprise,
            R::Expired,
        ),
        (
            "below an intermediate to come",
            &young_ca,
            &cas.enterprise,
            R::NotYetValid,
        ),
        (
            "below a stranger's expired intermediate",
            &old_ca,
            &cas.stranger,
            R::UnknownIssuer,
        ),
    ] {
        let ca = root.subordinate_with(ca.clone()).unwrap();
        rows.add(says, &ca.server(FE01).unwrap().chain, FE01, both(reason));
    }
    let good = cas.issuing.server(FE01).unwrap();
    for (says, seconds, reason) in [
        ("later than its end", 91 * 86_400, R::Expired),
        ("before its begin", -7_200, R::NotYetValid),
    ] {
        rows.add_at(says, &good.chain, FE01, later(seconds), both(reason));
    }
}

pub(super) fn purposes(rows: &mut Rows, cas: &Cas) {
    use TrustReason::{Accepted as Yes, EkuUnsuitable as No};
    use Usage::{Any, Client, CodeSigning, Email, OcspSigning, Server, SipDomain};
    // Usages, then (inbound, outbound) for a default peer and for a strict one.
    let (no, yes) = ((No, No), (Yes, Yes));
    let table: [(&[Usage], Both, Both); 10] = [
        (&[], (Yes, Yes), (Yes, Yes)),
        (&[Server], (Yes, Yes), (No, Yes)),
        (&[Client], (Yes, No), (Yes, No)),
        (&[Server, Client], (Yes, Yes), (Yes, Yes)),
        (&[Any], (Yes, Yes), (Yes, Yes)),
        (&[SipDomain], (Yes, Yes), (Yes, Yes)),
        (&[CodeSigning], (No, No), (No, No)),
        (&[Email], (No, No), (No, No)),
        (&[OcspSigning], (No, No), (No, No)),
        (&[CodeSigning, Server], (Yes, Yes), (No, Yes)),
    ];
    for (usages, default, strict) in table {
        for (name, reasons) in [(EDGE, default), (STRICT, strict)] {
            let spec = LeafSpec {
                usages: usages.to_vec(),
                ..LeafSpec::server(name)
            };
            let leaf = cas.fabrikam.issue(&spec).unwrap();
            rows.add("usages of a leaf", &leaf.chain, name, reasons);
            let spec = AuthoritySpec {
                usages: usages.to_vec(),
                ..AuthoritySpec::named("Purposeful CA")
            };
            let ca = cas.fabrikam.subordinate_with(spec).unwrap();
            let leaf = ca.server(name).unwrap();
            // The leaf is for serverAuth and clientAuth: with a CA for sipDomain alone it has no purpose in common.
            let common = if usages == [SipDomain] { no } else { reasons };
            rows.add("usages of an intermediate", &leaf.chain, name, common);
            let spec = LeafSpec {
                usages: Vec::new(),
                ..LeafSpec::server(name)
            };
            let silent = ca.issue(&spec).unwrap();
            rows.add(
                "usages of an intermediate alone",
                &silent.chain,
                name,
                reasons,
            );
        }
    }
    // One purpose for the whole path: a CA for servers does not make clients, nor the other way round.
    for (above, below) in [(Server, Client), (Client, Server)] {
        let spec = AuthoritySpec {
            usages: vec![above],
            ..AuthoritySpec::named("Purposeful CA")
        };
        let ca = cas.fabrikam.subordinate_with(spec).unwrap();
        for (usages, reasons) in [(vec![below], no), (vec![Any, CodeSigning], yes)] {
            let spec = LeafSpec {
                usages,
                ..LeafSpec::server(EDGE)
            };
            let leaf = ca.issue(&spec).unwrap();
            let reasons = match (above, reasons.0) {
                (Client, Yes) => (Yes, No),
                _ => reasons,
            };
            rows.add("a purpose of the leaf alone", &leaf.chain, EDGE, reasons);
        }
    }
    let spec = LeafSpec {
        encipher_only: true,
        ..LeafSpec::server(FE01)
    };
    rows.add(
        "a key that may not sign",
        &cas.enterprise.issue(&spec).unwrap().chain,
        FE01,
        both(TrustReason::KeyUsageUnsuitable),
    );
}

/// Windows of peers and trust sets, and pins.
pub(super) fn staged(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let window = |not_before, not_after| Window {
        not_before,
        not_after,
    };
    let (past, to_come) = (later(-60).as_secs(), later(60).as_secs());
    let open = window(Some(past), Some(to_come));
    let before = Rc::clone(&rows.generation);
    let good = cas.enterprise.server(FE01).unwrap();
    for (says, peer, set, pins, reason) in [
        ("in every window", open, open, vec![], R::Accepted),
        (
            "a peer to come",
            window(Some(to_come), None),
            open,
            vec![],
            R::PeerNotYetActive,
        ),
        (
            "a peer of the past",
            window(None, Some(past)),
            open,
            vec![],
            R::PeerNoLongerActive,
        ),
        (
            "a set to come",
            open,
            window(Some(to_come), None),
            vec![],
            R::TrustNotYetActive,
        ),
        (
            "a set of the past",
            open,
            window(None, Some(past)),
            vec![],
            R::TrustNoLongerActive,
        ),
        (
            "another key than the pins",
            open,
            open,
            vec![Pin([7; 32])],
            R::PinMismatch,
        ),
    ] {
        let world = World::default()
            .trust("enterprise-ca", &[&cas.enterprise])
            .with_set(|s| s.window = set)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .with(|p| {
                p.window = peer;
                p.pins = pins;
            });
        rows.generation = Rc::new(world.generation());
        rows.add(says, &good.chain, FE01, both(reason));
    }
    rows.generation = before;
}
