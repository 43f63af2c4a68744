//! Several tenants at one partner: what tells their entries and pools apart.
use super::*;

/// The good topology with a second entry for the partner, and a pool for each of the two with these callers.
fn tenants(lines: &str, callers: [&str; 2]) -> String {
    let identity = format!(
        "{}\n[[identity]]\nname = \"b\"\ncertificate = \"other.chain.pem\"\nprivate_key = \"other.key.pem\"",
        "private_key = \"edge.key.pem\""
    );
    let twin = format!(
        "[[peer]]\nname = \"B.tenant\"\nfqdn = \"edge.fabrikam.test\"\nidentity = \"b\"\nadvertise = \"sip.contoso.test\"\n\
         kind = \"federated\"\ndomains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\n{lines}\n"
    );
    let pool = |name: &str, callers: &str, peer: &str| {
        format!(
            "[[pool]]\nname = \"{name}\"\ndomains = [\"fabrikam.test\"]\nfrom_domains = [\"{callers}\"]\npeers = [\"{peer}\"]\n"
        )
    };
    let pools = pool("a", callers[0], "edge.fabrikam.test") + &pool("b", callers[1], "b.tenant");
    let home = "domains = [\"contoso.test\", \"sip.contoso.test\"]\n";
    edited(&[
        (IDENTITY_END, &identity),
        ("domains = [\"contoso.test\"]\n", home),
        (
            "domains = [\"contoso.test\"]\npeers",
            "domains = [\"contoso.test\", \"sip.contoso.test\"]\npeers",
        ),
        (
            "[[pool]]\nname = \"front-end\"",
            &format!("{twin}{pools}[[pool]]\nname = \"front-end\""),
        ),
    ])
}

fn codes(text: &str) -> Vec<String> {
    let faults = Lab::new().load(text).err().unwrap_or_default();
    faults.iter().map(|fault| fault.code.to_string()).collect()
}

#[test]
fn two_entries_with_one_fqdn_are_found_by_their_names() {
    let lab = Lab::new();
    let topology = lab.good(&tenants("", ["contoso.test", "sip.contoso.test"]));
    let one = topology.peer_by_name("edge.fabrikam.test").unwrap();
    let other = topology.peer_by_name("b.tenant").unwrap();
    assert_eq!(topology.peers_called("edge.fabrikam.test"), [one, other]);
    let [one, other] = [one, other].map(|peer| topology.peer(peer));
    assert_eq!(topology.announced_to(one).as_str(), "edge01.contoso.test");
    assert_eq!(topology.announced_to(other).as_str(), "sip.contoso.test");
    assert_ne!(one.terms(), other.terms());
    assert_eq!(one.partner_terms(), other.partner_terms());
    let own: Vec<_> = topology.own_names().map(|name| name.as_str()).collect();
    assert_eq!(own, ["edge01.contoso.test", "sip.contoso.test"]);
    // No pool is implied beside those that are written.
    assert_eq!(topology.pools().len(), 3);
}

#[test]
fn pools_of_one_domain_serve_different_callers() {
    let callers = ["contoso.test", "contoso.test"];
    assert_eq!(codes(&tenants("", callers)), ["domain_routed_twice"]);
    let text = tenants("", ["contoso.test", "sip.contoso.test"]);
    assert_eq!(codes(&text), [""; 0]);
    let more = "domains = [\"fabrikam.test\", \"x.fabrikam.test\"]\nfrom_domains = [\"sip.";
    let text = text.replace(
        "domains = [\"fabrikam.test\"]\nfrom_domains = [\"sip.",
        more,
    );
    let wider = "domains = [\"fabrikam.test\", \"x.fabrikam.test\"]\ntrust";
    let text = text.replace("domains = [\"fabrikam.test\"]\ntrust", wider);
    assert_eq!(codes(&text), ["domain_routed_twice"]);
}

#[test]
fn a_name_that_both_cover_is_the_same_partner() {
    let covers = "covers = [\"*.region.test\"]";
    let with = |lines: &str| {
        let text = tenants(lines, ["contoso.test", "sip.contoso.test"]);
        text.replace(
            "fqdn = \"edge.fabrikam.test\"\nkind",
            &format!("fqdn = \"edge.fabrikam.test\"\n{covers}\nkind"),
        )
    };
    assert_eq!(codes(&with(covers)), [""; 0]);
    let other = format!("{covers}\nsips = false");
    assert!(codes(&with(&other)).contains(&"covers_not_permitted".to_owned()));
}

#[test]
fn an_identity_is_shown_where_the_partner_comes_in() {
    let text = tenants("", ["contoso.test", "sip.contoso.test"]);
    let text = text.replace("identity = \"edge\"\n", "identity = \"edge\"\nsni = []\n");
    let found = codes(&text);
    assert!(
        found == ["identity_without_advertise"] || found == ["empty_list"],
        "{found:?}"
    );
}
