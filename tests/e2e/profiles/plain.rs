//! `config/minimal.toml` and `config/edge.toml`: a home server and a partner that write what the RFCs ask for and no more.
use super::chart::{Chart, Side};
use super::dialect::NOTHING;
use super::shipped::{Profile, dial, stop};
use super::{CALLS, OPTIONS, REGISTRATION};

const PHONE: &str = "sip:alice@contoso.test";
const HOME: &str = "sip:bob@contoso.test";

#[tokio::test]
async fn minimal_a_phone_registers_and_whole_calls_go_both_ways() {
    let mut profile = Profile::read("minimal.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;

    let phone = || Side::new(&alice, &NOTHING, HOME);
    let home = || Side::new(&fe01, &NOTHING, PHONE);
    let mut chart = Chart::between(phone(), home()).gains(&["Path"], &[]);
    chart.play(REGISTRATION).await;
    let path = chart.callee_got("REGISTER").message.values("path");
    chart.play(OPTIONS).await;
    chart.play_all(&CALLS).await;
    let home = Side::new(&fe01, &NOTHING, alice.contact()).by(&path);
    let mut back = Chart::between(home, phone());
    back.play(OPTIONS).await;
    back.play_all(&CALLS).await;
    stop(edge, &[]).await;
}

#[tokio::test]
async fn edge_whole_calls_go_both_ways_with_a_partner() {
    let mut profile = Profile::read("edge.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let partner = profile.partner("edge.fabrikam.test").await;
    let edge = profile.start().await;
    let wire = dial(&partner, &edge).await;
    let partner = || {
        Side::new(&partner, &NOTHING, HOME)
            .from("sip:carol@fabrikam.test")
            .on(&wire)
    };
    let home = || {
        Side::new(&fe01, &NOTHING, "sip:carol@fabrikam.test")
            .from(HOME)
            .or(&[&fe02])
    };
    Chart::between(partner(), home()).play_all(&CALLS).await;
    Chart::between(home(), partner()).play_all(&CALLS).await;
    stop(edge, &[]).await;
}
