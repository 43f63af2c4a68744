//! Commands about entries that go by names of their own: several tenants at one partner.
use crate::harness::SOON;
use crate::harness::observed::sipward;
use crate::tenants::{ENTRIES, NAMES, Tenants};
use serde_json::{Value, json};
use sipward_lab::site::PARTNER_EDGE;
use sipward_lab::{Data, NameServer};

/// A name that both entries cover.
const REGION: &str = "eu.region.test";

impl Tenants {
    /// `sipward COMMAND...` on the topology file.
    async fn offline(&self, command: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let file = self.lab.site.path().join("topology.toml");
        let mut arguments = vec![command.to_owned()];
        arguments.extend(["--config".to_owned(), file.display().to_string()]);
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        let run = move || {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            sipward(&words)
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    async fn offline_json(&self, command: &str, more: &[&str]) -> (Option<i32>, Value) {
        let more = [more, &["--json"]].concat();
        let (code, text, error) = self.offline(command, &more).await;
        let value = serde_json::from_str(&text);
        (code, value.unwrap_or_else(|_| panic!("{text}{error}")))
    }
}

#[tokio::test]
async fn kick_closes_the_connections_of_the_named_entry_alone() {
    let mut world = Tenants::new(|_| {}).await;
    let wires = [world.wire(0).await, world.wire(1).await];
    // Nobody is meant by the name that both prove, and nobody is denied.
    for more in [&[][..], &["--for", "1h"]] {
        let (code, text) = world
            .edge
            .command_text(&[&["kick", PARTNER_EDGE][..], more].concat())
            .await;
        assert_eq!((code, text.as_str()), (Some(2), ""));
    }
    let (_, denials) = world.edge.command(&["deny", "list"]).await;
    assert_eq!(denials, json!([]));
    assert!(wires.iter().all(|wire| wire.is_live()));
    let (code, kicked) = world.edge.command(&["kick", "TEAMS-A."]).await;
    assert_eq!((code, &kicked["connections"]), (Some(0), &json!(1)));
    wires[0].ended(SOON).await.unwrap();
    assert!(wires[1].is_live());
    // Denied for a time, by the entry's name.
    let again = world.wire(0).await;
    let denied = ["kick", ENTRIES[0], "--for", "1h"];
    let (code, kicked) = world.edge.command(&denied).await;
    assert_eq!(code, Some(0), "{kicked}");
    assert_eq!(kicked["denied"]["peer"], ENTRIES[0], "{kicked}");
    again.ended(SOON).await.unwrap();
    assert_eq!(world.refused_at(0).await, "denied");
    let other = world.wire(1).await;
    assert!(other.is_live());
    // A call rings at an entry that a reload takes out: its connections are that peer's still.
    let target = format!("sip:+49301@{}", NAMES[1]);
    let call = world.partner.invite(&target).on(&wires[1]);
    let _call = call.send().await.unwrap();
    world.rings(1).await;
    world.topology.remove("[[peer]]", "name", ENTRIES[1]);
    world.topology.remove("[[pool]]", "name", ENTRIES[1]);
    let text = world.topology.to_toml();
    world.lab.site.write("topology.toml", &text).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    other.ended(SOON).await.unwrap();
    assert!(wires[1].is_live());
    let (code, kicked) = world.edge.command(&["kick", ENTRIES[1]]).await;
    assert_eq!((code, kicked), (Some(0), json!({"connections": 1})));
    wires[1].ended(SOON).await.unwrap();
    world.edge.stop().await;
}

#[tokio::test]
async fn what_selects_by_peer_takes_the_entrys_name() {
    let world = Tenants::new(|_| {}).await;
    let level = |peer: &'static str| ["log-level", "all", "--peer", peer, "--for", "1m"];
    let (code, set) = world.edge.command(&level(ENTRIES[0])).await;
    assert_eq!(code, Some(0), "{set}");
    for command in [
        &level(PARTNER_EDGE)[..],
        &["trace", "--peer", PARTNER_EDGE, "--for", "1s"],
    ] {
        let (code, text) = world.edge.command_text(command).await;
        assert_ne!(code, Some(0), "{command:?}: {text}");
    }
    world.edge.stop().await;
}

#[tokio::test]
async fn probe_names_the_entry_that_it_tries_and_takes_another() {
    let names = NameServer::start().unwrap();
    let server = names.address().to_string();
    let world = Tenants::new(|topology| {
        for entry in ENTRIES {
            let entry = topology.find("[[peer]]", "name", entry).unwrap();
            entry.list("covers", &["*.region.test"]);
        }
        let dns = topology.section("[dns]");
        dns.list("servers", &[&server]).text("timeout", "3s");
    })
    .await;
    let address = world.partner.address().ip();
    names.set(REGION, 60, &[Data::Address(address)]);
    for entry in ENTRIES {
        for asked in [&[entry][..], &[PARTNER_EDGE, "--peer", entry]] {
            let answers = async {
                let ping = world.partner.expect("OPTIONS").await.unwrap();
                world.partner.reply(&ping, 200).await.unwrap();
                std::future::pending().await
            };
            let (_, report) = tokio::select! {
                probed = world.offline_json("probe", asked) => probed,
                () = answers => unreachable!(),
            };
            assert_eq!(report["peer"], entry);
            assert_eq!(report["identity"], entry);
            assert_eq!(report["sni"], PARTNER_EDGE);
            assert_eq!(report["also_covered_by"], Value::Null);
            let shown = &report["addresses"][0]["we_showed"]["identity"];
            assert_eq!(shown, entry, "{report}");
        }
    }
    // The name that both prove is nobody's, and a slip no other's.
    for asked in [
        &[PARTNER_EDGE][..],
        &[REGION, "--peer", "teams-c"],
        &["other.test", "--peer", ENTRIES[0]],
    ] {
        let (code, text, error) = world.offline("probe", asked).await;
        assert_eq!((code, text.as_str()), (Some(2), ""), "{asked:?}");
        let named = ENTRIES.iter().any(|entry| error.contains(entry));
        assert!(named || error.contains("teams-c"), "{error}");
    }
    // Of a name that both cover the first is tried, and the page says so.
    let (_, report) = world.offline_json("probe", &[REGION]).await;
    assert_eq!(report["peer"], ENTRIES[0]);
    assert_eq!(report["also_covered_by"], json!([ENTRIES[1]]));
    let (_, page, _) = world.offline("probe", &[REGION]).await;
    let words = "covered by teams-b, too: --peer NAME names another";
    assert!(page.contains(words), "{page}");
    let second = [REGION, "--peer", ENTRIES[1]];
    let (code, report) = world.offline_json("probe", &second).await;
    assert_eq!((code, &report["sni"]), (Some(1), &json!(REGION)));
    assert_eq!(report["identity"], ENTRIES[1]);
    let at = &report["addresses"][0];
    assert_eq!(at["reason"], "name_mismatch", "{report}");
    world.edge.stop().await;
}

#[tokio::test]
async fn explain_takes_an_entry_by_its_name_and_what_it_is_shown() {
    let world = Tenants::new(|topology| {
        for entry in ENTRIES {
            let entry = topology.find("[[peer]]", "name", entry).unwrap();
            entry.list("covers", &["*.region.test"]);
        }
    })
    .await;
    let fabrikam = &world.lab.site.fabrikam;
    let own = fabrikam.server(PARTNER_EDGE).unwrap();
    let region = fabrikam.server(REGION).unwrap();
    for (name, issued) in [("own.pem", &own), ("region.pem", &region)] {
        world.lab.site.write(name, &issued.chain_pem).unwrap();
    }
    let file = |name| world.lab.site.path().join(name).display().to_string();
    let [own, region] = ["own.pem", "region.pem"].map(file);
    for (says, file, more, code, reason, peer) in [
        (
            "shown a",
            &own,
            &["--identity", "teams-a"][..],
            0,
            "accepted",
            "teams-a",
        ),
        (
            "shown b",
            &own,
            &["--identity", "teams-b"],
            0,
            "accepted",
            "teams-b",
        ),
        ("unknown", &own, &[], 1, "ambiguous_identity", ""),
        (
            "nobody's",
            &own,
            &["--identity", "edge"],
            1,
            "ambiguous_identity",
            "",
        ),
        (
            "dialled",
            &own,
            &["--peer", "teams-b"],
            0,
            "accepted",
            "teams-b",
        ),
        (
            "of another tenant",
            &own,
            &[
                "--peer",
                "teams-a",
                "--as",
                "inbound",
                "--identity",
                "teams-b",
            ],
            1,
            "accepted",
            "teams-b",
        ),
        (
            "covered",
            &region,
            &["--peer", REGION],
            0,
            "accepted",
            "teams-a",
        ),
        (
            "covered by both",
            &region,
            &["--peer", "teams-b", "--name", REGION],
            0,
            "accepted",
            "teams-b",
        ),
    ] {
        let asked = [&["--cert", file][..], more].concat();
        let (got, said) = world.offline_json("explain", &asked).await;
        assert_eq!(
            (got, &said["reason"]),
            (Some(code), &json!(reason)),
            "{says}"
        );
        assert_eq!(said["peer"].as_str().unwrap_or_default(), peer, "{says}");
    }
    asks_for_nobody(&world, &own).await;
    world.edge.stop().await;
}

/// What cannot be asked: a name that several have, one that is not covered, and an entry that is not there.
async fn asks_for_nobody(world: &Tenants, own: &str) {
    for (more, words) in [
        (
            &["--peer", PARTNER_EDGE][..],
            "it is the fqdn of teams-a, teams-b",
        ),
        (
            &["--peer", "teams-a", "--name", "x.test"],
            "nor in its `covers`",
        ),
        (&["--peer", "teams-c", "--name", REGION], "no [[peer]]"),
    ] {
        let asked = [&["--cert", own][..], more].concat();
        let (code, text, error) = world.offline("explain", &asked).await;
        assert_eq!((code, text.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(words), "{error}");
    }
}
