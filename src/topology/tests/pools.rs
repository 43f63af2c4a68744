//! Pools: explicit, implied, drained and in groups.
use super::*;
use crate::topology::ClientPath;

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
fn a_pool_says_what_stands_for_a_client_without_a_connection() {
    let lab = Lab::new();
    let usual = lab.good(&edited(&[(POOL_END, "")]));
    assert_eq!(usual.pools()[0].flow_status, 430);
    let other = lab.good(&edited(&[(POOL_END, "flow_status = 480")]));
    assert_eq!(other.pools()[0].flow_status, 480);
    let said = usual.changes(&other).join("; ");
    assert!(said.contains("flow_status"), "{said}");
}

#[test]
fn a_pool_says_how_its_registrars_learn_the_way_to_a_client() {
    let lab = Lab::new();
    let usual = lab.good(&edited(&[(POOL_END, "")]));
    assert_eq!(usual.pools()[0].path, ClientPath::Path);
    let other = lab.good(&edited(&[(POOL_END, "path = \"contact\"")]));
    assert_eq!(other.pools()[0].path, ClientPath::Contact);
    let said = usual.changes(&other).join("; ");
    assert!(said.contains("path") && said.contains("contact"), "{said}");
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
