//! Identities and the listeners that show them.
use super::*;
use rustls_pki_types::UnixTime;

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
        [
            "certificate_not_yet_valid",
            "duplicate_sni",
            "duplicate_sni"
        ]
    );
    // For each of its two names.
    assert_eq!(codes(staged("twin", turn - 60)), ["duplicate_sni"; 2]);
    assert_eq!(codes(staged("twin", turn + 60)), ["identity_gap"]);
    // Another name takes nobody's place.
    assert_eq!(codes(staged("other", turn)), ["identity_gap"]);
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
