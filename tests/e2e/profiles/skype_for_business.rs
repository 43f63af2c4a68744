//! `config/skype-for-business.toml`: two Front Ends that know the users, Lync clients, and a partner's Access Edge.
use super::chart::{Chart, Side};
use super::dialect::Dialect;
use super::lync::{ACCESS_EDGE, COMMUNICATOR_2005, FRONT_END, LYNC};
use super::shipped::{Profile, dial, stop};
use super::{CALLEE_HANGS_UP, CALLS, CANCELLED, OPTIONS, REFUSED, REGISTRATION};
use sipward_lab::{Client, Server};

/// A subscription with what Lync makes of it: notifications that nobody answers, and a NOTIFY now and then.
const PRESENCE: &str = "
    caller -> callee   SUBSCRIBE
    caller <- callee   200 SUBSCRIBE
    caller <- callee   BENOTIFY
    caller <- callee   BENOTIFY
    caller -> callee   SUBSCRIBE
    caller <- callee   200 SUBSCRIBE
    caller <- callee   BENOTIFY
    caller <- callee   NOTIFY
    caller -> callee   200 NOTIFY
";

/// What a client publishes.
const SERVICE: &str = "
    caller -> callee   SERVICE
    caller <- callee   200 SERVICE
";

/// Instant messages in a session.
const MESSAGES: &str = "
    caller -> callee   INVITE
    caller <- callee   200 INVITE
    caller -> callee   ACK
    caller -> callee   MESSAGE
    caller <- callee   200 MESSAGE
    caller <- callee   INFO
    caller -> callee   200 INFO
    caller <- callee   BYE
    caller -> callee   200 BYE
";

/// How each connection of theirs begins.
const NEGOTIATE: &str = "
    caller -> edge     NEGOTIATE
    caller <- edge     405 NEGOTIATE
";

const PHONE: &str = "sip:alice@contoso.test";
const HOME: &str = "sip:bob@contoso.test";
const EVE: &str = "sip:eve@fabrikam.test";

/// The daemon answers what is between it and the client.
const ANSWERED_HERE: &[&str] = &["ms-keep-alive"];

fn client<'a>(alice: &'a Client, dialect: &'a Dialect) -> Side<'a> {
    Side::new(alice, dialect, HOME).loses(ANSWERED_HERE)
}

fn front_end<'a>(fe01: &'a Server, fe02: &'a Server) -> Side<'a> {
    Side::new(fe01, &FRONT_END, PHONE)
        .or(&[fe02])
        .loses(ANSWERED_HERE)
}

#[tokio::test]
pub(crate) async fn skype_for_business_a_client_registers_subscribes_and_calls_and_is_called_by_path()
 {
    let mut profile = Profile::read("skype-for-business.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;

    let mut chart = Chart::between(client(&alice, &LYNC), front_end(&fe01, &fe02))
        .gains(&["Path", "ms-keep-alive"], ANSWERED_HERE);
    chart.play(NEGOTIATE).await;
    chart.play(REGISTRATION).await;
    let register = chart.callee_got("REGISTER").clone();
    let path = register.message.values("path");
    chart
        .play_all(&[OPTIONS, SERVICE, PRESENCE, MESSAGES])
        .await;
    chart.play_all(&CALLS).await;

    // A server that knows Path calls the client by it.
    let contact = register.message.contact().unwrap();
    let home = Side::new(&fe01, &FRONT_END, &contact)
        .loses(ANSWERED_HERE)
        .by(&path)
        .on(&dial(&fe01, &edge).await);
    let mut back = Chart::between(home, client(&alice, &LYNC)).gains(ANSWERED_HERE, ANSWERED_HERE);
    back.play_all(&[OPTIONS, MESSAGES]).await;
    back.play_all(&CALLS).await;

    // An older client beside it, whose Contact says by `maddr` where it is.
    let old = profile.phone(&edge, "old").await;
    let mut chart = Chart::between(client(&old, &COMMUNICATOR_2005), front_end(&fe01, &fe02))
        .gains(ANSWERED_HERE, ANSWERED_HERE);
    chart.play(PRESENCE).await;
    chart.play_all(&CALLS).await;
    let log = stop(edge, &["negotiate_unsupported"]).await;
    // Nobody answers it, so nothing is told of it.
    let relayed = log.named("request_relayed");
    assert!(relayed.iter().any(|line| line["method"] == "NOTIFY"));
    assert!(!relayed.iter().any(|line| line["method"] == "BENOTIFY"));
}

#[tokio::test]
async fn skype_for_business_whole_calls_and_presence_go_both_ways_with_a_partner() {
    let mut profile = Profile::read("skype-for-business.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let access = profile.partner("sip.fabrikam.test").await;
    let edge = profile.start().await;
    // Up to four connections of one partner are one peer.
    let wires = [
        dial(&access, &edge).await,
        dial(&access, &edge).await,
        dial(&access, &edge).await,
    ];
    for wire in &wires {
        let partner = Side::new(&access, &ACCESS_EDGE, HOME).from(EVE).on(wire);
        let home = Side::new(&fe01, &FRONT_END, EVE)
            .or(&[&fe02])
            .loses(ANSWERED_HERE);
        let mut chart = Chart::between(partner, home).gains(ANSWERED_HERE, ANSWERED_HERE);
        chart
            .play_all(&[NEGOTIATE, PRESENCE, MESSAGES, CALLEE_HANGS_UP])
            .await;
        chart.play_all(&CALLS).await;
    }
    let home = Side::new(&fe01, &FRONT_END, EVE)
        .loses(ANSWERED_HERE)
        .from(HOME);
    let home = home.on(&dial(&fe01, &edge).await);
    let partner = Side::new(&access, &ACCESS_EDGE, HOME);
    let mut chart = Chart::between(home, partner).gains(ANSWERED_HERE, ANSWERED_HERE);
    chart.play_all(&[MESSAGES, CANCELLED, REFUSED]).await;
    chart.play_all(&CALLS).await;
    stop(edge, &["negotiate_unsupported"]).await;
}

/// The registrar of these servers knows no Path (RFC 3327): it calls the address or the GRUU that the client gave.
#[tokio::test]
pub(crate) async fn skype_for_business_without_path_a_client_is_reached_in_its_dialogs_and_not_called()
 {
    let mut profile = Profile::read("skype-for-business.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;
    let mut chart = Chart::between(client(&alice, &LYNC), front_end(&fe01, &fe02))
        .gains(&["Path", "ms-keep-alive"], ANSWERED_HERE);
    chart.play_all(&[REGISTRATION, PRESENCE, MESSAGES]).await;

    let wire = dial(&fe01, &edge).await;
    let address = "sip:10.0.0.50:51234;transport=tls;ms-opaque=37dc925222;ms-received-cid=1F7D00";
    for method in ["INVITE", "MESSAGE", "BENOTIFY", "OPTIONS"] {
        let draft = fe01.request(method, address).on(&wire);
        let sent = draft.with_contact().send().await.unwrap();
        if method == "BENOTIFY" {
            edge.log
                .wait("request_refused", |e| e["method"] == method)
                .await
                .unwrap();
        } else {
            fe01.answer(&sent, 404).await.unwrap();
        }
    }
    // The domain of a GRUU is served by the other Front End, which has as good a claim to it.
    let gruu = "sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu";
    let sent = fe01
        .request("MESSAGE", gruu)
        .on(&wire)
        .send()
        .await
        .unwrap();
    let got = fe02.expect("MESSAGE").await.unwrap();
    fe02.reply(&got, 480).await.unwrap();
    fe01.answer(&sent, 480).await.unwrap();
    assert!(
        alice
            .untaken()
            .await
            .iter()
            .all(|r| r.message.method().is_none())
    );
    stop(edge, &["no_route"]).await;
}

#[tokio::test]
async fn skype_for_business_the_other_front_end_takes_over() {
    let mut profile = Profile::read("skype-for-business.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;
    let mut chart = Chart::between(client(&alice, &LYNC), front_end(&fe01, &fe02))
        .gains(&["Path", "ms-keep-alive"], ANSWERED_HERE);
    chart.play_all(&[REGISTRATION, PRESENCE]).await;
    fe01.kill();
    let second = Side::new(&fe02, &FRONT_END, PHONE).loses(ANSWERED_HERE);
    let mut chart = Chart::between(client(&alice, &LYNC), second)
        .gains(&["Path", "ms-keep-alive"], ANSWERED_HERE);
    chart
        .play_all(&[REGISTRATION, PRESENCE, SERVICE, MESSAGES])
        .await;
    chart.play_all(&CALLS).await;
    stop(edge, &["fe01.contoso.test"]).await;
}
