//! Names that an entry covers besides its own.
use super::*;

/// The good topology with a second partner; both get these lines.
fn faults(first: &str, second: &str) -> Vec<String> {
    let lab = Lab::new();
    let own = format!("[\"fabrikam.test\"]\n{first}");
    let more = format!(
        "[[peer]]\nfqdn = \"edge2.fabrikam.test\"\nkind = \"federated\"\ndomains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\n{second}\n[[pool]]"
    );
    let text = edited(&[("[\"fabrikam.test\"]", &own), ("[[pool]]", &more)]);
    let faults = lab.load(&text).err().unwrap_or_default();
    let codes = faults.iter().map(|fault| fault.code.to_string());
    codes.collect()
}

#[test]
fn a_name_that_two_entries_cover_or_list_must_mean_one_party() {
    let none: [&str; 0] = [];
    for (first, second) in [
        (
            "covers = [\"*.region.test\"]",
            "covers = [\"*.region.test\"]",
        ),
        ("covers = [\"*.fabrikam.test\"]", ""),
        (
            "covers = [\"a.region.test\"]",
            "covers = [\"b.region.test\"]\nsips = false",
        ),
    ] {
        assert_eq!(faults(first, second), none, "{first} {second}");
    }
    for (first, second) in [
        (
            "covers = [\"*.region.test\"]",
            "covers = [\"*.region.test\"]\nsips = false",
        ),
        (
            "covers = [\"*.region.test\"]",
            "covers = [\"*.eu.region.test\"]\nsips = false",
        ),
        (
            "covers = [\"*.region.test\"]",
            "covers = [\"a.region.test\"]\nsips = false",
        ),
        ("covers = [\"*.fabrikam.test\"]", "sips = false"),
        ("covers = [\"edge2.fabrikam.test\"]", "sips = false"),
    ] {
        assert_eq!(
            faults(first, second),
            ["covers_not_permitted"],
            "{first} {second}"
        );
    }
}

#[test]
fn a_star_covers_all_below_it_and_a_name_itself() {
    let lab = Lab::new();
    let covers = "[\"fabrikam.test\"]\ncovers = [\"*.Region.test\", \"one.other.test.\"]\naddress = [\"10.0.0.9:5071\"]";
    let topology = lab.good(&edited(&[("[\"fabrikam.test\"]", covers)]));
    let peer = topology.peer_by_name("edge.fabrikam.test").unwrap();
    let peer = topology.peer(peer);
    for (name, covered) in [
        ("a.region.test", true),
        ("a.b.region.test", true),
        ("region.test", false),
        ("aregion.test", false),
        ("one.other.test", true),
        ("two.one.other.test", false),
        ("edge.fabrikam.test", false),
    ] {
        assert_eq!(peer.covers_name(name), covered, "{name}");
    }
    assert_eq!(peer.port(), 5071);
}
