//! `config/teams-direct-routing.toml`: the three SIP proxies of Teams, which are one party with one certificate, and a PBX.
use super::chart::{Chart, Side};
use super::dialect::{Dialect, NOTHING};
use super::shipped::{Profile, dial, stop};
use super::{CALLEE_HANGS_UP, CALLS, CANCELLED, OPTIONS, REFUSED};
use crate::harness::Edge;
use sipward_lab::pki::Issued;
use sipward_lab::{Server, Wire};

/// As Teams' proxies and controllers write: names in capitals, several routes of regions, a Contact that names the call's
/// controller, `X-MS-*`.
const TEAMS: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 52.114.76.76:5061;branch={branch}",
        ),
        (
            "INVITE",
            "=From: \"Eve\"<sip:+4989654321@sip.pstnhub.microsoft.com:5061;user=phone>;tag={tag}",
        ),
        (
            "INVITE",
            "=Contact: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=7c1e5cfa-e8a5-4d5b-a6b1-2f2e6e0c7f5a;x-c=30c9e7aa/s/1/d8c8>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:api-du-b-euno.pstnhub.microsoft.com:443;x-i=7c1e;x-c=30c9/d/8/5bd3>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:api-du-b-euno.pstnhub.microsoft.com:443;x-i=7c1e;x-c=30c9/d/8/5bd3>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:api-du-b-euno.pstnhub.microsoft.com:443;x-i=7c1e;x-c=30c9/d/8/5bd3>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:api-du-b-euno.pstnhub.microsoft.com:443;x-i=7c1e;x-c=30c9/d/8/5bd3>",
        ),
        (
            "requests",
            "User-Agent: Microsoft.PSTNHub.SIPProxy v.2026.11.3.2 i.EUWE.3",
        ),
        (
            "answers",
            "Server: Microsoft.PSTNHub.SIPProxy v.2026.11.3.2 i.EUWE.3",
        ),
        ("INVITE", "Allow: INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY"),
        ("INVITE", "Supported: timer"),
        ("INVITE", "Session-Expires: 3600"),
        ("INVITE", "Min-SE: 300"),
        (
            "INVITE",
            "P-Asserted-Identity: <tel:+4989654321>,<sip:eve@fabrikam.test>",
        ),
        ("INVITE", "Privacy: id"),
        (
            "INVITE",
            "History-Info: <sip:+4930123456@edge01.contoso.test>;index=1",
        ),
        ("INVITE", "X-MS-SBC-Trunk: edge01.contoso.test"),
        (
            "INVITE",
            "X-MS-ConversationId: 3f6c1f0a-2a67-4c1f-8f53-f9e3c1d2b7aa",
        ),
        (
            "REFER",
            "=Refer-To: <sip:sip.pstnhub.microsoft.com:5061;transport=tls;x-m=8:orgid:fce2158f-0e99-4ff7-a0b3-5b6b87d16689>",
        ),
        (
            "REFER",
            "=Referred-By: <sip:sip.pstnhub.microsoft.com:5061;x-m=8:orgid:bdc0511a;x-t=2d88cb42;x-ti=9cfa2ad6;x-tt=aHR0cHM6>",
        ),
        (
            "BYE",
            "Reason: Q.850;cause=16;text=\"8522f6c8-8e6f;Call ended normally\"",
        ),
    ],
    routes: &[
        "<sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>",
        "<sip:sip-du-b-eu.pstnhub.microsoft.com:5061;transport=tls;lr;x=2>",
    ],
    is_loud: true,
    ..NOTHING
};

/// The question of a region whether we live.
const REGION: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 52.114.76.76:5061;branch={branch}",
        ),
        (
            "requests",
            "=To: <sip:edge01.contoso.test:5061;transport=tls>",
        ),
        (
            "requests",
            "Contact: <sip:sip-du-a-eu.pstnhub.microsoft.com:5061>",
        ),
        (
            "requests",
            "User-Agent: Microsoft.PSTNHub.SIPProxy v.2026.11.3.2 i.EUWE.3",
        ),
        ("requests", "Allow: INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY"),
    ],
    is_loud: true,
    ..NOTHING
};

/// A PBX that knows nothing of Teams but the number: its own address in Contact.
const PBX: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 10.0.0.11:5061;rport;branch={branch};alias",
        ),
        (
            "INVITE",
            "=From: \"Bob\" <sip:+4930123456@edge01.contoso.test>;tag={tag}",
        ),
        (
            "INVITE",
            "=Contact: <sip:+4930123456@10.0.0.11:5061;transport=TLS>",
        ),
        ("180 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("183 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("200 INVITE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("UPDATE", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("REFER", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        ("NOTIFY", "=Contact: <sip:10.0.0.11:5061;transport=TLS>"),
        (
            "REFER",
            "=Referred-By: <sip:+4930123456@edge01.contoso.test>",
        ),
        ("requests", "User-Agent: Asterisk PBX 22.4.1"),
        ("answers", "Server: Asterisk PBX 22.4.1"),
        ("INVITE", "P-Asserted-Identity: <tel:+4930123456>"),
        (
            "INVITE",
            "Supported: 100rel, timer, replaces, norefersub, histinfo",
        ),
    ],
    ..NOTHING
};

const NAMES: [&str; 3] = [
    "sip.pstnhub.microsoft.com",
    "sip2.pstnhub.microsoft.com",
    "sip3.pstnhub.microsoft.com",
];
const NUMBER: &str = "sip:+4930123456@edge01.contoso.test:5061;user=phone;transport=tls";
const THEIRS: &str = "sip:+4989654321@sip.pstnhub.microsoft.com:5061;user=phone";

/// A call whose callee hears of the other side nothing but our name.
const TOLD_TO_THE_PBX: &[&str] = &["X-Sipward-Peer"];

/// The profile, the PBX, and the three proxies of Teams in their order.
struct Cast {
    profile: Profile,
    pbx: Server,
    teams: [Server; 3],
}

impl Cast {
    async fn new() -> Self {
        let mut profile = Profile::read("teams-direct-routing.toml");
        let pbx = profile.home("pbx.contoso.test").await;
        let identity: Issued = profile.teams(&NAMES);
        let mut teams = Vec::new();
        for name in NAMES {
            teams.push(profile.server(name, &identity).await);
        }
        let teams = teams.try_into().unwrap_or_else(|_| panic!("three of them"));
        Self {
            profile,
            pbx,
            teams,
        }
    }

    fn pbx(&self) -> Side<'_> {
        Side::new(&self.pbx, &PBX, THEIRS).hidden()
    }
}

fn teams<'a>(server: &'a Server, wire: &Wire) -> Side<'a> {
    Side::new(server, &TEAMS, NUMBER).on(wire)
}

/// A region asks on a connection of its own, and gets a 200 whatever its From.
async fn asks(server: &Server, edge: &Edge) {
    let wire = dial(server, edge).await;
    let us = "sip:edge01.contoso.test:5061;transport=tls";
    for from in [
        "sip:sip-du-a-eu.pstnhub.microsoft.com:5061",
        "sip:sip-du-a-us.pstnhub.microsoft.com:5061",
        "sip:sip-du-a-as.pstnhub.microsoft.com",
    ] {
        let draft = server.request("OPTIONS", us).from(from);
        let mut message = draft.build();
        REGION.dress(server, "OPTIONS", &mut message);
        REGION.spell(&mut message);
        let sent = server.draft(message).on(&wire).send().await.unwrap();
        server.answer(&sent, 200).await.unwrap();
    }
}

#[tokio::test]
async fn teams_pings_and_whole_calls_go_both_ways() {
    let cast = Cast::new().await;
    let edge = cast.profile.start().await;
    for server in &cast.teams {
        asks(server, &edge).await;
    }
    let first = &cast.teams[0];
    let wire = dial(first, &edge).await;
    let mut chart = Chart::between(teams(first, &wire), cast.pbx()).gains(TOLD_TO_THE_PBX, &[]);
    chart.play_all(&CALLS).await;
    let mut chart = Chart::between(cast.pbx(), teams(first, &wire)).gains(&[], TOLD_TO_THE_PBX);
    chart.play(OPTIONS).await;
    chart.play_all(&CALLS).await;
    stop(edge, &[]).await;
}

/// A caller who withholds its number: nobody in From, Teams' word for who it is beside it.
const WITHHELD: Dialect = Dialect {
    lines: &[
        (
            "INVITE",
            "=From: \"Anonymous\"<sip:anonymous@anonymous.invalid>;tag={tag}",
        ),
        (
            "INVITE",
            "=Contact: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=7c1e;x-c=30c9/s/1/d8c8>",
        ),
        ("INVITE", "Privacy: id"),
        ("INVITE", "P-Asserted-Identity: <tel:+4989654321>"),
    ],
    routes: TEAMS.routes,
    is_loud: true,
    ..NOTHING
};

#[tokio::test]
async fn teams_a_withheld_number_passes() {
    let cast = Cast::new().await;
    let edge = cast.profile.start().await;
    let first = &cast.teams[0];
    let wire = dial(first, &edge).await;
    let withheld = Side::new(first, &WITHHELD, NUMBER).on(&wire);
    Chart::between(withheld, cast.pbx())
        .gains(TOLD_TO_THE_PBX, &[])
        .play_all(&CALLS)
        .await;
    stop(edge, &[]).await;
}

#[tokio::test]
async fn teams_a_transfer_goes_where_refer_says() {
    let cast = Cast::new().await;
    let edge = cast.profile.start().await;
    let first = &cast.teams[0];
    let wire = dial(first, &edge).await;
    // What Teams names in Refer-To has no user.
    let refer = "sip:sip.pstnhub.microsoft.com:5061;transport=tls;x-m=8:orgid:fce2158f-0e99-4ff7-a0b3-5b6b87d16689";
    let pbx = Side::new(&cast.pbx, &PBX, refer)
        .hidden()
        .on(&dial(&cast.pbx, &edge).await);
    Chart::between(pbx, teams(first, &wire))
        .gains(&[], TOLD_TO_THE_PBX)
        .play_all(&CALLS)
        .await;
    stop(edge, &[]).await;
}

/// A call with one proxy of Teams, until it stands.
const BEGINS: &str = "
    caller -> callee   INVITE
    caller <- callee   200 INVITE
    caller -> callee   ACK
";

/// What another proxy makes of it.
const IS_CHANGED: &str = "
    caller <- callee   INVITE
    caller -> callee   200 INVITE
    caller <- callee   ACK
    caller -> callee   INFO
    caller <- callee   200 INFO
";

const THEY_HANG_UP: &str = "
    caller <- callee   BYE
    caller -> callee   200 BYE
";

const WE_HANG_UP: &str = "
    caller -> callee   BYE
    caller <- callee   200 BYE
";

#[tokio::test]
async fn teams_a_call_goes_on_by_another_of_the_three_when_its_own_is_gone() {
    for ending in [THEY_HANG_UP, WE_HANG_UP] {
        let cast = Cast::new().await;
        let edge = cast.profile.start().await;
        let [first, second, _] = &cast.teams;
        let callee = Side::new(first, &TEAMS, NUMBER);
        let pbx = cast.pbx().on(&dial(&cast.pbx, &edge).await);
        let mut chart = Chart::between(pbx, callee).gains(&[], TOLD_TO_THE_PBX);
        chart.play(BEGINS).await;
        first.kill();
        edge.log
            .wait("peer_disconnected", |e| e["peer"] == NAMES[0])
            .await
            .unwrap();
        chart.callee_moves(second, &dial(second, &edge).await);
        chart.go_on(IS_CHANGED).await;
        chart.go_on(ending).await;
        stop(edge, &NAMES).await;
    }
}

#[tokio::test]
async fn teams_the_next_of_three_takes_over() {
    let cast = Cast::new().await;
    let edge = cast.profile.start().await;
    let [first, second, third] = &cast.teams;
    // A connection is taken for the first of the entries that its certificate fits, whoever made it.
    let wire = dial(second, &edge).await;
    let calls = [CALLEE_HANGS_UP, CANCELLED, REFUSED];
    Chart::between(teams(second, &wire), cast.pbx())
        .gains(TOLD_TO_THE_PBX, &[])
        .play_all(&calls)
        .await;
    wire.cut();
    first.kill();
    edge.log
        .wait("peer_disconnected", |e| e["peer"] == NAMES[0])
        .await
        .unwrap();
    let next = Side::new(second, &TEAMS, NUMBER).or(&[third]);
    Chart::between(cast.pbx(), next)
        .gains(&[], TOLD_TO_THE_PBX)
        .play_all(&CALLS)
        .await;
    stop(edge, &NAMES).await;
}
