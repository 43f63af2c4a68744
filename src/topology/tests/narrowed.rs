//! Whatever another file grants less is told of, key by key; what it grants more is not.
use super::{GOOD, Lab, edited};
use crate::topology::Topology;

/// What a plan tells of two files.
fn narrowed(old: &Topology, new: &Topology) -> Vec<String> {
    let mut said = old.grants().narrowed(&new.grants());
    said.extend(old.vouching().narrowed(&new.vouching()));
    said
}

#[test]
fn every_key_that_grants_less_is_told_of_and_the_way_back_is_not() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let listener = "accept = [\"client\", \"peer\"]";
    let partner = "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]";
    for (from, to, says) in [
        (
            listener,
            "accept = [\"peer\"]",
            "listener edge: no longer takes clients",
        ),
        (
            listener,
            "accept = [\"client\"]",
            "listener edge: no longer takes peers",
        ),
        (
            listener,
            "accept = [\"client\", \"peer\"]\nclient_certificates = \"refuse\"",
            "listener edge: from now on clients may show no certificate",
        ),
        (
            listener,
            "accept = [\"client\", \"peer\"]\nproxy_protocol = [\"10.0.0.0/24\"]",
            "listener edge: from now on 10.0.0.0/24 must send the PROXY protocol",
        ),
        (
            "handshakes = 100",
            "handshakes = 99",
            "limits: handshakes 100 becomes 99",
        ),
        (
            "handshakes = 100",
            "handshakes = 100\nhead_bytes = \"16KiB\"",
            "limits: head_bytes 32KiB becomes 16KiB",
        ),
        (
            "scope = \"leaf\"",
            "scope = \"chain\"",
            "trust fabrikam-ca: from now on intermediates need a CRL, too",
        ),
        (
            "revocation = { grace = \"6h\" }",
            "revocation = { grace = \"1h\" }",
            "trust fabrikam-ca: revocation 6h becomes 1h",
        ),
        (
            "kind = \"federated\"\ndomains = [\"fabrikam.test\"]",
            "kind = \"federated\"\ndomains = [\"fabrikam.example\"]",
            "peer edge.fabrikam.test: no longer speaks for fabrikam.test",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"enterprise-ca\"]",
            "peer edge.fabrikam.test: no longer is vouched for by fabrikam-ca",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\npurpose = \"strict\"",
            "peer edge.fabrikam.test: from now on it needs more than serverAuth to connect",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\nsips = false",
            "peer edge.fabrikam.test: from now on it takes no sips URIs",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\ndeny = [\"secret.test\"]",
            "peer edge.fabrikam.test: from now on it may not name secret.test",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\nfields = { require_in = [\"P-Asserted-Identity\"] }",
            "peer edge.fabrikam.test: from now on it owes P-Asserted-Identity",
        ),
        (
            partner,
            "domains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\nnot_after = \"2099-01-01T00:00:00Z\"",
            "peer edge.fabrikam.test: counts until 2099-01-01T00:00:00Z",
        ),
        (
            "[log]",
            "[boundary]\ndeny_domains = [\"evil.test\"]\n[log]",
            "boundary: from now on nobody may name evil.test",
        ),
    ] {
        let new = lab.good(&edited(&[(from, to)]));
        assert_eq!(narrowed(&old, &new), [says], "{to}");
        let back = narrowed(&new, &old);
        let symmetric = ["speaks for", "vouched", "PROXY protocol"];
        let symmetric = symmetric.iter().any(|part| says.contains(part));
        assert!(back.is_empty() || symmetric, "{to}: {back:?}");
    }
}

#[test]
fn a_peer_of_another_kind_another_anchor_and_another_token_key_are_told_of() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let federated = lab.good(&edited(&[(
        "fqdn = \"fe02.contoso.test\"\nkind = \"home\"",
        "fqdn = \"fe02.contoso.test\"\nkind = \"federated\"\ndomains = [\"x.test\"]",
    ), (
        "peers = [\"fe01.contoso.test\", \"fe02.contoso.test\"]\nstrategy = \"weighted\"\nweights = { \"fe02.contoso.test\" = 3 }",
        "peers = [\"fe01.contoso.test\"]",
    )]));
    let said = narrowed(&old, &federated);
    let expected = "peer fe02.contoso.test: no longer is a home server".to_owned();
    assert!(said.contains(&expected), "{said:?}");

    let random = lab.good(&edited(&[("[tokens]\nkey_file = \"tokens\"\n", "")]));
    let said = narrowed(&old, &random);
    assert!(
        said.len() == 2
            && said
                .iter()
                .all(|s| s.starts_with("tokens: no longer know key ")),
        "{said:?}"
    );
    let key = "ab".repeat(4);
    assert!(!said.iter().any(|s| s.contains(&key)), "a key is shown");

    let anchor = std::fs::read_to_string(lab.path("enterprise-ca.pem")).unwrap();
    let partners = std::fs::read_to_string(lab.path("fabrikam-ca.pem")).unwrap();
    lab.write("enterprise-ca.pem", &partners);
    let swapped = lab.good(GOOD);
    lab.write("enterprise-ca.pem", &anchor);
    let said = narrowed(&old, &swapped);
    assert!(
        said.len() == 1
            && said[0].starts_with("trust enterprise-ca: no longer has the anchor CN=Contoso Root"),
        "{said:?}"
    );
}
