//! Clients that show a certificate: passed over, required, refused, and judged again at a reload.
use crate::harness::tls::{VERSIONS, client_config, shake};
use crate::harness::{Edge, Lab, World};
use sipward_lab::pki::{Authority, Issued, LeafSpec, Usage};
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Stream = TlsStream<TcpStream>;

fn phone(name: &str) -> LeafSpec {
    LeafSpec {
        common_name: Some("SEP0011AABBCCDD".to_owned()),
        dns: vec![name.to_owned()],
        usages: vec![Usage::Client],
        ..LeafSpec::default()
    }
}

/// Connects and asks for something that a client gets answered; `None`: it did not come so far.
async fn comes_in(lab: &Lab, edge: &Edge, shown: Option<&Issued>) -> Option<Stream> {
    let config = client_config(VERSIONS[1], &lab.roots, shown);
    let mut stream = shake(config, edge.address, EDGE).await.ok()?;
    let request = "OPTIONS sip:contoso.test SIP/2.0\r\n\
        Via: SIP/2.0/TLS client.invalid;branch=z9hG4bKcc\r\nMax-Forwards: 0\r\n\
        From: <sip:a@contoso.test>;tag=1\r\nTo: <sip:contoso.test>\r\nCall-ID: cc\r\n\
        CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer[..length])
        .starts_with("SIP/2.0 483")
        .then_some(stream)
}

#[tokio::test]
async fn a_partners_wrong_certificate_stays_out_where_a_phones_is_passed_over() {
    let world = World::new().await;
    let (lab, edge) = (&world.lab, &world.edge);
    let maker = Authority::root("Phone Maker Manufacturing CA").unwrap();
    let factory = maker.issue(&phone("phone.maker.test")).unwrap();
    assert!(comes_in(lab, edge, Some(&factory)).await.is_some());
    let accepted = world
        .logged("handshake_accepted", |e| {
            e["reason"] == "client_certificate_ignored"
        })
        .await;
    assert_eq!(accepted["verdict"], "client");
    assert!(accepted["peer"].is_null(), "{accepted}");
    // What the log names can be asked for.
    let explained = edge
        .explain(accepted["decision"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(explained.now.verdict, "client");
    assert_eq!(explained.now.listener.as_deref(), Some("edge"));

    for (shown, reason) in [
        (maker.server(PARTNER_EDGE).unwrap(), "unknown_issuer"),
        // The right CA, somebody else's name; the right name, another CA of ours.
        (
            lab.site.fabrikam.server("other.fabrikam.test").unwrap(),
            "not_in_topology",
        ),
        (
            lab.site.enterprise.server(PARTNER_EDGE).unwrap(),
            "anchor_not_for_peer",
        ),
        (
            maker.issue(&phone("*.fabrikam.test")).unwrap(),
            "wildcard_not_allowed",
        ),
        (
            lab.site
                .enterprise
                .issue(&phone("phone.maker.test"))
                .unwrap(),
            "not_in_topology",
        ),
    ] {
        let mark = edge.log.mark();
        assert!(
            comes_in(lab, edge, Some(&shown)).await.is_none(),
            "{reason}"
        );
        let refused = edge
            .log
            .wait_after(mark, "handshake_refused", |_| true)
            .await
            .unwrap();
        assert_eq!(refused["reason"], reason);
    }
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_reload_that_names_a_clients_certificate_closes_its_connection() {
    let mut world = World::new().await;
    let maker = Authority::root("Phone Maker Manufacturing CA").unwrap();
    let named = maker.issue(&phone("sbc.northwind.test")).unwrap();
    let other = maker.issue(&phone("phone.maker.test")).unwrap();
    let mut first = comes_in(&world.lab, &world.edge, Some(&named))
        .await
        .unwrap();
    let mut second = comes_in(&world.lab, &world.edge, Some(&other))
        .await
        .unwrap();
    world
        .reload_with(|topology| {
            topology
                .add("[[peer]]")
                .text("fqdn", "sbc.northwind.test")
                .text("kind", "federated")
                .list("domains", &["northwind.test"])
                .list("trust", &["fabrikam-ca"]);
        })
        .await;
    let withdrawn = world.logged("trust_withdrawn", |_| true).await;
    assert_eq!(withdrawn["reason"], "unknown_issuer");
    assert!(withdrawn["peer"].is_null(), "{withdrawn}");
    assert!(!withdrawn["decision"].is_null() && !withdrawn["new_decision"].is_null());
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());

    // Whoever refuses them by then refuses them all; who has shown none stays.
    let alice = world.client("alice").await;
    let mark = world.edge.log.mark();
    world
        .reload_with(|topology| {
            let listener = topology.section("[[listener]]");
            listener.text("client_certificates", "refuse");
        })
        .await;
    world
        .edge
        .log
        .wait_after(mark, "trust_withdrawn", |_| true)
        .await
        .unwrap();
    second.read_to_end(&mut rest).await.unwrap();
    let log = world.stop().await;
    assert_eq!(log.named("trust_withdrawn").len(), 2);
    drop(alice);
}

#[tokio::test]
pub(crate) async fn where_certificates_are_required_a_client_without_one_stays_out() {
    let lab = Lab::new();
    let phones = Authority::root("Contoso Phones CA").unwrap();
    lab.site
        .write("phones-ca.pem", &phones.certificate_pem())
        .unwrap();
    let mut world = World::in_lab(lab, |topology| {
        topology
            .add("[[trust]]")
            .text("name", "phones")
            .text("anchors", "phones-ca.pem")
            .text("revocation", "off");
        topology
            .section("[[listener]]")
            .text("client_certificates", "require")
            .list("client_trust", &["phones"]);
    })
    .await;
    let maker = Authority::root("Phone Maker Manufacturing CA").unwrap();
    let ours = phones.issue(&phone("phone17.contoso.test")).unwrap();
    let stream = comes_in(&world.lab, &world.edge, Some(&ours)).await;
    assert!(stream.is_some());
    let accepted = world
        .logged("handshake_accepted", |e| {
            e["reason"] == "client_certificate_trusted"
        })
        .await;
    assert_eq!(accepted["trust"], "phones");
    for (shown, reason) in [
        (None, "no_certificate"),
        (
            Some(maker.issue(&phone("phone.maker.test")).unwrap()),
            "client_certificate_untrusted",
        ),
        (
            Some(phones.server("fe01.contoso.test").unwrap()),
            "anchor_not_for_peer",
        ),
    ] {
        let mark = world.edge.log.mark();
        assert!(
            comes_in(&world.lab, &world.edge, shown.as_ref())
                .await
                .is_none()
        );
        let log = &world.edge.log;
        let refused = log
            .wait_after(mark, "handshake_refused", |_| true)
            .await
            .unwrap();
        assert_eq!(refused["reason"], reason);
    }
    // Peers come in as before.
    let wire = world.dial(&world.fe01).await;
    world
        .logged("handshake_accepted", |e| {
            e["peer"] == "fe01.contoso.test" && e["direction"] == "inbound"
        })
        .await;
    drop(wire);

    // The plan says it before the reload does it.
    world
        .topology
        .section("[[listener]]")
        .text("client_certificates", "ignore")
        .without("client_trust");
    world
        .lab
        .site
        .write(
            "next.toml",
            &world.topology.to_toml().replace(
                "fabrikam-ca\"\nanchors",
                "fabrikam-ca\"\nscope = \"chain\"\nanchors",
            ),
        )
        .unwrap();
    let next = world.lab.site.path().join("next.toml");
    let (code, plan) = world.edge.command(&["plan", next.to_str().unwrap()]).await;
    assert_eq!(plan["dropped_clients"]["edge"], 1, "{plan}");
    assert_eq!(code, Some(4));
    world.stop().await;
}
