//! `config/asterisk.toml` as it is shipped, with a real Asterisk behind it and phones in front.
use crate::harness::{
    Asterisk, Certificates, EDGE, Edge, Event, Mark, Phone, Program, Stage, Target, establish,
    free_port,
};
use sipward_lab::{
    Client, Dialog, EdgeTarget, End, Received, Server, ServerSpec, Transcript, Wire,
};
use std::net::SocketAddr;

const NEEDS: &[Program] = &[Program::Asterisk];
const PBX: &str = "pbx.contoso.test";
const PARTNER: &str = "edge.fabrikam.test";

/// The edge, the PBX, and what a phone must know.
struct Scene {
    edge: Edge,
    pbx: Asterisk,
    face: EdgeTarget,
    certificates: Certificates,
    _stage: Stage,
}

impl Scene {
    fn raise() -> Option<Self> {
        Self::raise_for(NEEDS)
    }

    fn raise_for(needs: &[Program]) -> Option<Self> {
        let stage = Stage::enter(needs)?;
        let certificates = Certificates::new();
        let port = free_port();
        let edge = Edge::start_shipped(&certificates, "asterisk.toml", &[(PBX, port)]);
        let pair = certificates.server(PBX);
        let pbx = Asterisk::start(&certificates, &pair, port, edge.port());
        let face = EdgeTarget {
            address: SocketAddr::from(([127, 0, 0, 1], edge.port())),
            name: EDGE.to_owned(),
            roots: certificates.roots(),
            transcript: Transcript::new(),
        };
        Some(Self {
            edge,
            pbx,
            face,
            certificates,
            _stage: stage,
        })
    }

    /// A phone that Asterisk has registered.
    async fn phone(&self, user: &str) -> Client {
        let aor = format!("sip:{user}@contoso.test");
        let phone = Client::connect(&self.face, user, &aor).await.unwrap();
        let sent = phone.register().send().await.unwrap();
        let ok = phone.answer(&sent, 200).await.unwrap();
        assert_eq!(ok.message.contact().as_deref(), Some(phone.contact()));
        phone
    }

    /// The partner's edge, connected; the one who calls there has a name that a user here has as well.
    async fn partner(&self) -> (Server, Wire) {
        let partner = Server::start(&ServerSpec {
            party: "fabrikam",
            fqdn: PARTNER,
            aor: "sip:alice@fabrikam.test",
            identity: &self.certificates.partner(PARTNER),
            roots: &self.certificates.roots(),
            transcript: &self.face.transcript,
            listen: None,
        })
        .await
        .unwrap();
        let wire = partner.dial(self.face.address, EDGE).await.unwrap();
        (partner, wire)
    }
}

/// One calls, the other takes it; gives both sides of what are two dialogs with Asterisk.
async fn call(caller: &End, callee: &End, user: &str) -> (Dialog, Dialog) {
    let sent = caller
        .invite(&format!("sip:{user}@contoso.test"))
        .send()
        .await
        .unwrap();
    let invite = callee.expect("INVITE").await.unwrap();
    callee.reply(&invite, 180).await.unwrap();
    let theirs = callee.accept(&invite).await.unwrap();
    callee.expect("ACK").await.unwrap();
    let ok = caller.answer(&sent, 200).await.unwrap();
    (caller.ack(&sent, &ok).await.unwrap(), theirs)
}

/// One hangs up, the other hears of it.
async fn hang_up(from: &End, dialog: &mut Dialog, to: &End) {
    let bye = from.bye(dialog).await.unwrap();
    from.answer(&bye, 200).await.unwrap();
    let got = to.expect("BYE").await.unwrap();
    to.reply(&got, 200).await.unwrap();
}

fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let (_, after) = value.split_once(&format!(";{name}=")).unwrap();
    after.split(';').next().unwrap()
}

#[tokio::test]
async fn asterisk_phones_register_and_call_each_other_and_either_hangs_up() {
    let Some(scene) = Scene::raise() else { return };
    let (alice, bob) = (scene.phone("alice").await, scene.phone("bob").await);
    let (mut ours, _) = call(&alice, &bob, "bob").await;
    hang_up(&alice, &mut ours, &bob).await;
    let (_, mut theirs) = call(&bob, &alice, "alice").await;
    hang_up(&alice, &mut theirs, &bob).await;
    // It is one peer, whoever of the two connected.
    let of_pbx = |e: &Event| e.text("peer") == PBX;
    let edge = &scene.edge;
    edge.wait_event(Mark::START, "handshake_accepted", of_pbx);
    let refused = scene.edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}

/// linphone, baresip without outbound and most hardware phones say nothing of Path, and Asterisk refuses one that was not
/// announced.
#[tokio::test]
async fn asterisk_a_phone_that_says_nothing_of_path_registers_and_is_called() {
    let Some(scene) = Scene::raise() else { return };
    let alice = scene.phone("alice").await;
    for supported in [None, Some("gruu, replaces")] {
        let bob = Client::connect(&scene.face, "bob", "sip:bob@contoso.test")
            .await
            .unwrap();
        let draft = bob.register();
        let draft = match supported {
            None => draft.without("Supported"),
            Some(tags) => draft.set("Supported", tags),
        };
        let sent = draft.send().await.unwrap();
        let ok = bob.answer(&sent, 200).await.unwrap();
        assert_eq!(ok.message.header("path"), None, "it did not ask for it");
        let (mut ours, _) = call(&alice, &bob, "bob").await;
        hang_up(&alice, &mut ours, &bob).await;
        let (_, mut theirs) = call(&bob, &alice, "alice").await;
        hang_up(&alice, &mut theirs, &bob).await;
    }
}

/// Real phones, with sound: what Asterisk's own media wants is there, and it hears the right ones.
#[test]
fn asterisk_softphones_talk_and_either_hangs_up() {
    let Some(scene) = Scene::raise_for(&[Program::Asterisk, Program::Baresip]) else {
        return;
    };
    let (alice, bob) = (
        Phone::start(&scene.certificates, "alice", "bob"),
        Phone::start(&scene.certificates, "bob", "alice"),
    );
    for phone in [&alice, &bob] {
        phone.register(Target {
            port: scene.edge.port(),
        });
    }
    for ends in [&alice, &bob] {
        establish(&alice, &bob, "bob");
        ends.hang_up();
        alice.wait("CALL_CLOSED");
        bob.wait("CALL_CLOSED");
    }
    let refused = scene.edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn asterisk_qualifies_a_phone_through_the_edge() {
    let Some(scene) = Scene::raise() else { return };
    let bob = scene.phone("bob").await;
    for _ in 0..2 {
        let ping: Received = bob.expect("OPTIONS").await.unwrap();
        bob.reply(&ping, 200).await.unwrap();
    }
    scene.pbx.wait_text(Mark::START, "is now Reachable");
    scene.edge.wait_relayed(Mark::START, "OPTIONS", 200);
}

#[tokio::test]
async fn asterisk_a_call_that_is_given_up_stops_ringing() {
    let Some(scene) = Scene::raise() else { return };
    let (alice, bob) = (scene.phone("alice").await, scene.phone("bob").await);
    let sent = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = bob.expect("INVITE").await.unwrap();
    bob.reply(&invite, 180).await.unwrap();
    alice.answer(&sent, 180).await.unwrap();
    let cancel = alice.cancel(&sent).await.unwrap();
    alice.answer(&cancel, 200).await.unwrap();
    alice.answer(&sent, 487).await.unwrap();
    let cancel = bob.expect("CANCEL").await.unwrap();
    bob.reply(&cancel, 200).await.unwrap();
    bob.reply(&invite, 487).await.unwrap();
    bob.expect("ACK").await.unwrap();
    let refused = scene.edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}

/// Alice talks to Bob, asks Carol, and connects the two: REFER with `?Replaces` in Refer-To.
#[tokio::test]
async fn asterisk_an_attended_transfer_connects_the_other_two() {
    let Some(scene) = Scene::raise() else { return };
    let alice = scene.phone("alice").await;
    let (bob, carol) = (scene.phone("bob").await, scene.phone("carol").await);
    let (mut first, mut bobs) = call(&alice, &bob, "bob").await;
    let (mut second, _) = call(&alice, &carol, "carol").await;
    let replaces = format!(
        "{}%3Bto-tag%3D{}%3Bfrom-tag%3D{}",
        second.call_id.replace('@', "%40"),
        parameter(&second.remote, "tag"),
        parameter(&second.local, "tag")
    );
    let refer = alice
        .within(&mut first, "REFER")
        .with_contact()
        .header(
            "Refer-To",
            &format!("<sip:carol@contoso.test?Replaces={replaces}>"),
        )
        .header("Referred-By", &format!("<{}>", alice.aor()))
        .send()
        .await
        .unwrap();
    alice.answer(&refer, 202).await.unwrap();
    loop {
        let notify = alice.expect("NOTIFY").await.unwrap();
        alice.reply(&notify, 200).await.unwrap();
        if notify.message.body.starts_with(b"SIP/2.0 200") {
            break;
        }
    }
    // Asterisk ends one of her calls, as a phone she ends the other.
    let bye = alice.expect("BYE").await.unwrap();
    alice.reply(&bye, 200).await.unwrap();
    let other = if bye.message.call_id() == first.call_id {
        &mut second
    } else {
        &mut first
    };
    let bye = alice.bye(other).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    hang_up(&bob, &mut bobs, &carol).await;
    let refused = scene.edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}

/// A partner is recognised by the name that its certificate bore, whatever its From says: its alice reaches what is open to
/// partners, which is less than what is open to the alice here.
#[tokio::test]
async fn asterisk_knows_a_partners_call_by_its_certificate() {
    let Some(scene) = Scene::raise() else { return };
    let alice = scene.phone("alice").await;
    let (bob, carol) = (scene.phone("bob").await, scene.phone("carol").await);
    let (partner, wire) = scene.partner().await;
    let invite = |user: &str| {
        let uri = format!("sip:{user}@contoso.test");
        partner.invite(&uri).on(&wire)
    };
    let sent = invite("bob").send().await.unwrap();
    let ringing = bob.expect("INVITE").await.unwrap();
    assert_eq!(ringing.message.header("x-sipward-peer"), None);
    bob.reply(&ringing, 180).await.unwrap();
    let mut theirs = bob.accept(&ringing).await.unwrap();
    bob.expect("ACK").await.unwrap();
    let ok = partner.answer(&sent, 200).await.unwrap();
    partner.ack(&sent, &ok).await.unwrap();
    hang_up(&bob, &mut theirs, &partner).await;

    let sent = invite("carol").send().await.unwrap();
    partner.answer(&sent, 404).await.unwrap();
    // A client that says of itself that it is the partner is who it was before.
    let claim = alice.invite("sip:carol@contoso.test");
    let sent = claim.header("X-Sipward-Peer", PARTNER).send().await;
    let ringing = carol.expect("INVITE").await.unwrap();
    carol.reply(&ringing, 180).await.unwrap();
    let mut theirs = carol.accept(&ringing).await.unwrap();
    carol.expect("ACK").await.unwrap();
    let (sent, end) = (sent.unwrap(), &alice);
    let ok = end.answer(&sent, 200).await.unwrap();
    end.ack(&sent, &ok).await.unwrap();
    hang_up(&carol, &mut theirs, &alice).await;
    let refused = scene.edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}
