//! What a command does with a topology grows as the topology does, and not faster: counted in looks at names, not in time.
use crate::cli::check::CheckCommand;
use crate::daemon::PlanEffects;
use crate::proxy::{AdvertisedNames, HealthBoard, Tables};
use crate::topology::{self, Direction, Topology, looks};
use crate::trust::{Generation, Presented, decide};
use rustls_pki_types::UnixTime;
use sipward_lab::site::Site;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A home server and so many partners with two domains each; `voice` names the second one.
fn text(site: &Site, partners: usize, voice: &str) -> String {
    site.with_partners((0..partners).map(|number| (format!("partner{number}"), voice)))
}

/// Looks at names that each step takes, with its name.
#[expect(
    clippy::disallowed_methods,
    reason = "a starting point for a clock that does not matter"
)]
fn looks_with(site: &Site, partners: usize) -> Vec<(&'static str, u64)> {
    let at = UnixTime::now();
    let old = site
        .write("old.toml", &text(site, partners, "voice"))
        .unwrap();
    let new = site
        .write("new.toml", &text(site, partners, "video"))
        .unwrap();
    let load = |path: &Path| -> Topology { topology::load(path, at).unwrap() };
    let (loading, before) = looks::during(|| load(&old));
    let build = |topology| Arc::new(Generation::build(1, topology, at).unwrap());
    let (building, after) = looks::during(|| build(load(&new)));
    let (comparing, changes) = looks::during(|| before.changes(after.topology()));
    assert_eq!(changes.len(), 3 * partners, "a peer and two domains each");
    let (planning, plan) = looks::during(|| PlanEffects::between(&before, &after));
    assert_eq!(plan.lost_domains.len(), partners);
    let names = AdvertisedNames {
        peers: String::new(),
        clients: String::new(),
        addresses: Vec::new(),
    };
    let board = HealthBoard::new(Instant::now());
    let (tables, _) = looks::during(|| Tables::new(Arc::clone(&after), &names, &board));
    let check = CheckCommand {
        file: old,
        socket: Some(site.path().join("nobody.sock")),
        ..CheckCommand::default()
    };
    let (checking, good) = looks::during(|| check.run(at, &mut Vec::new()).unwrap());
    assert!(good);
    vec![
        ("load", loading),
        ("build", building),
        ("changes", comparing),
        ("plan", planning),
        ("tables", tables),
        ("check", checking),
    ]
}

#[test]
fn ten_times_the_partners_are_ten_times_the_work() {
    let site = Site::new().unwrap();
    let (few, many) = (looks_with(&site, 50), looks_with(&site, 500));
    for ((step, few), (_, many)) in few.into_iter().zip(many) {
        assert!(few > 0, "{step} is not counted");
        assert!(many <= 12 * few, "{step}: {few} looks become {many}");
    }
}

#[test]
fn a_certificate_is_held_against_the_entries_that_it_can_mean_however_many_there_are() {
    let site = Site::new().unwrap();
    let at = UnixTime::now();
    let names = ["fe01.contoso.test", "stranger.test"];
    let looks_of = |partners| {
        let file = site.write("topology.toml", &text(&site, partners, "voice"));
        let topology = topology::load(&file.unwrap(), at).unwrap();
        let generation = Generation::build(1, topology, at).unwrap();
        let decided = names.map(|name| {
            let chain = site.enterprise.server(name).unwrap().chain;
            let presented = Presented::inbound(&chain);
            // The first question makes the table that all share.
            let _ = decide(&presented, Direction::Inbound, &generation, at);
            looks::during(|| decide(&presented, Direction::Inbound, &generation, at).is_ok())
        });
        assert_eq!(decided.map(|(_, accepted)| accepted), [true, false]);
        decided.map(|(looks, _)| looks)
    };
    assert_eq!(looks_of(20), looks_of(200));
}
