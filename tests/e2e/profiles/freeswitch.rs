//! `config/freeswitch.toml`: two FreeSWITCH (mod_sofia), tried in order; each ends every call itself (B2BUA).
use super::chart::{Chart, Side};
use super::dialect::{Dialect, NOTHING};
use super::shipped::{Profile, stop};
use super::{CALLEE_HANGS_UP, CALLS, OPTIONS, REGISTRATION};

/// As Sofia-SIP and mod_sofia write: `X-FS-*`, Remote-Party-ID, events of its own, its address in Contact.
const FREESWITCH: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 10.0.0.21:5061;rport;branch={branch}",
        ),
        ("INVITE", "=From: \"Bob\" <sip:bob@contoso.test>;tag={tag}"),
        (
            "INVITE",
            "=Contact: <sip:mod_sofia@10.0.0.21:5061;transport=tls>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:bob@10.0.0.21:5061;transport=tls>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:bob@10.0.0.21:5061;transport=tls>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:bob@10.0.0.21:5061;transport=tls>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:mod_sofia@10.0.0.21:5061;transport=tls>",
        ),
        (
            "*",
            "User-Agent: FreeSWITCH-mod_sofia/1.10.12-release+git~20240802T210227Z~a88d069d6f~64bit",
        ),
        (
            "INVITE",
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE",
        ),
        ("INVITE", "Supported: timer, path, replaces"),
        (
            "INVITE",
            "Allow-Events: talk, hold, conference, presence, as-feature-event, dialog, line-seize, call-info, sla, include-session-description, presence.winfo, message-summary, refer",
        ),
        ("INVITE", "Content-Disposition: session"),
        ("INVITE", "X-FS-Support: update_display,send_info"),
        (
            "INVITE",
            "Remote-Party-ID: \"Bob\" <sip:bob@contoso.test>;party=calling;screen=yes;privacy=off",
        ),
        (
            "180 INVITE",
            "Remote-Party-ID: \"Outbound Call\" <sip:bob@contoso.test>;party=calling;privacy=off;screen=no",
        ),
        (
            "200 INVITE",
            "Remote-Party-ID: \"Outbound Call\" <sip:bob@contoso.test>;party=calling;privacy=off;screen=no",
        ),
        ("200 INVITE", "Session-Expires: 1800;refresher=uac"),
        ("BYE", "Reason: Q.850;cause=16;text=\"NORMAL_CLEARING\""),
        (
            "REFER",
            "=Refer-To: <sip:9999@10.0.0.21?Replaces=6d1c%3Bto-tag%3DpQ7N%3Bfrom-tag%3DKt1>",
        ),
        (
            "401 REGISTER",
            "WWW-Authenticate: Digest realm=\"contoso.test\", nonce=\"6f0a\", algorithm=MD5, qop=\"auth\"",
        ),
        ("200 REGISTER", "Date: Sat, 28 Nov 2026 05:00:00 GMT"),
        ("200 REGISTER", "Supported: timer, path, replaces"),
        ("NOTIFY", "Allow-Events: talk, hold, conference, refer"),
    ],
    ..NOTHING
};

/// As linphone writes: a Route for its proxy, gruu, its codecs.
const LINPHONE: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "User-Agent: Linphone-Desktop/5.1.1 (debian) LinphoneCore/5.1.65",
        ),
        (
            "answers",
            "User-Agent: Linphone-Desktop/5.1.1 (debian) LinphoneCore/5.1.65",
        ),
        ("INVITE", "Supported: replaces, outbound, gruu, path"),
        (
            "INVITE",
            "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE",
        ),
        (
            "REGISTER",
            "Accept: application/sdp, text/plain, application/vnd.gsma.rcs-ft-http+xml",
        ),
        (
            "REGISTER again",
            "Authorization: Digest realm=\"contoso.test\", nonce=\"6f0a\", algorithm=MD5, username=\"alice\", uri=\"sip:contoso.test\", response=\"00\", cnonce=\"1\", nc=00000001, qop=auth",
        ),
    ],
    ..NOTHING
};

const PHONE: &str = "sip:alice@contoso.test";
const HOME: &str = "sip:bob@contoso.test";

#[tokio::test]
async fn freeswitch_a_phone_registers_and_whole_calls_go_both_ways() {
    let mut profile = Profile::read("freeswitch.toml");
    let fs01 = profile.home("fs01.contoso.test").await;
    let _fs02 = profile.home("fs02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;

    let phone = || Side::new(&alice, &LINPHONE, HOME);
    let home = || Side::new(&fs01, &FREESWITCH, PHONE);
    let mut chart = Chart::between(phone(), home()).gains(&["Path"], &[]);
    chart.play(REGISTRATION).await;
    let path = chart.callee_got("REGISTER").message.values("path");
    chart.play(OPTIONS).await;
    chart.play_all(&CALLS).await;

    // What it keeps as fs_path comes as a Route.
    let home = Side::new(&fs01, &FREESWITCH, alice.contact()).by(&path);
    let mut back = Chart::between(home, phone());
    back.play(OPTIONS).await;
    back.play_all(&CALLS).await;
    stop(edge, &[]).await;
}

#[tokio::test]
pub(crate) async fn freeswitch_the_second_takes_over_when_the_first_is_gone() {
    let mut profile = Profile::read("freeswitch.toml");
    let fs01 = profile.home("fs01.contoso.test").await;
    let fs02 = profile.home("fs02.contoso.test").await;
    let edge = profile.start().await;
    let alice = profile.phone(&edge, "alice").await;
    let phone = || Side::new(&alice, &LINPHONE, HOME);

    Chart::between(phone(), Side::new(&fs01, &FREESWITCH, PHONE))
        .play(CALLEE_HANGS_UP)
        .await;
    fs01.kill();
    edge.log
        .wait("peer_disconnected", |e| e["peer"] == "fs01.contoso.test")
        .await
        .unwrap();
    let second = || Side::new(&fs02, &FREESWITCH, PHONE);
    let mut chart = Chart::between(phone(), second()).gains(&["Path"], &[]);
    chart.play(REGISTRATION).await;
    let path = chart.callee_got("REGISTER").message.values("path");
    chart.play_all(&CALLS).await;
    let back = Side::new(&fs02, &FREESWITCH, alice.contact()).by(&path);
    Chart::between(back, phone()).play_all(&CALLS).await;
    stop(edge, &["fs01.contoso.test"]).await;
}
