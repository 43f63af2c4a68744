//! What crosses shards: flows of another shard, responses by their branch, CANCELs that miss.
use super::world::*;
use std::time::Duration;

#[test]
fn a_call_to_a_flow_of_another_shard_and_its_cancel_cross_and_come_back() {
    let mut w = World::with(topology(), 3);
    let (fe01, client) = (w.peer_in(0, FE01), w.client_in(2));
    let fe01_in_2 = w.peer_in(2, FE01);
    let path = w.register(client, fe01_in_2, "");
    // The home server happens to call on its connection in shard 0.
    w.send(
        fe01,
        &Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&path)
            .to_string(),
    );
    let invite = w.expect(client, "INVITE");
    w.rings(client, &invite);
    w.expect(fe01, "SIP/2.0 180");
    // Its CANCEL comes in on the other connection, in shard 2.
    w.ask(fe01_in_2, Request::of("CANCEL"));
    w.expect(fe01_in_2, "SIP/2.0 200");
    w.expect(client, "CANCEL");
    w.answers(client, &invite, 487);
    w.expect(client, "ACK");
    w.expect(fe01, "SIP/2.0 487");
}

#[test]
fn a_cancel_that_no_shard_knows_is_481_once() {
    let mut w = World::with(topology(), 3);
    let client = w.client_in(1);
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 481");
    w.silent(client);
}

#[test]
fn a_client_of_another_shard_that_is_gone_is_430_when_it_was_waited_for() {
    let mut w = World::with(topology(), 2);
    let (fe01, client, fe01_in_1) = (w.peer_in(0, FE01), w.client_in(1), w.peer_in(1, FE01));
    let path = w.register(client, fe01_in_1, "");
    let invite = |branch| {
        Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&path)
            .branch(branch)
            .to_string()
    };
    w.send(fe01, &invite("z9hG4bK1"));
    w.expect(client, "INVITE");
    w.lose(client);
    w.pass(Duration::from_secs(31));
    w.expect(fe01, "SIP/2.0 100");
    w.expect(fe01, "SIP/2.0 430");
    w.send(fe01, &invite("z9hG4bK2"));
    w.expect(fe01, "SIP/2.0 430");
}

/// The shard that knows where the client is stands still: nobody waits for half a minute.
#[test]
fn a_question_that_finds_no_room_is_answered_at_once() {
    let mut w = World::with(topology(), 2);
    let homes = [0, 1].map(|shard| w.peer_in(shard, FE01));
    let client = w.client_in(1);
    let path = w.register(client, homes[1], "");
    let id = w.cores[1].env.links.bindings_of(client).next().unwrap();
    let knows = id.shard(2);
    w.full = Some(knows);
    let home = homes[usize::from(1 - knows)];
    let message = Request::of("MESSAGE").uri("sip:alice@10.0.0.1");
    w.ask(home, message.more(&path));
    w.refused(home, "SIP/2.0 430", "flow_gone");
    w.silent(client);
    w.all_freed();
}

#[test]
fn an_ack_without_a_token_is_looked_for_in_every_shard_and_then_dropped() {
    let mut w = World::with(topology(), 2);
    let (client, home) = (w.client_in(0), w.peer_in(0, FE01));
    w.ask(client, Request::of("ACK"));
    w.silent(client);
    w.silent(home);
    assert_eq!(w.reasons(), vec!["ack_unmatched"]);
}

/// The answers would fill the queue in which those of others cross.
#[test]
fn a_server_whose_cancels_lead_nowhere_asks_so_often_in_a_second() {
    let mut w = World::with(topology(), 2);
    let home = [0, 1].map(|shard| w.peer_in(shard, FE01))[0];
    for n in 0..2_500 {
        let branch = format!("z9hG4bK{n}");
        w.ask(home, Request::of("CANCEL").branch(&branch));
        w.expect(home, "SIP/2.0 481");
    }
    assert_eq!(w.questions, 2_000);
    w.pass(Duration::from_secs(1));
    w.ask(home, Request::of("CANCEL"));
    assert_eq!(w.questions, 2_001);
}

/// A call towards a phone in shard 1, with a connection of the home server in each of three shards.
struct Call {
    w: World,
    homes: [crate::proxy::LinkId; 3],
    phone: crate::proxy::LinkId,
    dialog: String,
    asked: usize,
}

impl Call {
    fn new() -> Self {
        let mut w = World::with(topology(), 3);
        let homes = [0, 1, 2].map(|shard| w.peer_in(shard, FE01));
        let phone = w.client_in(1);
        let path = w.register(phone, homes[1], "");
        // Nobody waits any more for who has not come back since the start.
        w.pass(Duration::from_secs(31));
        let call = Request::invite()
            .from("<sip:bob@contoso.test>;tag=b")
            .more(&path);
        w.ask(homes[0], call);
        let invite = w.expect(phone, "INVITE");
        w.answers(phone, &invite, 200);
        w.expect(homes[0], "SIP/2.0 200");
        let dialog = format!("Route: {}\n", field(&invite, "Record-Route").unwrap());
        Self {
            w,
            homes,
            phone,
            dialog,
            asked: 0,
        }
    }

    /// The phone registers over a connection in this shard, its former one lost or not.
    fn moves(&mut self, shard: u8, is_lost: bool) {
        if is_lost {
            self.w.lose(self.phone);
        }
        self.phone = self.w.client_in(shard);
        self.w
            .register(self.phone, self.homes[usize::from(shard)], "");
    }

    /// The home server asks in the dialog on its connection in this shard; how many questions and answers that costs.
    fn asks(&mut self, shard: usize) -> usize {
        self.asked += 1;
        let branch = format!("z9hG4bK{}", self.asked);
        let info = Request::of("INFO").from("<sip:bob@contoso.test>;tag=b");
        let info = info.in_dialog().more(&self.dialog).branch(&branch);
        let before = self.w.asked_of.len();
        self.w
            .ask(self.homes[shard], info.cseq(self.asked as u32 + 1));
        let asked = self.w.asked_of.len() - before;
        let got = self.w.pick(self.phone, "INFO");
        self.w.answers(self.phone, &got, 200);
        self.w.pick(self.homes[shard], "SIP/2.0 200");
        asked
    }
}

#[test]
fn a_dialog_asks_another_shard_once_where_its_phone_is_and_not_for_each_request() {
    let mut call = Call::new();
    for shard in 0..3 {
        // A question and its answer, unless this shard's directory has it.
        assert!(call.asks(shard) <= 2);
        for _ in 0..10 {
            assert_eq!(call.asks(shard), 0);
        }
    }
}

/// A home server that has a connection in the shard of its phone's: once it is known where that is, nobody is asked.
#[test]
fn a_call_within_a_shard_asks_no_other_one_where_its_phone_is() {
    for shard in 0..3 {
        let mut w = World::with(topology(), 3);
        let home = w.peer_in(shard, FE01);
        let phone = w.client_in(shard);
        let path = w.register(phone, home, "");
        w.pass(Duration::from_secs(31));
        for round in 0..4 {
            w.asked_of.clear();
            let branch = format!("z9hG4bKround{round}");
            let call = Request::invite().from("<sip:bob@contoso.test>;tag=b");
            w.ask(home, call.branch(&branch).more(&path));
            let invite = w.expect(phone, "INVITE");
            w.answers(phone, &invite, 200);
            w.expect(home, "SIP/2.0 200");
            let dialog = format!("Route: {}\n", field(&invite, "Record-Route").unwrap());
            let within = |method| {
                let request = Request::of(method).from("<sip:bob@contoso.test>;tag=b");
                request.in_dialog()
            };
            let branch = format!("z9hG4bKack{round}");
            let ack = within("ACK").more(&dialog).branch(&branch);
            w.send(home, &ack.to_string());
            w.expect(phone, "ACK");
            let branch = format!("z9hG4bKbye{round}");
            w.ask(home, within("BYE").more(&dialog).branch(&branch).cseq(2));
            let bye = w.expect(phone, "BYE");
            w.answers(phone, &bye, 200);
            w.expect(home, "SIP/2.0 200");
            // A question and its answer, unless this shard's directory has it.
            let most = if round == 0 { 2 } else { 0 };
            assert!(w.asked_of.len() <= most, "{:?}", w.asked_of);
        }
    }
}

#[test]
fn what_another_shard_has_said_is_forgotten_when_the_phone_moves_in_whatever_way() {
    let mut call = Call::new();
    let each = |call: &mut Call| {
        for shard in [0, 1, 2, 0, 1, 2] {
            call.asks(shard);
        }
    };
    each(&mut call);
    for round in 0..3 {
        for (shard, is_lost) in [
            (2, true),
            (0, false),
            (0, true),
            (1, false),
            (2, false),
            (1, true),
        ] {
            call.moves(shard, is_lost);
            each(&mut call);
            // Its registration ends, and the call goes on over the connection that it had.
            let (phone, home) = (call.phone, call.homes[usize::from(shard)]);
            let branch = format!("z9hG4bKend{round}{shard}{is_lost}");
            let register = registration("sip:alice@contoso.test", &branch, ";expires=0");
            call.w.send(phone, &register);
            let asked = call.w.pick(home, "REGISTER");
            call.w.send(home, &answer(&asked, "200 OK", ""));
            call.w.pick(phone, "SIP/2.0 200");
            each(&mut call);
            // It registers elsewhere, and the old connection lives.
            call.moves((shard + 1) % 3, false);
            each(&mut call);
            while call.w.take(phone).is_some() {}
        }
    }
}

/// The connection has gone, and its client is back before anybody has heard of it.
#[test]
fn a_request_for_a_connection_that_is_gone_is_asked_for_anew_and_waits() {
    let mut call = Call::new();
    for shard in 0..3 {
        call.asks(shard);
    }
    for (round, shard) in [(0, 2), (1, 0), (2, 1)] {
        let gone = call.phone;
        call.w.lose(gone);
        let branch = format!("z9hG4bKaway{round}");
        let info = Request::of("INFO").from("<sip:bob@contoso.test>;tag=b");
        let info = info
            .in_dialog()
            .more(&call.dialog)
            .branch(&branch)
            .to_string();
        call.w.send(call.homes[round], &info);
        call.w.pass(Duration::from_secs(3));
        call.moves(shard, false);
        let got = call.w.pick(call.phone, "INFO");
        call.w.answers(call.phone, &got, 200);
        call.w.pick(call.homes[round], "SIP/2.0 200");
        call.asks(0);
    }
}

/// Nobody answers an ACK, so that nobody would hear that its connection is gone.
#[test]
fn an_ack_for_a_connection_that_is_gone_waits_for_its_phone() {
    for shard in 0..3 {
        let mut call = Call::new();
        call.asks(shard);
        call.w.lose(call.phone);
        let ack = Request::of("ACK").from("<sip:bob@contoso.test>;tag=b");
        let ack = ack.in_dialog().more(&call.dialog).branch("z9hG4bKlate");
        call.w.send(call.homes[shard], &ack.to_string());
        call.w.pass(Duration::from_secs(3));
        call.moves(2, false);
        call.w.pick(call.phone, "ACK");
    }
}

#[test]
fn only_shards_with_a_connection_of_the_server_are_asked_for_its_transaction() {
    for (second, questions) in [(None, 0), (Some(2), 1), (Some(1), 1)] {
        let mut w = World::with(topology(), 4);
        let home = w.peer_in(0, FE01);
        let other = second.map(|shard| w.peer_in(shard, FE01));
        // Another server's connection is nobody's business.
        w.peer_in(3, FE02);
        w.ask(home, Request::of("CANCEL"));
        w.expect(home, "SIP/2.0 481");
        assert_eq!(w.questions, questions, "{second:?}");
        if let Some(other) = other {
            w.lose(other);
            w.ask(home, Request::of("CANCEL").branch("z9hG4bKnext"));
            w.expect(home, "SIP/2.0 481");
            assert_eq!(w.questions, questions);
        }
    }
}

#[test]
fn a_client_that_floods_with_what_leads_nowhere_asks_little_and_is_closed() {
    let mut w = World::with(topology(), 2);
    let client = w.client_in(0);
    for number in 0..999 {
        let branch = format!("z9hG4bKstray{number}");
        w.send(client, &Request::of("ACK").branch(&branch).to_string());
    }
    assert!((1..=20).contains(&w.questions), "{}", w.questions);
    assert_eq!(w.closed, []);
    // What leads somewhere begins a new row.
    w.ask(client, Request::of("MESSAGE"));
    for _ in 0..1_000 {
        w.send(
            client,
            &Request::of("ACK").branch("z9hG4bKmore").to_string(),
        );
    }
    assert_eq!(w.closed.len(), 1);
    assert_eq!(w.closed[0], (client, "leads_nowhere"));
}

#[test]
fn a_gateway_whose_answers_are_another_shards_loses_none_and_is_not_closed() {
    let mut w = World::with(topology(), 2);
    let client = w.client_in(0);
    let home = w.peer_in(1, FE01);
    let path = {
        let registrar = w.peer_in(0, FE01);
        w.register(client, registrar, "")
    };
    let invite = Request::invite().uri("sip:alice@10.0.0.1");
    w.send(home, &invite.more(&path).to_string());
    let got = w.pick(client, "INVITE");
    // As many as 3,500 calls in a second would have.
    for _ in 0..3_500 {
        w.rings(client, &got);
    }
    assert_eq!(w.closed, []);
    assert_eq!(w.paused.first(), Some(&(client, "too_many_messages")));
    w.answers(client, &got, 200);
    w.pick(home, "SIP/2.0 200");
}

#[test]
fn a_server_that_does_so_is_read_more_slowly() {
    let mut w = World::new();
    let home = w.peer(FE01);
    for _ in 0..2_000 {
        w.send(home, &Request::of("ACK").to_string());
    }
    assert_eq!(w.closed, []);
    assert_eq!(w.paused, [(home, "leads_nowhere"); 2]);
}
