//! `config/kamailio.toml`: two Kamailio as registrar and proxy, which share their users; other phones stand behind them.
use super::chart::{Chart, Side};
use super::dialect::{Dialect, NOTHING};
use super::shipped::{Profile, dial, stop};
use super::{CALLS, OPTIONS, REGISTRATION};

/// As Kamailio writes for a phone of its own side: Record-Route above its Via and double (two sockets, `r2=on`), the
/// phone's Via below its own, the phone's Contact with `alias`.
const KAMAILIO: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 10.0.0.11:5061;branch={branch};i=1",
        ),
        (
            "INVITE",
            "=Contact: <sip:bob@10.0.0.99:5060;alias=10.0.0.99~5060~1>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:bob@10.0.0.99:5060;alias=10.0.0.99~5060~1>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:bob@10.0.0.99:5060;alias=10.0.0.99~5060~1>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:bob@10.0.0.99:5060;alias=10.0.0.99~5060~1>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:bob@10.0.0.99:5060;alias=10.0.0.99~5060~1>",
        ),
        ("requests", "User-Agent: Some Phone 3.1"),
        (
            "401 REGISTER",
            "WWW-Authenticate: Digest realm=\"contoso.test\", nonce=\"Zx1\"",
        ),
        ("200 REGISTER", "Server: kamailio (5.6.3 (x86_64/linux))"),
    ],
    routes: &[
        "<sip:10.0.0.11:5061;transport=tls;r2=on;lr;did=3f1.8e52>",
        "<sip:10.0.0.11;r2=on;lr;did=3f1.8e52>",
    ],
    below: Some("SIP/2.0/UDP 10.0.0.99:5060;received=10.0.0.99;rport=5060;branch=z9hG4bK776asdhds"),
    ..NOTHING
};

const PJSUA: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS {sent-by};rport;branch={branch};alias",
        ),
        (
            "requests",
            "User-Agent: PJSUA v2.15 Linux-6.1/x86_64/glibc-2.36",
        ),
        (
            "INVITE",
            "Supported: replaces, 100rel, timer, norefersub, trickle-ice",
        ),
        ("INVITE", "Session-Expires: 1800"),
        ("REGISTER", "Supported: gruu"),
        (
            "REGISTER again",
            "Authorization: Digest username=\"alice\", realm=\"contoso.test\", nonce=\"Zx1\", uri=\"sip:contoso.test\", response=\"00\"",
        ),
    ],
    ..NOTHING
};

const PHONE: &str = "sip:alice@contoso.test";
const HOME: &str = "sip:bob@contoso.test";

#[tokio::test]
async fn kamailio_a_phone_registers_and_whole_calls_go_both_ways() {
    let mut profile = Profile::read("kamailio.toml");
    let fe01 = profile.home("fe01.contoso.test").await;
    let fe02 = profile.home("fe02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;

    let phone = || Side::new(&alice, &PJSUA, HOME);
    let home = || Side::new(&fe01, &KAMAILIO, PHONE).or(&[&fe02]);
    let mut chart = Chart::between(phone(), home()).gains(&["Path"], &[]);
    chart.play(REGISTRATION).await;
    let path = chart.callee_got("REGISTER").message.values("path");
    chart.play(OPTIONS).await;
    for _ in 0..3 {
        chart.play_all(&CALLS).await;
    }

    // Either of the two knows where the phone is, and calls it on a connection of its own.
    for server in [&fe01, &fe02] {
        let wire = dial(server, &edge).await;
        let home = Side::new(server, &KAMAILIO, alice.contact())
            .from(HOME)
            .by(&path)
            .on(&wire);
        let mut back = Chart::between(home, phone());
        back.play(OPTIONS).await;
        back.play_all(&CALLS).await;
    }
    stop(edge, &[]).await;
}
