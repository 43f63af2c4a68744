//! Callers and domains over the daemon: anonymous ones and what is asserted of them, services, addresses for domains, and
//! clients that know nothing of Path.
use crate::harness::World;
use sipward_lab::site::{PARTNER, PARTNER_EDGE};

const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

#[tokio::test]
async fn an_anonymous_partner_asserts_a_number_and_no_name_of_ours() {
    let world = World::with(|t| {
        let partner = t.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner
            .raw("anonymous", "true")
            .list("domains", &[PARTNER, "*.fabrikam.test"]);
    })
    .await;
    let wire = world.dial(&world.partner).await;
    for (asserted, arrives) in [
        (
            "<tel:+4930123>, <sip:alice@contoso.test>",
            Some("<tel:+4930123>"),
        ),
        (
            "<sip:eve@eu.fabrikam.test>",
            Some("<sip:eve@eu.fabrikam.test>"),
        ),
        ("<sip:alice@contoso.test>", None),
    ] {
        let draft = world.partner.message("sip:bob@contoso.test", "hi");
        let draft = draft.from(ANONYMOUS).on(&wire);
        let draft = draft.header("P-Asserted-Identity", asserted);
        let sent = draft.header("Privacy", "id").send().await.unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.header("p-asserted-identity"), arrives);
        world.fe01.reply(&got, 200).await.unwrap();
        world.partner.answer(&sent, 200).await.unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn an_anonymous_partner_is_refused_by_default_and_its_ping_is_answered() {
    let world = World::new().await;
    let wire = world.dial(&world.partner).await;
    let draft = world.partner.message("sip:bob@contoso.test", "hi");
    let sent = draft.from(ANONYMOUS).on(&wire).send().await.unwrap();
    world.partner.answer(&sent, 403).await.unwrap();
    world.refused("from_not_allowed").await;
    for from in [ANONYMOUS, "sip:dispatcher@localhost", "sip:10.0.0.9"] {
        let ping = world.partner.request("OPTIONS", "sip:edge01.contoso.test");
        let sent = ping.from(from).on(&wire).send().await.unwrap();
        world.partner.answer(&sent, 200).await.unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn an_emergency_call_goes_to_the_home_pool() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sent = alice
        .request("MESSAGE", "urn:service:sos.fire")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.uri(), Some("urn:service:sos.fire"));
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world.stop().await;
}

/// As behind 1:1 NAT: clients and partners know the public address.
#[tokio::test]
async fn an_address_is_a_home_domain() {
    let world = World::with(|t| {
        t.section("[node]")
            .list("domains", &["contoso.test", "203.0.113.5"]);
        t.section("[[pool]]")
            .list("domains", &["contoso.test", "203.0.113.5"]);
    })
    .await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@203.0.113.5:5061", "hi")
        .from("sip:alice@203.0.113.5")
        .header("Route", "<sip:203.0.113.5;transport=tls;lr>")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.header("route"), None);
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let wire = world.dial(&world.partner).await;
    let ping = world.partner.request("OPTIONS", "sip:203.0.113.5:5061");
    let sent = ping.on(&wire).send().await.unwrap();
    world.partner.answer(&sent, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_knows_nothing_of_path_registers_with_a_registrar_that_insists_on_it() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let mut register = alice.register().build();
    register
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("supported"));
    let sent = alice.draft(register).send().await.unwrap();
    let got = world.fe01.expect("REGISTER").await.unwrap();
    assert_eq!(got.message.header("supported"), Some("path"));
    let path = got.message.header("path").unwrap().to_owned();
    let mut ok = world.fe01.answering(&got, 200).build();
    ok.push("Path", &path);
    world.fe01.draft(ok).on(&got.wire).send().await.unwrap();
    let answer = alice.answer(&sent, 200).await.unwrap();
    assert_eq!(answer.message.header("path"), None);
    world.stop().await;
}
