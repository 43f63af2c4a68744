//! Staged trust and expectations in the running daemon: what blocks a reload, and what is only told.
use crate::harness::World;
use sipward_lab::site::PARTNER_EDGE;

#[tokio::test]
async fn an_expectation_that_fails_blocks_the_reload_and_changes_nothing() {
    let mut world = World::new().await;
    let stranger = world.lab.site.enterprise.server("evil.test").unwrap();
    let expecting = |world: &mut World, verdict: &'static str| {
        let section = world.topology.add("[[expect]]");
        section
            .text("certificate", "evil.chain.pem")
            .text("as", "inbound")
            .text("verdict", verdict);
    };
    stranger.write_to(world.lab.site.path(), "evil").unwrap();
    expecting(&mut world, "refuse");
    let held = world.reload_with(|_| {}).await;
    assert_eq!(
        (&held["result"], &held["generation"]),
        (&"ok".into(), &2.into()),
        "{held}"
    );
    expecting(&mut world, "accept");
    let blocked = world.reload_with(|t| {
        t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
    });
    let blocked = blocked.await;
    assert_eq!(
        (&blocked["result"], &blocked["generation"]),
        (&"refused".into(), &2.into())
    );
    let details = blocked["details"].to_string();
    assert!(
        details.contains("expectation_failed") && details.contains("not_in_topology"),
        "{details}"
    );
    // The old generation serves: the partner that the refused file had taken out still gets in.
    world.dial(&world.partner).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn an_observed_peer_gets_in_and_the_log_tells_what_would_have_refused_it() {
    let mut world = World::new().await;
    let event = world
        .reload_with(|t| {
            let peer = t.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
            peer.text("stage", "observe");
            peer.list("pins", &["07".repeat(32).as_str()]);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    let mark = world.edge.log.mark();
    world.dial(&world.partner).await;
    let told = world
        .edge
        .log
        .wait_after(mark, "would_refuse", |_| true)
        .await
        .unwrap();
    assert_eq!(
        (&told["reason"], &told["peer"]),
        (&"pin_mismatch".into(), &PARTNER_EDGE.into())
    );
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .starts_with("the leaf's key is "),
        "{told}"
    );
    world.stop().await;
}
