//! Calls as the core keeps them: what begins and ends one, in whichever shard its requests come.
use super::world::*;
use crate::observe::{CallRecord, EndedBy, Event, RequestOutcome};
use crate::proxy::{LinkId, LogLevel, NamedParty};
use crate::topology::{LogIdentities, LogRequests};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A world in which a client calls the home server; each is in its own shard if there are two.
struct Line {
    w: World,
    client: LinkId,
    /// The home server's connection in each of the first two shards, and the first of them.
    homes: Vec<LinkId>,
    home: LinkId,
}

impl Line {
    fn new(shards: u8) -> Self {
        let mut w = World::with(topology(), shards);
        let shards = 0..shards.min(2);
        let homes: Vec<_> = shards.map(|shard| w.peer_in(shard, FE01)).collect();
        let client = w.client_in(0);
        Self {
            w,
            client,
            home: homes[0],
            homes,
        }
    }

    /// The home server's connection in the shard of this one.
    fn beside(&self, link: LinkId) -> LinkId {
        self.homes[usize::from(link.shard())]
    }

    /// The client calls; the INVITE as the home server gets it.
    fn invites(&mut self, branch: &str) -> String {
        let invite = Request::invite()
            .branch(branch)
            .more("User-Agent: phone 1\nContact: <sip:alice@10.0.0.1>\n");
        self.w.ask(self.client, invite);
        self.w.pick(self.home, "INVITE")
    }

    /// The home server answers it with 200 and these lines; a Route of the client's side.
    fn is_answered(&mut self, invite: &str, more: &str) -> String {
        self.w.answers_with(self.home, invite, 200, more);
        let ok = self.w.pick(self.client, "SIP/2.0 200");
        format!("Route: {}\n", field(&ok, "Record-Route").unwrap())
    }

    /// The node stops; the records that are written then. Few calls need one step, and another finds nothing.
    fn stops(&mut self) -> Vec<CallRecord> {
        let (now, core) = (self.w.now, &mut self.w.cores[0]);
        let mut records = Vec::new();
        for _ in 0..2 {
            let has_more = core.end_calls(now, |event| {
                if let Event::CallEnded { call, .. } = event {
                    records.push(*call);
                }
            });
            assert!(!has_more);
        }
        records
    }

    /// The client sends this in the dialog; it is answered so.
    fn within(&mut self, method: &str, cseq: u32, route: &str, status: u16, more: &str) {
        let branch = format!("z9hG4bK{method}{cseq}");
        let request = Request::of(method)
            .in_dialog()
            .cseq(cseq)
            .branch(&branch)
            .more(route);
        self.w.ask(self.client, request);
        let got = self.w.pick(self.home, method);
        self.w.answers_with(self.home, &got, status, more);
        self.w.pick(self.client, &format!("SIP/2.0 {status}"));
    }
}

impl World {
    /// Calls that are up, over all shards.
    pub(super) fn calls(&self) -> usize {
        self.cores.iter().map(super::super::Core::calls).sum()
    }

    /// The records of calls that have ended, the oldest first; forgets them.
    fn records(&mut self) -> Vec<CallRecord> {
        let records = self.events.iter().filter_map(|event| {
            if let Event::CallEnded { call, .. } = event {
                Some((**call).clone())
            } else {
                None
            }
        });
        let records = records.collect();
        self.events.clear();
        records
    }

    /// The only one.
    #[track_caller]
    fn one_record(&mut self) -> CallRecord {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }
}

#[test]
fn a_call_is_up_from_its_2xx_to_the_answer_of_its_bye() {
    for shards in [1, 2, 3] {
        let mut line = Line::new(shards);
        let invite = line.invites("z9hG4bK1");
        line.w.pass(SECOND);
        line.w.rings(line.home, &invite);
        line.w.pass(2 * SECOND);
        assert_eq!(line.w.calls(), 0);
        let ringing = line.w.cores[0].running_calls(line.w.now);
        assert!(ringing.len() == 1 && !ringing[0].answered);
        let route = line.is_answered(&invite, "");
        assert_eq!(line.w.calls(), 1);
        line.w.pass(40 * SECOND);
        // What says nothing of the call leaves it alone.
        line.within("INFO", 2, &route, 200, "");
        line.within("INVITE", 3, &route, 488, "");
        line.within("BYE", 4, &route, 401, "");
        assert_eq!((line.w.calls(), line.w.records().len()), (1, 0));
        line.within("BYE", 5, &route, 200, "");
        assert_eq!(line.w.calls(), 0);
        let record = line.w.one_record();
        let CallRecord { parties, .. } = &record;
        assert_eq!(parties.call_id(), b"call-1");
        assert_eq!(parties.from(), b"sip:alice@contoso.test");
        assert_eq!(parties.to(), b"sip:bob@contoso.test");
        assert_eq!(parties.request_uri(), b"sip:bob@contoso.test");
        assert_eq!(parties.user_agent(), b"phone 1");
        let number = |link: LinkId| u64::from(link.serial());
        assert_eq!(record.connection, number(line.client));
        assert_eq!(record.to_connection, Some(number(line.home)));
        assert_eq!(
            (record.from_peer, record.to_peer.as_deref()),
            (None, Some(FE01))
        );
        assert_eq!(
            (record.setup, record.ringing),
            (3 * SECOND, Some(2 * SECOND))
        );
        assert_eq!(record.talk, Some(40 * SECOND));
        assert_eq!(
            (record.ended_by, record.status),
            (EndedBy::Caller, Some(200))
        );
    }
}

#[test]
fn the_callee_hangs_up_through_another_shard() {
    let mut w = World::with(topology(), 3);
    let homes = [0, 1, 2].map(|shard| w.peer_in(shard, FE01));
    let client = w.client_in(1);
    let path = w.register(client, homes[1], "");
    let invite = Request::invite()
        .uri("sip:alice@10.0.0.1")
        .more(&path)
        .to_string();
    w.send(homes[0], &invite);
    let got = w.pick(client, "INVITE");
    w.answers(client, &got, 200);
    w.pick(homes[0], "SIP/2.0 200");
    assert_eq!(w.calls(), 1);
    // Its connection is in one shard, its call is kept by another one, which has its Call-ID's hash.
    let mut all = crate::proxy::CallsOfClients::default();
    w.cores
        .iter()
        .for_each(|core| all.add(core.clients_with_calls()));
    assert!(w.cores[1].has_call(client, &all));
    let idle = w.client_in(2);
    assert!(!w.cores[2].has_call(idle, &all));
    let route = format!("Route: {}\n", field(&got, "Record-Route").unwrap());
    w.ask(
        client,
        Request::of("BYE")
            .uri("sip:bob@contoso.test")
            .from("<sip:bob@contoso.test>;tag=b")
            .to("<sip:alice@contoso.test>;tag=a")
            .branch("z9hG4bKbye")
            .more(&route),
    );
    let (home, bye) = homes
        .iter()
        .find_map(|home| Some((*home, w.take(*home).filter(|it| it.starts_with("BYE"))?)))
        .unwrap();
    w.answers(home, &bye, 200);
    assert_eq!(w.calls(), 0);
    let record = w.one_record();
    assert_eq!(record.ended_by, EndedBy::Callee);
    assert_eq!(record.from_peer.as_deref(), Some(FE01));
    assert!(record.to_client && record.to_peer.is_none() && record.decision.is_some());
}

#[test]
fn a_call_through_the_home_server_and_back_is_one_call() {
    for shards in [1, 2] {
        let mut line = Line::new(shards);
        let bob = line.w.client_in(shards - 1);
        let path = line.w.register(bob, line.beside(bob), "");
        let first = line.invites("z9hG4bK1");
        // The home server is a proxy: the same dialog comes back for Bob.
        let record_route = field(&first, "Record-Route").unwrap();
        let via = field(&first, "Via").unwrap();
        let more = format!("{path}Record-Route: {record_route}\nVia: {via}\n");
        let second = Request::invite().uri("sip:alice@10.0.0.1").more(&more);
        line.w.ask(line.home, second.branch("z9hG4bKhome"));
        let got = line.w.pick(bob, "INVITE");
        line.w.answers(bob, &got, 200);
        line.w.pick(line.home, "SIP/2.0 200");
        assert_eq!(line.w.calls(), 1);
        line.is_answered(&first, "");
        assert_eq!(line.w.calls(), 1);
        let calls = line
            .w
            .cores
            .iter()
            .flat_map(|core| core.running_calls(line.w.now));
        let up: Vec<_> = calls.filter(|call| call.answered).collect();
        assert_eq!(up.len(), 1);
        let record = &up[0].record;
        assert_eq!(record.connection, u64::from(line.client.serial()));
        assert_eq!(record.to_connection, Some(u64::from(bob.serial())));
        assert_eq!(record.through.as_deref(), Some(FE01));
    }
}

#[test]
fn an_invite_that_fails_has_its_record_and_one_that_is_asked_again_has_none() {
    let mut line = Line::new(1);
    for status in [407, 422] {
        let invite = line.invites(&format!("z9hG4bK{status}"));
        line.w.answers(line.home, &invite, status);
    }
    assert!(line.w.records().is_empty());
    let invite = line.invites("z9hG4bKbusy");
    line.w.rings(line.home, &invite);
    line.w.pass(SECOND);
    line.w.answers(line.home, &invite, 486);
    let record = line.w.one_record();
    assert_eq!(
        (record.ended_by, record.status),
        (EndedBy::Callee, Some(486))
    );
    assert_eq!((record.talk, record.ringing), (None, Some(SECOND)));
    // Cancelled.
    let invite = line.invites("z9hG4bKtwo");
    line.w.rings(line.home, &invite);
    line.w
        .ask(line.client, Request::of("CANCEL").branch("z9hG4bKtwo"));
    line.w.answers(line.home, &invite, 487);
    assert_eq!(line.w.one_record().ended_by, EndedBy::Caller);
    // Nobody answers.
    let invite = line.invites("z9hG4bKthree");
    line.w.rings(line.home, &invite);
    line.w.pass(182 * SECOND);
    line.w.answers(line.home, &invite, 487);
    let record = line.w.one_record();
    assert_eq!((record.ended_by, record.status), (EndedBy::Node, Some(487)));
    // Nothing is there.
    line.invites("z9hG4bKfour");
    line.w.lose(line.home);
    let peers: Vec<_> = line.w.connects.drain(..).collect();
    peers
        .into_iter()
        .for_each(|peer| line.w.connect_ended(peer));
    line.w.pass(60 * SECOND);
    let record = line.w.one_record();
    assert_eq!(
        (record.ended_by, record.to_connection),
        (EndedBy::Node, None)
    );
    assert_eq!(line.w.calls(), 0);
}

#[test]
fn a_refused_invite_is_no_call() {
    let mut line = Line::new(1);
    let foreign = Request::invite().from("<sip:x@third.test>;tag=a");
    line.w.ask(line.client, foreign);
    line.w.expect(line.client, "SIP/2.0 403");
    assert!(line.w.records().is_empty());
}

#[test]
fn an_answer_that_is_repeated_after_the_bye_begins_no_other_call() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    let route = line.is_answered(&invite, "");
    line.is_answered(&invite, "");
    line.within("BYE", 2, &route, 200, "");
    line.is_answered(&invite, "");
    assert_eq!((line.w.calls(), line.w.records().len()), (0, 1));
    // Another phone's answer to the same INVITE is another dialog.
    let other = answer(&invite, "200 OK", "").replace("tag=b", "tag=other");
    line.w.send(line.home, &other);
    assert_eq!(line.w.calls(), 1);
    let listed = line.w.cores[0].running_calls(line.w.now);
    assert_eq!(listed[0].record.parties.to(), b"sip:bob@contoso.test");
}

#[test]
fn a_call_without_a_bye_ends_by_its_session_or_by_idleness() {
    let mut line = Line::new(2);
    let invite = line.invites("z9hG4bK1");
    let route = line.is_answered(&invite, "x: 1800;refresher=uas\n");
    line.w.pass(1_700 * SECOND);
    line.within("UPDATE", 2, &route, 200, "Session-Expires: 1800\n");
    line.w.pass(1_700 * SECOND);
    assert_eq!(line.w.calls(), 1);
    line.w.pass(200 * SECOND);
    let record = line.w.one_record();
    assert_eq!(
        (record.ended_by, record.status),
        (EndedBy::SessionExpired, None)
    );
    assert_eq!(record.talk, Some(3_532 * SECOND));
    let invite = line.invites("z9hG4bK2");
    line.is_answered(&invite, "");
    line.w.pass(11 * 3_600 * SECOND);
    assert_eq!(line.w.calls(), 1);
    line.w.pass(3_601 * SECOND);
    assert_eq!(line.w.one_record().ended_by, EndedBy::CallIdle);
    assert_eq!(line.w.calls(), 0);
}

#[test]
fn a_bye_that_nobody_answers_ends_the_call_all_the_same() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    let route = line.is_answered(&invite, "");
    let bye = Request::of("BYE").in_dialog().cseq(2).branch("z9hG4bKbye");
    line.w.ask(line.client, bye.more(&route));
    line.w.pick(line.home, "BYE");
    line.w.pass(40 * SECOND);
    let record = line.w.one_record();
    assert_eq!((record.ended_by, record.status), (EndedBy::Caller, None));
    assert_eq!(record.talk, Some(Duration::ZERO));
}

#[test]
fn what_finds_no_room_goes_on_and_is_told_of() {
    let mut topology = topology();
    topology.limits.calls = 1;
    let mut w = World::with(topology, 1);
    let (home, client) = (w.peer(FE01), w.client());
    for number in 1..=2 {
        let invite = Request::invite().to_string();
        let invite = invite.replace("call-1", &format!("call-{number}"));
        w.send(client, &invite.replace("bKone", &format!("bK{number}")));
        let got = w.pick(home, "INVITE");
        w.answers(home, &got, 200);
        w.pick(client, "SIP/2.0 200");
    }
    assert_eq!(w.calls(), 1);
    let refused = w.events.iter().any(|event| {
        matches!(event, Event::CallNotKept { reason, call_id, .. }
            if reason.code() == "calls_full" && &**call_id == b"call-2")
    });
    assert!(refused);
}

#[test]
fn who_is_not_in_the_dialog_ends_no_call() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    let route = line.is_answered(&invite, "");
    let mallory = line.w.client();
    for more in ["", &route] {
        let bye = Request::of("BYE").in_dialog().cseq(9).branch("z9hG4bKm");
        line.w.ask(mallory, bye.more(more));
        while let Some(bye) = line.w.take(line.home) {
            line.w.answers(line.home, &bye, 200);
        }
    }
    assert_eq!((line.w.calls(), line.w.records().len()), (1, 0));
}

/// The line of the last request of this method.
#[track_caller]
fn line_of(w: &World, method: &str) -> RequestOutcome {
    let lines = w.events.iter().rev().filter_map(|event| {
        if let Event::RequestRelayed { request } | Event::RequestRefused { request, .. } = event {
            Some(request)
        } else {
            None
        }
    });
    let mut lines = lines.filter(|line| &*line.method == method.as_bytes());
    lines
        .next()
        .unwrap_or_else(|| panic!("no line of {method}"))
        .clone()
}

#[test]
fn lines_of_requests_say_who_called_whom_over_which_connections() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    let route = line.is_answered(&invite, "");
    let invited = line_of(&line.w, "INVITE");
    assert_eq!(invited.parties.from(), b"sip:alice@contoso.test");
    assert_eq!(invited.parties.to(), b"sip:bob@contoso.test");
    assert_eq!(invited.parties.request_uri(), b"sip:bob@contoso.test");
    assert_eq!(invited.parties.user_agent(), b"phone 1");
    let number = |link: LinkId| u64::from(link.serial());
    assert_eq!(invited.connection, number(line.client));
    assert_eq!(invited.to_connection, Some(number(line.home)));
    assert!(invited.decision.is_none());
    // ACK and CANCEL have lines of their own under `requests = "all"`.
    let ack = Request::of("ACK").in_dialog().branch("z9hG4bKack");
    line.w.ask(line.client, ack.more(&route));
    line.w.pick(line.home, "ACK");
    let acked = line_of(&line.w, "ACK");
    assert_eq!((acked.status, acked.to_peer.as_deref()), (None, Some(FE01)));
    let invite = line.invites("z9hG4bK2");
    line.w.rings(line.home, &invite);
    line.w
        .ask(line.client, Request::of("CANCEL").branch("z9hG4bK2"));
    assert_eq!(line_of(&line.w, "CANCEL").status, Some(200));
    // The other way the decision that let the server in is named.
    let bye = Request::of("BYE").from("<sip:bob@contoso.test>;tag=b");
    let bye = bye
        .to("<sip:alice@contoso.test>;tag=a")
        .branch("z9hG4bKbye");
    line.w.ask(line.home, bye.more(&route));
    let bye = line.w.pick(line.client, "BYE");
    line.w.answers(line.client, &bye, 200);
    let line = line_of(&line.w, "BYE");
    let decision = line.decision.unwrap();
    assert_eq!(decision.0.peer_name.as_deref(), Some(FE01));
    assert!(line.to_client);
}

#[test]
fn a_level_of_one_peer_or_client_is_for_its_requests_and_for_no_other() {
    let network = |text: &str| NamedParty::Network(text.parse().unwrap());
    let user = |name: &str| NamedParty::User(name.to_owned());
    for (party, holds) in [
        (NamedParty::Peer(FE01.to_owned()), true),
        (NamedParty::Peer(PARTNER.to_owned()), false),
        (network("198.51.100.0/24"), true),
        (network("192.0.2.0/24"), false),
        (user("alice"), true),
        (user("alice@contoso.test"), true),
        (user("bob"), false),
    ] {
        let mut topology = topology();
        topology.log.requests = LogRequests::Refused;
        let mut w = World::with(topology, 1);
        let (home, client) = (w.peer(FE01), w.client());
        w.register(client, home, "");
        let has_lines = |w: &mut World, branch: &str| {
            w.ask(client, Request::of("OPTIONS").branch(branch));
            let got = w.pick(home, "OPTIONS");
            w.answers(home, &got, 200);
            w.pick(client, "SIP/2.0 200");
            let lines = w.events.iter();
            lines
                .filter(|event| matches!(event, Event::RequestRelayed { .. }))
                .count()
        };
        assert_eq!(has_lines(&mut w, "z9hG4bKbefore"), 0, "{party}");
        let requests = LogRequests::All;
        let level = LogLevel {
            party: party.clone(),
            requests,
        };
        w.cores[0].set_log_levels([level].into());
        let lines = has_lines(&mut w, "z9hG4bKwith");
        assert_eq!(lines, usize::from(holds), "{party}");
        // Its time is over.
        w.cores[0].set_log_levels([].into());
        assert_eq!(has_lines(&mut w, "z9hG4bKafter"), lines, "{party}");
    }
}

#[test]
fn calls_that_are_up_when_the_node_stops_have_their_record() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    line.is_answered(&invite, "");
    line.w.pass(30 * SECOND);
    let records = line.stops();
    assert_eq!(line.w.cores[0].calls(), 0);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].ended_by, EndedBy::NodeStopped);
    assert_eq!(records[0].talk, Some(30 * SECOND));
}

#[test]
fn calls_that_ring_when_the_node_stops_have_their_record_and_refused_ones_no_second() {
    let mut line = Line::new(1);
    let invite = line.invites("z9hG4bK1");
    line.w.answers_with(line.home, &invite, 180, "");
    line.w.pick(line.client, "SIP/2.0 180");
    line.w.pass(5 * SECOND);
    // This one has had its answer, and waits for its ACK only.
    let refused = line.invites("z9hG4bK2");
    line.w.answers_with(line.home, &refused, 486, "");
    let records = line.stops();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].ended_by, EndedBy::NodeStopped);
    assert_eq!(records[0].ringing, Some(5 * SECOND));
    assert_eq!((records[0].talk, records[0].status), (None, None));
}

#[test]
fn no_line_holds_a_user_or_a_token_that_it_should_not() {
    let mut topology = topology();
    topology.log.identities = LogIdentities::Hashed;
    let mut w = World::with(topology, 1);
    let (home, client) = (w.peer(FE01), w.client());
    let path = w.register(client, home, "");
    // A strict router has put our route into the Request-URI.
    let token = path.split(['<', '>']).nth(1).unwrap();
    let invite = Request::invite()
        .uri(token)
        .from("<sip:bob@contoso.test>;tag=b");
    w.ask(home, invite.more("Route: <sip:alice@10.0.0.1>\n"));
    let got = w.pick(client, "INVITE");
    w.answers(client, &got, 486);
    let line = line_of(&w, "INVITE");
    let shown = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    assert!(shown(line.parties.from()).starts_with("sip:~"));
    assert_eq!(
        shown(line.parties.request_uri()),
        "sip:*@edge01.contoso.test"
    );
    let record = w.one_record();
    assert_eq!(record.parties.from(), line.parties.from());
}
