//! `config/asterisk.toml`: Asterisk with chan_pjsip, which ends every call itself (B2BUA), and phones that register there.
use super::chart::{Chart, Side};
use super::dialect::{Dialect, NOTHING};
use super::shipped::{Profile, stop};
use super::{CALLS, OPTIONS, REGISTRATION};

/// As pjproject's stack and Asterisk's modules write: addresses instead of names, `alias` in Via, connected-line names.
pub(super) const ASTERISK: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 10.0.0.11:5061;rport;branch={branch};alias",
        ),
        (
            "INVITE",
            "=From: \"Bob Baker\" <sip:bob@10.0.0.11>;tag={tag}",
        ),
        ("INVITE", "=Contact: <sip:bob@10.0.0.11:5061;transport=TLS>"),
        ("200 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("183 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("180 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("UPDATE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("requests", "User-Agent: Asterisk PBX 22.4.1"),
        ("answers", "Server: Asterisk PBX 22.4.1"),
        (
            "INVITE",
            "Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, MESSAGE, INFO, REFER",
        ),
        (
            "INVITE",
            "Supported: 100rel, timer, replaces, norefersub, histinfo",
        ),
        ("INVITE", "Session-Expires: 1800"),
        ("INVITE", "Min-SE: 90"),
        (
            "INVITE",
            "P-Asserted-Identity: \"Bob Baker\" <sip:bob@contoso.test>",
        ),
        (
            "INVITE",
            "Remote-Party-ID: \"Bob Baker\" <sip:bob@contoso.test>;party=calling;privacy=off;screen=no",
        ),
        (
            "INVITE",
            "Diversion: \"Carol\" <sip:carol@10.0.0.11>;reason=unconditional",
        ),
        ("200 INVITE", "Session-Expires: 1800;refresher=uas"),
        ("200 INVITE", "Require: timer"),
        (
            "200 INVITE",
            "P-Asserted-Identity: \"Bob Baker\" <sip:bob@contoso.test>",
        ),
        (
            "UPDATE",
            "P-Asserted-Identity: \"Bob Baker\" <sip:bob@contoso.test>",
        ),
        ("BYE", "Reason: Q.850;cause=16"),
        (
            "401 REGISTER",
            "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1764300000/5f1d\",opaque=\"2c4e\",algorithm=MD5,qop=\"auth\"",
        ),
        ("200 REGISTER", "Expires: 3599"),
        (
            "200 OPTIONS",
            "Accept: application/sdp, application/dialog-info+xml, message/sipfrag;version=2.0",
        ),
        ("200 OPTIONS", "Accept-Encoding: identity"),
    ],
    ..NOTHING
};

/// As baresip writes: its outbound proxy as a route in every request, and no word of Path in REGISTER.
pub(super) const BARESIP: Dialect = Dialect {
    lines: &[
        ("requests", "User-Agent: baresip v1.0.0 (x86_64/linux)"),
        ("answers", "Server: baresip v1.0.0 (x86_64/linux)"),
        (
            "INVITE",
            "Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER",
        ),
        ("INVITE", "Supported: gruu,replaces,norefersub"),
        (
            "REGISTER again",
            "Authorization: Digest username=\"alice\", realm=\"asterisk\", nonce=\"1764300000/5f1d\", uri=\"sip:contoso.test\", response=\"00\", algorithm=MD5",
        ),
    ],
    ..NOTHING
};

const PHONE: &str = "sip:alice@contoso.test";
const HOME: &str = "sip:bob@contoso.test";

#[tokio::test]
async fn asterisk_a_phone_registers_and_whole_calls_go_both_ways() {
    let mut profile = Profile::read("asterisk.toml");
    let pbx = profile.home("pbx.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;
    let outbound = [format!("<sip:{};transport=tls;lr>", edge.address)];

    // Who was called first is no phone's business.
    let phone = || Side::new(&alice, &BARESIP, HOME).by(&outbound);
    let home = || Side::new(&pbx, &ASTERISK, PHONE).loses(&["Diversion"]);
    let mut chart = Chart::between(phone(), home()).gains(&["Path"], &[]);
    chart.play(REGISTRATION).await;
    let path = chart.callee_got("REGISTER").message.values("path");
    assert_eq!(path.len(), 1);
    chart.play(OPTIONS).await;
    chart.play_all(&CALLS).await;

    let home = Side::new(&pbx, &ASTERISK, alice.contact())
        .loses(&["Diversion"])
        .by(&path);
    let mut back = Chart::between(home, phone());
    // `qualify` asks each contact.
    back.play(OPTIONS).await;
    back.play_all(&CALLS).await;
    stop(edge, &[]).await;
}
