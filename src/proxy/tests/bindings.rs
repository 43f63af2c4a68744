//! Calls of registered clients, which outlive connections, keys and this process; with one shard and with three.
use super::world::*;
use crate::observe::Event;
use crate::proxy::{Actions, LinkId, TokenKeys};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A home server, and a phone that changes connections; each in a shard of its own where there are three.
struct Phone {
    w: World,
    /// The home server's connection in each shard.
    homes: Vec<LinkId>,
    client: LinkId,
    path: String,
}

impl Phone {
    fn new(shards: u8) -> Self {
        Self::with(topology(), shards)
    }

    fn with(topology: crate::topology::Topology, shards: u8) -> Self {
        let mut w = World::with(topology, shards);
        let homes = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let client = w.client_in(1 % shards);
        let mut phone = Self {
            w,
            homes,
            client,
            path: String::new(),
        };
        phone.path = phone.register();
        phone
    }

    fn register(&mut self) -> String {
        let home = self.homes[usize::from(self.client.shard())];
        self.w.register(self.client, home, "")
    }

    /// It connects again, in another shard.
    fn connect(&mut self) {
        let shard = (self.client.shard() + 1) % self.homes.len() as u8;
        self.client = self.w.client_in(shard);
    }

    /// It has lost its connection, and registers over another one.
    fn come_back(&mut self) {
        self.w.lose(self.client);
        self.connect();
        assert_eq!(self.register(), self.path);
    }

    /// Its home server calls it; the INVITE as it arrives.
    fn called(&mut self, branch: &str) -> String {
        self.w.send(self.homes[0], &invite(&self.path, branch));
        self.w.expect(self.client, "INVITE sip:alice@10.0.0.1")
    }

    /// As [`Self::called`], and it answers; a Route to it.
    fn in_call(&mut self) -> String {
        let invite = self.called("z9hG4bKcall");
        self.w.answers(self.client, &invite, 200);
        self.w.expect(self.homes[0], "SIP/2.0 200");
        format!("Route: {}\n", field(&invite, "Record-Route").unwrap())
    }
}

fn each(test: impl Fn(Phone)) {
    for shards in [1, 3] {
        test(Phone::new(shards));
    }
}

fn invite(route: &str, branch: &str) -> String {
    request("INVITE", route, branch)
}

/// A request of the home side.
fn request(method: &str, route: &str, branch: &str) -> String {
    Request::of(method)
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .branch(branch)
        .more(route)
        .to_string()
}

#[test]
fn what_the_home_side_sends_in_a_call_and_by_path_arrives_on_the_connection_that_the_phone_has_then()
 {
    each(|mut phone| {
        let dialog = phone.in_call();
        for round in 0..3 {
            phone.come_back();
            for method in ["INFO", "UPDATE", "NOTIFY", "MESSAGE", "INVITE"] {
                let branch = format!("z9hG4bK{method}{round}");
                phone
                    .w
                    .send(phone.homes[0], &request(method, &dialog, &branch));
                let got = phone.w.expect(phone.client, method);
                phone.w.answers(phone.client, &got, 200);
                phone.w.expect(phone.homes[0], "SIP/2.0 200");
            }
            phone
                .w
                .send(phone.homes[0], &request("ACK", &dialog, "z9hG4bKack"));
            phone.w.expect(phone.client, "ACK");
            let called = phone.called(&format!("z9hG4bKnew{round}"));
            phone.w.answers(phone.client, &called, 486);
            phone.w.expect(phone.client, "ACK");
            phone.w.expect(phone.homes[0], "SIP/2.0 486");
        }
        phone
            .w
            .send(phone.homes[0], &request("BYE", &dialog, "z9hG4bKbye"));
        phone.w.expect(phone.client, "BYE");
        assert!(phone.w.reasons().is_empty());
    });
}

#[test]
fn a_call_that_the_phone_began_goes_on_from_both_sides_over_its_new_connection() {
    each(|mut phone| {
        phone.w.ask(phone.client, Request::invite());
        let home = phone.homes[usize::from(phone.client.shard())];
        let invite = phone.w.expect(home, "INVITE");
        phone.w.answers(home, &invite, 200);
        let ok = phone.w.expect(phone.client, "SIP/2.0 200");
        assert_eq!(
            field(&ok, "Record-Route"),
            field(&invite, "Record-Route"),
            "one value for both"
        );
        let route = format!("Route: {}\n", field(&ok, "Record-Route").unwrap());
        phone.come_back();
        phone.w.send(home, &request("INFO", &route, "z9hG4bKinfo"));
        phone.w.expect(phone.client, "INFO");
        let bye = Request::of("BYE")
            .in_dialog()
            .more(&route)
            .branch("z9hG4bKbye");
        // Somebody else's connection, and the phone's own before it is registered.
        let other = phone.w.client_in(phone.client.shard());
        phone.w.ask(
            other,
            Request {
                branch: "z9hG4bKother",
                ..bye
            },
        );
        phone
            .w
            .refused(other, "SIP/2.0 403", "token_not_for_origin");
        let own = phone.homes[usize::from(phone.client.shard())];
        phone.w.ask(phone.client, bye);
        phone.w.expect(own, "BYE");
    });
}

#[test]
fn a_request_waits_for_a_phone_that_was_lost_less_than_30_seconds_ago_and_no_longer() {
    each(|mut phone| {
        let dialog = phone.in_call();
        phone.w.lose(phone.client);
        phone.w.pass(20 * SECOND);
        phone
            .w
            .send(phone.homes[0], &request("ACK", &dialog, "z9hG4bK1"));
        phone
            .w
            .send(phone.homes[0], &request("BYE", &dialog, "z9hG4bK2"));
        phone.w.pass(5 * SECOND);
        phone.connect();
        phone.w.silent(phone.client);
        phone.register();
        let first = phone.w.take(phone.client).unwrap();
        let second = phone.w.take(phone.client).unwrap();
        assert!(
            first.starts_with("ACK") && second.starts_with("BYE"),
            "{first} {second}"
        );
        phone.w.answers(phone.client, &second, 200);
        phone.w.pick(phone.homes[0], "SIP/2.0 100");
        phone.w.pick(phone.homes[0], "SIP/2.0 200");
        phone.w.lose(phone.client);
        phone.w.pass(20 * SECOND);
        phone
            .w
            .send(phone.homes[0], &request("INFO", &dialog, "z9hG4bK3"));
        phone.w.pass(9 * SECOND);
        phone.w.events.clear();
        phone.w.expect(phone.homes[0], "SIP/2.0 100");
        phone.w.silent(phone.homes[0]);
        phone.w.pass(2 * SECOND);
        phone.w.refused(phone.homes[0], "SIP/2.0 430", "flow_gone");
        phone
            .w
            .send(phone.homes[0], &request("INFO", &dialog, "z9hG4bK4"));
        phone.w.refused(phone.homes[0], "SIP/2.0 430", "flow_gone");
        phone.w.pass(Duration::from_secs(60));
        phone.w.all_but(0);
    });
}

#[test]
fn dialogs_and_registrations_outlive_a_restart() {
    for shards in [1, 3] {
        let mut before = Phone::new(shards);
        let dialog = before.in_call();
        // The keys are the same; nothing else is kept.
        let mut w = World::with(topology(), shards);
        let homes: Vec<LinkId> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        w.send(homes[0], &request("BYE", &dialog, "z9hG4bK1"));
        w.send(homes[0], &invite(&before.path, "z9hG4bK2"));
        w.pass(6 * SECOND);
        let client = w.client();
        assert_eq!(w.register(client, homes[0], ""), before.path);
        w.expect(client, "BYE");
        w.expect(client, "INVITE");
        // Later nobody waits for one that has not come back.
        let mut w = World::with(topology(), shards);
        let home = w.peer(FE01);
        w.pass(30 * SECOND);
        w.send(home, &invite(&before.path, "z9hG4bK3"));
        w.refused(home, "SIP/2.0 430", "flow_gone");
    }
}

#[test]
fn token_keys_are_rotated_under_running_calls() {
    let (old, new) = ((1, [1; 32]), (2, [2; 32]));
    let rotate = |phone: &mut Phone, keys: &[(u8, [u8; 32])]| {
        let (tables, now) = (phone.w.tables(&phone.w.generation), phone.w.now);
        let keys = Arc::new(TokenKeys::new(keys, [7; 32]));
        phone.w.rekey(&tables, &keys, now);
    };
    each(|mut phone| {
        rotate(&mut phone, &[old]);
        phone.path = phone.register();
        let first = phone.in_call();
        rotate(&mut phone, &[new, old]);
        // Entered under the new key too, without a REGISTER: a call that begins now names that.
        let second = {
            let path = phone.w.path_token(phone.client).unwrap();
            let route = format!("Route: <sip:{path}@{NODE};lr>\n");
            phone.w.send(phone.homes[0], &invite(&route, "z9hG4bK5"));
            let got = phone.w.expect(phone.client, "INVITE");
            format!("Route: {}\n", field(&got, "Record-Route").unwrap())
        };
        for (route, branch) in [(&first, "z9hG4bK6"), (&second, "z9hG4bK7")] {
            phone
                .w
                .send(phone.homes[0], &request("INFO", route, branch));
            phone.w.expect(phone.client, "INFO");
        }
        phone.w.lose(phone.client);
        phone.connect();
        let path = phone.register();
        assert_ne!(path, phone.path, "signed by the new key");
        for (route, branch) in [
            (&first, "z9hG4bK8"),
            (&second, "z9hG4bK9"),
            (&path, "z9hG4bK10"),
        ] {
            phone
                .w
                .send(phone.homes[0], &request("INFO", route, branch));
            // The loss has made the two that were under way come along.
            while let Some(got) = phone.w.take(phone.client) {
                assert!(
                    got.starts_with("INFO") || got.starts_with("INVITE"),
                    "{got}"
                );
            }
        }
        rotate(&mut phone, &[new]);
        phone
            .w
            .send(phone.homes[0], &request("BYE", &second, "z9hG4bK11"));
        phone.w.expect(phone.client, "BYE");
        phone.w.events.clear();
        phone
            .w
            .send(phone.homes[0], &request("BYE", &first, "z9hG4bK12"));
        phone
            .w
            .refused(phone.homes[0], "SIP/2.0 403", "token_forged");
    });
}

#[test]
fn a_call_that_rings_waits_for_its_phone_and_is_answered_there() {
    each(|mut phone| {
        let rung = phone.called("z9hG4bK1");
        phone.w.rings(phone.client, &rung);
        phone.w.expect(phone.homes[0], "SIP/2.0 180");
        phone.w.lose(phone.client);
        phone.w.pass(20 * SECOND);
        phone.w.silent(phone.homes[0]);
        phone.connect();
        phone.register();
        let again = phone.w.expect(phone.client, "INVITE");
        assert_eq!(
            fields(&again, "Via")[0],
            fields(&rung, "Via")[0],
            "the same branch"
        );
        // Timer C goes on, and not the 32 seconds of one that has never answered.
        phone.w.pass(100 * SECOND);
        phone.w.answers(phone.client, &again, 200);
        phone.w.expect(phone.homes[0], "SIP/2.0 200");
        phone.w.pass(60 * SECOND);
        phone.w.all_freed();
        assert!(phone.w.reasons().is_empty());
    });
}

#[test]
fn a_phone_that_has_kept_its_call_may_answer_it_as_soon_as_it_is_registered() {
    each(|mut phone| {
        let rung = phone.called("z9hG4bK1");
        phone.come_back();
        phone.w.expect(phone.client, "INVITE");
        phone.w.answers(phone.client, &rung, 180);
        phone.w.answers(phone.client, &rung, 200);
        phone.w.expect(phone.homes[0], "SIP/2.0 180");
        phone.w.expect(phone.homes[0], "SIP/2.0 200");
    });
}

#[test]
fn a_cancel_reaches_the_phone_where_it_is_then_and_a_phone_that_stays_away_ends_the_call() {
    each(|mut phone| {
        let rung = phone.called("z9hG4bK1");
        phone.w.rings(phone.client, &rung);
        phone.w.lose(phone.client);
        let cancel = request("CANCEL", &phone.path, "z9hG4bK1");
        phone.w.send(phone.homes[0], &cancel);
        phone.connect();
        phone.register();
        let cancel = phone.w.expect(phone.client, "CANCEL");
        assert_eq!(fields(&cancel, "Via")[0], fields(&rung, "Via")[0]);
        phone.w.silent(phone.client);
        phone.w.answers(phone.client, &rung, 487);
        phone.w.expect(phone.client, "ACK");
        for status in ["180", "200", "487"] {
            phone.w.expect(phone.homes[0], &format!("SIP/2.0 {status}"));
        }
        // One that does not come back.
        phone.w.events.clear();
        let rung = phone.called("z9hG4bK2");
        phone.w.rings(phone.client, &rung);
        phone.w.lose(phone.client);
        phone
            .w
            .send(phone.homes[0], &request("CANCEL", "", "z9hG4bK2"));
        phone.w.expect(phone.homes[0], "SIP/2.0 180");
        phone.w.expect(phone.homes[0], "SIP/2.0 200");
        phone.w.pass(30 * SECOND);
        phone.w.refused(phone.homes[0], "SIP/2.0 487", "cancelled");
    });
}

#[test]
fn a_caller_that_loses_its_connection_gets_the_answer_where_it_is_then() {
    each(|mut phone| {
        let home = phone.homes[usize::from(phone.client.shard())];
        phone.w.ask(phone.client, Request::invite());
        let invite = phone.w.expect(home, "INVITE");
        phone.w.lose(phone.client);
        // The answer comes first, and waits.
        phone.w.answers(home, &invite, 486);
        phone.connect();
        phone.register();
        phone.w.expect(phone.client, "SIP/2.0 486");
        // And the other way round; its CANCEL finds the INVITE that came on the other connection.
        let home = phone.homes[usize::from(phone.client.shard())];
        let call = Request::invite().branch("z9hG4bKtwo");
        phone.w.ask(phone.client, call);
        while phone.w.take(home).is_some_and(|got| got.starts_with("ACK")) {}
        let last = Request::invite().branch("z9hG4bKthree");
        phone.w.ask(phone.client, last);
        let invite = phone.w.expect(home, "INVITE");
        phone.w.rings(home, &invite);
        phone.w.expect(phone.client, "SIP/2.0 180");
        phone.come_back();
        let cancel = Request::of("CANCEL").branch("z9hG4bKthree");
        phone.w.ask(phone.client, cancel);
        phone.w.expect(home, "CANCEL");
        phone.w.answers(home, &invite, 487);
        phone.w.expect(phone.client, "SIP/2.0 200");
        phone.w.expect(phone.client, "SIP/2.0 487");
    });
}

#[test]
fn a_phone_that_registers_anew_takes_its_ringing_call_along_although_the_old_connection_still_stands()
 {
    each(|mut phone| {
        let before = phone.client;
        phone.called("z9hG4bK1");
        phone.connect();
        phone.register();
        let again = phone.w.expect(phone.client, "INVITE");
        phone.w.answers(phone.client, &again, 200);
        phone.w.expect(phone.homes[0], "SIP/2.0 200");
        assert_eq!(
            phone.w.kept[&before], None,
            "it is held for nobody any more"
        );
        phone.w.lose(before);
        phone.called("z9hG4bK2");
    });
}

/// What a registrar answers, and whether the phone can be called after it.
#[track_caller]
fn granted(phone: &mut Phone, answer_more: &str, status: &str) -> bool {
    let (home, client) = (phone.homes[usize::from(phone.client.shard())], phone.client);
    let register = registration("sip:alice@contoso.test", "z9hG4bKgrant", "");
    phone.w.send(client, &register);
    let asked = phone.w.expect(home, "REGISTER");
    phone.w.send(home, &answer(&asked, status, answer_more));
    phone.w.take(client).unwrap();
    phone
        .w
        .send(phone.homes[0], &invite(&phone.path, "z9hG4bKtry"));
    phone.w.pass(60 * SECOND);
    let arrived = phone.w.take(client).is_some();
    while phone.w.take(phone.homes[0]).is_some() {}
    arrived
}

const CONTACT: &str = "Contact: <sip:alice@10.0.0.1;transport=tls>;expires=";

#[test]
fn only_a_200_that_lists_the_contact_with_time_left_binds() {
    let cases = [
        ("200 OK", format!("{CONTACT}600\n"), true),
        ("200 OK", format!("{CONTACT}0\n"), false),
        ("200 OK", String::new(), false),
        (
            "200 OK",
            "Contact: <sip:alice@10.0.0.2>;expires=600\n".to_owned(),
            false,
        ),
        ("401 Unauthorized", format!("{CONTACT}600\n"), false),
        ("403 Forbidden", format!("{CONTACT}600\n"), false),
        ("302 Moved Temporarily", format!("{CONTACT}600\n"), false),
    ];
    for (status, more, binds) in cases {
        each(|mut phone| {
            phone.w.lose(phone.client);
            phone.connect();
            phone.w.pass(40 * SECOND);
            assert_eq!(granted(&mut phone, &more, status), binds, "{status} {more}");
        });
    }
}

#[test]
fn a_refused_registration_changes_nothing_of_the_one_that_stands() {
    each(|mut phone| {
        let before = phone.client;
        phone.connect();
        assert!(!granted(&mut phone, "", "403 Forbidden"));
        let mut arrived = 0;
        while phone.w.take(before).is_some() {
            arrived += 1;
        }
        assert!(arrived > 0, "the call came where the registration stands");
    });
}

#[test]
fn zero_seconds_a_star_and_time_end_a_binding_and_a_refresh_keeps_it() {
    let ends: [fn(&mut Phone); 4] = [
        |phone| assert!(!granted(phone, &format!("{CONTACT}0\n"), "200 OK")),
        |phone| {
            let home = phone.homes[usize::from(phone.client.shard())];
            let star = registration("sip:alice@contoso.test", "z9hG4bKstar", "")
                .replace("<sip:alice@10.0.0.1;transport=tls>", "*");
            phone.w.send(phone.client, &star);
            let asked = phone.w.expect(home, "REGISTER");
            phone.w.answers(home, &asked, 200);
            phone.w.expect(phone.client, "SIP/2.0 200");
        },
        // An hour and its margin, the list of its minute included.
        |phone| phone.w.pass(Duration::from_secs(3_960 + 61)),
        |phone| {
            phone.w.lose(phone.client);
            phone.w.pass(Duration::from_secs(601));
            phone.connect();
        },
    ];
    for end in ends {
        each(|mut phone| {
            phone.w.pass(31 * SECOND);
            end(&mut phone);
            phone.w.events.clear();
            phone
                .w
                .send(phone.homes[0], &invite(&phone.path, "z9hG4bKlate"));
            phone.w.refused(phone.homes[0], "SIP/2.0 430", "flow_gone");
            phone.w.silent(phone.client);
        });
    }
    each(|mut phone| {
        for _ in 0..3 {
            phone.w.pass(Duration::from_secs(3_000));
            phone.register();
        }
        phone.called("z9hG4bK1");
        let until = phone.w.kept[&phone.client].unwrap();
        assert_eq!(until - phone.w.now, Duration::from_secs(3_960));
    });
}

#[test]
fn a_connection_holds_so_many_bindings_and_the_node_too_and_what_is_refused_is_logged() {
    let mut site = topology();
    site.limits.bindings_per_client = 2;
    let mut w = World::with(site, 1);
    let (client, home) = (w.client(), w.peer(FE01));
    let device = |n: u32| format!(";reg-id={n};+sip.instance=\"<urn:uuid:1>\"");
    let paths: Vec<String> = (1..=3)
        .map(|n| w.register(client, home, &device(n)))
        .collect();
    w.pass(31 * SECOND);
    let refused = |w: &mut World, expected: &str| {
        let refusals = w.events.iter().filter_map(|event| {
            let Event::BindingRefused { reason, remote } = event else {
                return None;
            };
            Some((reason.code(), remote.is_some()))
        });
        assert_eq!(refusals.collect::<Vec<_>>(), [(expected, true)]);
        w.events.clear();
    };
    refused(&mut w, "client_bindings");
    for (at, path) in paths.iter().enumerate() {
        w.send(home, &invite(path, &format!("z9hG4bK{at}")));
        match at {
            2 => w.refused(home, "SIP/2.0 430", "flow_gone"),
            _ => w.expect(client, "INVITE"),
        };
    }
    // In all.
    let mut site = topology();
    site.limits.bindings = 2;
    let mut w = World::with(site, 1);
    let (client, home) = (w.client(), w.peer(FE01));
    let paths: Vec<String> = (1..=3)
        .map(|n| w.register(client, home, &device(n)))
        .collect();
    refused(&mut w, "bindings_full");
    w.pass(31 * SECOND);
    w.send(home, &invite(&paths[2], "z9hG4bK9"));
    w.refused(home, "SIP/2.0 430", "flow_gone");
    assert_eq!(w.cores[0].env.links.bindings_of(client).count(), 2);
    // One that ends makes room.
    w.lose(client);
    w.pass(Duration::from_secs(700));
    let client = w.client();
    assert_eq!(w.register(client, home, &device(3)), paths[2]);
    w.send(home, &invite(&paths[2], "z9hG4bK10"));
    w.expect(client, "INVITE");
}

#[test]
fn a_pool_says_what_its_servers_are_answered() {
    let mut site = topology();
    site.pools[0].flow_status = 480;
    let mut phone = Phone::with(site, 1);
    phone.w.lose(phone.client);
    phone.w.pass(30 * SECOND);
    phone
        .w
        .send(phone.homes[0], &invite(&phone.path, "z9hG4bK1"));
    phone.w.refused(phone.homes[0], "SIP/2.0 480", "flow_gone");
}

#[test]
fn a_question_about_a_client_goes_to_one_shard() {
    let mut phone = Phone::new(3);
    let other = phone.homes[0];
    for round in 0..4 {
        phone.w.asked_of.clear();
        phone
            .w
            .send(other, &invite(&phone.path, &format!("z9hG4bK{round}")));
        phone.w.expect(phone.client, "INVITE");
        // At most a question and its answer.
        assert!(phone.w.asked_of.len() <= 2, "{:?}", phone.w.asked_of);
    }
}

#[test]
fn two_users_of_one_connection_are_two_bindings_and_requests_belong_to_the_one_in_from() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let alice = w.register(client, home, "");
    let register = registration("sip:carol@contoso.test", "z9hG4bKcarol", "");
    w.send(client, &register);
    let asked = w.expect(home, "REGISTER");
    let carol = format!("Route: {}\n", field(&asked, "Path").unwrap());
    w.send(home, &answer(&asked, "200 OK", &format!("{CONTACT}600\n")));
    w.expect(client, "SIP/2.0 200");
    assert_ne!(alice, carol);
    let mut of = |from: &str, branch: &str| {
        let request = Request::invite().from(from).branch(branch);
        w.ask(client, request);
        let invite = w.expect(home, "INVITE");
        format!("Route: {}\n", field(&invite, "Record-Route").unwrap())
    };
    let calls = [
        of("<sip:alice@contoso.test>;tag=1", "z9hG4bK1"),
        of("<sip:carol@contoso.test>;tag=1", "z9hG4bK2"),
    ];
    // Alice comes back on another connection, carol does not.
    w.lose(client);
    let after = w.client();
    w.register(after, home, "");
    while w.take(after).is_some() {}
    w.send(home, &request("BYE", &calls[0], "z9hG4bK3"));
    w.expect(after, "BYE");
    w.send(home, &request("BYE", &calls[1], "z9hG4bK4"));
    w.silent(after);
}

/// Nothing of it is left when it is over.
#[test]
fn a_drained_core_keeps_no_wait() {
    each(|mut phone| {
        phone.w.lose(phone.client);
        phone
            .w
            .send(phone.homes[0], &invite(&phone.path, "z9hG4bK1"));
        phone.w.pass(Duration::from_secs(9_000));
        phone.w.all_freed();
        let mut out = Actions::default();
        for core in &mut phone.w.cores {
            core.on_deadline(phone.w.now, &mut out);
            assert_eq!(
                core.env.directory.next(),
                None,
                "something is left to be forgotten"
            );
        }
    });
}
