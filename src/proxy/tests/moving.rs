//! Clients without a registration, which take a call along by the value of the route that only they have seen.
use super::world::*;
use crate::proxy::LinkId;

/// A call of an unregistered client; the routes that the home server and the client have.
struct Call {
    w: World,
    homes: Vec<LinkId>,
    client: LinkId,
    far: String,
    own: String,
}

impl Call {
    fn new(shards: u8) -> Self {
        let mut w = World::with(topology(), shards);
        let homes: Vec<LinkId> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let client = w.client_in(1 % shards);
        let home = homes[usize::from(client.shard())];
        w.ask(client, Request::invite());
        let invite = w.expect(home, "INVITE");
        w.answers(home, &invite, 200);
        let ok = w.expect(client, "SIP/2.0 200");
        let route = |message: &str| format!("Route: {}\n", field(message, "Record-Route").unwrap());
        let (far, own) = (route(&invite), route(&ok));
        assert_ne!(far, own);
        assert_eq!(far.len(), own.len());
        Self {
            w,
            homes,
            client,
            far,
            own,
        }
    }

    /// The client asks something in its dialog over this connection.
    fn asks(&mut self, link: LinkId, method: &str, route: &str, branch: &str) {
        let more = route.to_owned();
        self.w.ask(
            link,
            Request::of(method)
                .in_dialog()
                .branch(branch)
                .more(&more)
                .cseq(2),
        );
    }

    /// The home server does.
    fn home_asks(&mut self, home: usize, branch: &str) {
        let request = Request::of("INFO")
            .in_dialog()
            .uri("sip:alice@10.0.0.1")
            .from("<sip:bob@contoso.test>;tag=b")
            .to("<sip:alice@contoso.test>;tag=a")
            .branch(branch)
            .more(&self.far);
        self.w.send(self.homes[home], &request.to_string());
    }

    /// The client's request came out at some connection of the home server.
    #[track_caller]
    fn arrived(&mut self, method: &str) {
        let got = self.homes.iter().find_map(|home| self.w.take(*home));
        assert!(
            got.is_some_and(|got| got.starts_with(method)),
            "no {method}"
        );
    }
}

fn each(test: impl Fn(Call, LinkId)) {
    for shards in [1, 3] {
        let mut call = Call::new(shards);
        let next = call.w.client_in(2 % shards);
        test(call, next);
    }
}

#[test]
fn its_own_value_in_a_request_of_the_dialog_takes_the_call_along() {
    each(|mut call, next| {
        call.home_asks(0, "z9hG4bK0");
        call.w.expect(call.client, "INFO");
        call.w.lose(call.client);
        call.home_asks(0, "z9hG4bK1");
        while call.w.take(call.homes[0]).is_some() {}
        call.w.events.clear();
        let own = call.own.clone();
        call.asks(next, "ACK", &own, "z9hG4bK2");
        call.arrived("ACK");
        call.asks(next, "INFO", &own, "z9hG4bK3");
        call.arrived("INFO");
        for (home, branch) in (0..call.homes.len()).zip(["z9hG4bK4", "z9hG4bK5", "z9hG4bK6"]) {
            call.home_asks(home, branch);
            let got = call.w.expect(next, "INFO");
            call.w.answers(next, &got, 200);
            call.w.expect(call.homes[home], "SIP/2.0 200");
        }
        // And once more, when that one is gone too.
        call.w.lose(next);
        let third = call.w.client_in(call.client.shard());
        call.asks(third, "INFO", &own, "z9hG4bK7");
        call.arrived("INFO");
        call.home_asks(0, "z9hG4bK8");
        call.w.expect(third, "INFO");
        assert!(call.w.reasons().is_empty());
    });
}

/// An ACK has no answer that another shard would send to the connection.
#[test]
fn a_call_that_an_ack_has_moved_goes_along_again() {
    each(|mut call, next| {
        let own = call.own.clone();
        call.w.lose(call.client);
        call.asks(next, "ACK", &own, "z9hG4bK1");
        call.arrived("ACK");
        call.w.lose(next);
        for shard in 0..call.homes.len() {
            let third = call.w.client_in(shard as u8);
            call.asks(third, "ACK", &own, &format!("z9hG4bKa{shard}"));
            call.arrived("ACK");
            call.w.lose(third);
        }
        let last = call.w.client();
        call.asks(last, "BYE", &own, "z9hG4bK2");
        call.arrived("BYE");
        assert!(call.w.reasons().is_empty());
    });
}

/// Nobody but the shard of its former connection can judge it.
#[test]
fn what_finds_no_room_at_the_shard_that_has_the_call_is_refused_at_once() {
    let mut call = Call::new(3);
    let next = call.w.client_in(2);
    let own = call.own.clone();
    call.w.lose(call.client);
    call.w.full = Some(call.client.shard());
    call.asks(next, "INFO", &own, "z9hG4bK1");
    let refusal = call.w.refused(next, "SIP/2.0 503", "shard_congested");
    assert_eq!(field(&refusal, "Retry-After"), Some("1"));
    call.asks(next, "ACK", &own, "z9hG4bK2");
    call.w.silent(next);
    assert_eq!(call.w.reasons(), ["shard_congested"]);
    call.w.full = None;
    call.asks(next, "INFO", &own, "z9hG4bK3");
    call.arrived("INFO");
}

#[test]
fn nothing_is_taken_from_a_connection_that_lives_nor_by_the_value_that_others_see() {
    each(|mut call, next| {
        let (own, far) = (call.own.clone(), call.far.clone());
        // The old connection lives: even its own value moves nothing.
        call.asks(next, "BYE", &own, "z9hG4bK1");
        call.w.refused(next, "SIP/2.0 403", "token_not_for_origin");
        // What the callee and everybody on the way have seen.
        call.w.lose(call.client);
        call.w.events.clear();
        call.asks(next, "BYE", &far, "z9hG4bK2");
        call.w.refused(next, "SIP/2.0 403", "token_not_for_origin");
        // In another dialog.
        let request = Request::of("BYE").in_dialog().branch("z9hG4bK3").more(&own);
        let other = request
            .to_string()
            .replace("Call-ID: call-1", "Call-ID: call-2");
        call.w.send(next, &other);
        call.w.refused(next, "SIP/2.0 403", "token_forged");
        call.home_asks(0, "z9hG4bK4");
        call.w.refused(call.homes[0], "SIP/2.0 430", "flow_gone");
        call.w.silent(next);
        // Once it has moved, another connection with the value takes nothing while that lives.
        call.asks(next, "INFO", &own, "z9hG4bK5");
        call.arrived("INFO");
        let thief = call.w.client_in(0);
        call.asks(thief, "BYE", &own, "z9hG4bK6");
        call.w.refused(thief, "SIP/2.0 403", "token_not_for_origin");
    });
}

#[test]
fn a_request_that_policy_refuses_moves_nothing() {
    each(|mut call, next| {
        call.w.lose(call.client);
        let request = Request::of("INFO")
            .in_dialog()
            .branch("z9hG4bK1")
            .from("<sip:eve@evil.test>;tag=a")
            .more(&call.own);
        call.w.ask(next, request);
        call.w.refused(next, "SIP/2.0 403", "from_not_allowed");
        call.home_asks(0, "z9hG4bK2");
        call.w.refused(call.homes[0], "SIP/2.0 430", "flow_gone");
    });
}

#[test]
fn so_many_dialogs_move_to_one_connection() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let text = |method: &str, call: u32, route: &str| {
        let branch = format!("z9hG4bK{method}{call}");
        let request = Request::of(method).branch(&branch).more(route);
        let request = match method {
            "BYE" => request.in_dialog(),
            _ => request,
        };
        request
            .to_string()
            .replace("call-1", &format!("call-{call}"))
    };
    let routes: Vec<String> = (0..65)
        .map(|call| {
            w.send(client, &text("INVITE", call, ""));
            let invite = w.expect(home, "INVITE");
            w.answers(home, &invite, 200);
            let ok = w.expect(client, "SIP/2.0 200");
            format!("Route: {}\n", field(&ok, "Record-Route").unwrap())
        })
        .collect();
    w.lose(client);
    let client = w.client();
    for (call, route) in routes.iter().enumerate() {
        w.send(client, &text("BYE", call as u32, route));
        match call {
            64 => w.refused(client, "SIP/2.0 503", "client_budget"),
            _ => w.expect(home, "BYE"),
        };
    }
}
