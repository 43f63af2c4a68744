//! Start-ups that are refused, and what stands in the way of the state directory.
use crate::harness::{Edge, Lab, World};

pub(super) async fn why_the_daemon_does_not_start_is_a_code() {
    let world = World::new().await;
    let taken = world.edge.address.to_string();
    let lab = Lab::new();
    let mut topology = lab.site.topology(&[], None);
    topology.section("[node]").text("fqnd", "x");
    for (change, reason) in [(false, "topology_faults"), (true, "listen_failed")] {
        if change {
            topology = world.topology.clone();
            topology.section("[[listener]]").text("address", &taken);
        }
        let site = if change { &world.lab.site } else { &lab.site };
        let file = site.write("second.toml", &topology.to_toml()).unwrap();
        let (code, log) = Edge::refuses_to_start(&file);
        assert_ne!(code, Some(0));
        let refused = log.named("start_refused");
        assert_eq!(refused[0]["reason"], reason, "{refused:?}");
    }
    world.stop().await;
}
