//! Several bindings at once: what one user takes and unregisters, and what a change of keys does.
use super::world::*;
use crate::observe::Event;
use crate::proxy::{LinkId, TokenKeys};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// So many bindings in all, and so many of one connection and one user.
fn world(all: usize, one: usize, shards: u8) -> World {
    let mut site = topology();
    site.limits.bindings = all;
    site.limits.bindings_per_client = one;
    site.limits.bindings_per_user = one;
    World::with(site, shards)
}

fn rotate(w: &mut World, keys: &[(u8, [u8; 32])]) {
    let (tables, now) = (w.tables(&w.generation), w.now);
    let keys = Arc::new(TokenKeys::new(keys, [7; 32]));
    w.rekey(&tables, &keys, now);
}

/// How many numbers the directories know, which must be those that the connections hold.
#[track_caller]
fn numbers(w: &World) -> usize {
    let known: usize = w.cores.iter().map(|core| core.env.directory.len()).sum();
    let links = w.cores.iter().flat_map(|core| core.env.links.all());
    let held: usize = links
        .flat_map(|(_, link)| link.held.iter().map(|held| held.ids.len()))
        .sum();
    assert_eq!(known, held);
    known
}

/// How many bindings the connections hold.
fn held(w: &World) -> usize {
    let links = w.cores.iter().flat_map(|core| core.env.links.all());
    links.map(|(_, link)| link.held.len()).sum()
}

fn refusals(w: &mut World) -> usize {
    let refused = |event: &Event| matches!(event, Event::BindingRefused { .. });
    let count = w.events.iter().filter(|event| refused(event)).count();
    w.events.clear();
    count
}

/// A user with many phones, each on a connection of its own, as a hotline's.
#[test]
fn a_user_has_phones_beyond_what_a_connection_may_hold_up_to_a_bound_of_its_own() {
    for shards in [1, 3] {
        let mut site = topology();
        site.limits.bindings_per_client = 1;
        site.limits.bindings_per_user = 20;
        let mut w = World::with(site, shards);
        for n in 0..100 {
            let client = w.client_in(n % shards);
            w.bind(client, &n.to_string());
            // At least as many as the bound says, and in no shard more.
            assert!(refusals(&mut w) == 0 || n >= 20, "{n}");
        }
        assert!(held(&w) >= 20 && held(&w) <= 20 * usize::from(shards));
        let most = w.cores.iter().map(|core| core.env.directory.len()).max();
        assert_eq!(most, Some(20));
    }
}

#[test]
fn a_second_key_takes_nobodys_binding_and_needs_no_room() {
    let (old, new) = ((1, [1; 32]), (2, [2; 32]));
    for shards in [1, 3] {
        let mut w = world(40, 100, shards);
        rotate(&mut w, &[old]);
        for n in 0..45 {
            let client = w.client_in(n % shards);
            w.bind(client, &n.to_string());
        }
        // Where the hash is uneven a shard is full sooner.
        let before = held(&w);
        assert_eq!(refusals(&mut w), 45 - before);
        assert!(before > 30 && numbers(&w) == before, "{before}");
        rotate(&mut w, &[new, old]);
        assert_eq!((held(&w), numbers(&w)), (before, 2 * before));
        assert_eq!(refusals(&mut w), 0);
        // Nor is there room for more than before.
        let client = w.client();
        for n in 100..150 {
            w.bind(client, &n.to_string());
            assert!(numbers(&w) <= 100);
        }
        assert!(refusals(&mut w) > 0);
        let whole = numbers(&w);
        rotate(&mut w, &[new]);
        assert!(numbers(&w) < whole, "the old key's numbers are gone");
        assert_eq!(refusals(&mut w), 0);
    }
}

#[test]
fn one_user_who_registers_and_goes_away_takes_no_room_of_others() {
    for shards in [1, 3] {
        let mut w = world(64, 16, shards);
        let homes: Vec<_> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        for round in 0..20 {
            let client = w.client_in(round % shards);
            for n in 0..16 {
                w.bind(client, &format!("{round}-{n}"));
            }
            assert_eq!(
                refusals(&mut w),
                0,
                "its own phones come and go as they like"
            );
            w.lose(client);
        }
        let known: usize = w.cores.iter().map(|core| core.env.directory.len()).sum();
        assert!(known <= 16 * usize::from(shards), "{known}");
        let carol = w.client();
        let register = registration("sip:carol@contoso.test", "z9hG4bKcarol", "");
        w.send(carol, &register);
        let asked = w.expect(homes[0], "REGISTER");
        let granted = "Contact: <sip:alice@10.0.0.1;transport=tls>;expires=600\n";
        w.send(homes[0], &answer(&asked, "200 OK", granted));
        w.expect(carol, "SIP/2.0 200");
        w.pass(31 * SECOND);
        let path = format!("Route: {}\n", field(&asked, "Path").unwrap());
        w.ask(
            homes[0],
            Request::invite().branch("z9hG4bKcall").more(&path),
        );
        w.expect(carol, "INVITE");
    }
}

#[test]
fn what_is_unregistered_over_another_connection_ends_and_its_ringing_call_goes_on() {
    let one = |n: u32| format!(";reg-id=1;+sip.instance=\"<urn:uuid:{n}>\"");
    for (shards, all) in [(1, false), (3, false), (1, true), (3, true)] {
        let mut w = World::with(topology(), shards);
        let homes: Vec<_> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let phones = [w.client_in(0), w.client_in(1 % shards)];
        let home = |phone: LinkId| homes[usize::from(phone.shard())];
        let paths = [1, 2].map(|n| {
            let phone = phones[n as usize - 1];
            w.register(phone, home(phone), &one(n))
        });
        w.pass(31 * SECOND);
        w.ask(
            homes[0],
            Request::invite().branch("z9hG4bKring").more(&paths[0]),
        );
        let rung = w.expect(phones[0], "INVITE");
        w.rings(phones[0], &rung);
        w.expect(homes[0], "SIP/2.0 180");
        let third = w.client_in(2 % shards);
        let device = if all { String::new() } else { one(1) };
        let mut register = registration("sip:alice@contoso.test", "z9hG4bKend", &device);
        if all {
            register = register.replace("<sip:alice@10.0.0.1;transport=tls>", "*");
        }
        w.send(third, &register);
        let asked = w.pick(home(third), "REGISTER");
        w.answers(home(third), &asked, 200);
        w.pick(third, "SIP/2.0 200");
        w.events.clear();
        for (at, path) in paths.iter().enumerate() {
            let branch = format!("z9hG4bK{at}");
            w.ask(homes[0], Request::invite().branch(&branch).more(path));
            if at == 0 || all {
                w.refused(homes[0], "SIP/2.0 430", "flow_gone");
            } else {
                w.expect(phones[at], "INVITE");
            }
        }
        assert_eq!(numbers(&w), usize::from(!all));
        assert_eq!(w.kept[&phones[0]], None);
        w.answers(phones[0], &rung, 200);
        w.expect(homes[0], "SIP/2.0 200");
    }
}
