//! Peers that have a name only, and no address for it.
use crate::harness::{World, message_passes};
use sipward_lab::NameServer;

const FE01: &str = "fe01.contoso.test";

/// A world whose fe01 is found by this name server; a request that cannot go there goes to fe02.
async fn without_fe01(names: &NameServer, connect_timeout: &str) -> String {
    let world = World::with(|t| {
        if let Some(peer) = t.find("[[peer]]", "fqdn", FE01) {
            peer.without("address");
        }
        let server = names.address().to_string();
        t.section("[dns]")
            .list("servers", &[&server])
            .text("timeout", "1s");
        t.section("[limits]")
            .text("connect_timeout", connect_timeout);
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe02).await;
    let down = world
        .logged("peer_disconnected", |e| e["peer"] == FE01)
        .await;
    let reason = down["reason"].as_str().unwrap().to_owned();
    world.stop().await;
    reason
}

pub(super) async fn why_a_name_leads_to_no_address_is_told_apart() {
    let names = NameServer::start().unwrap();
    names.set(FE01, 60, &[]);
    assert_eq!(without_fe01(&names, "5s").await, "no_address");
    names.set_silent(true);
    assert_eq!(without_fe01(&names, "20s").await, "lookup_failed");
    assert_eq!(without_fe01(&names, "500ms").await, "lookup_timeout");
}
