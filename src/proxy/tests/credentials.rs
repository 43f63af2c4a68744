//! Passwords that are guessed, and those that are only mistyped.
use super::world::*;
use crate::proxy::LinkId;
use std::time::Duration;

const CREDENTIALS: &str = "Authorization: Digest username=\"alice\"\n";

/// Clients of one address, in one shard with their home server.
fn behind_nat() -> (World, LinkId) {
    let mut w = World::new();
    let home = w.peer(FE01);
    (w, home)
}

/// A request of bob's with these credentials.
fn guess(w: &mut World, client: LinkId, number: u32, credentials: &str) {
    let (from, branch) = (
        format!("<sip:bob{number}@contoso.test>;tag=a"),
        format!("z9hG4bKg{number}"),
    );
    let request = Request::of("MESSAGE").from(&from).branch(&branch);
    w.send(client, &request.more(credentials).to_string());
}

/// A REGISTER of this user with credentials.
fn register(w: &mut World, client: LinkId, user: &str, number: u32) {
    let (from, branch) = (
        format!("<sip:{user}@contoso.test>;tag=a"),
        format!("z9hG4bK{user}{number}"),
    );
    let request = Request::of("REGISTER")
        .uri("sip:contoso.test")
        .from(&from)
        .to("<sip:alice@contoso.test>")
        .branch(&branch)
        .cseq(number + 1)
        .more(CREDENTIALS);
    w.send(client, &request.to_string());
}

/// Whether it reaches the home server, which refuses it with this status and challenge.
fn is_tried(w: &mut World, client: LinkId, home: LinkId, status: u16, challenge: &str) -> bool {
    match w.take(home) {
        Some(got) => {
            w.answers_with(home, &got, status, challenge);
            w.expect(client, &format!("SIP/2.0 {status}"));
            true
        }
        None => {
            let refusal = w.expect(client, "SIP/2.0 503");
            assert!(field(&refusal, "Retry-After").is_some());
            false
        }
    }
}

#[test]
fn ten_wrong_passwords_in_a_minute_are_tried_and_no_more() {
    // Those of all shards are counted together.
    let mut w = World::with(topology(), 3);
    let homes = [0, 1, 2].map(|shard| w.peer_in(shard, FE01));
    let home = homes[0];
    let mut tried = 0;
    for number in 0..30 {
        // A connection of its own for each, and a name of its own.
        let shard = number as u8 % 3;
        let (client, home) = (w.client_in(shard), homes[usize::from(shard)]);
        register(&mut w, client, &format!("user{number}"), number);
        let status = [401, 403, 407][number as usize / 3 % 3];
        tried += u32::from(is_tried(&mut w, client, home, status, ""));
    }
    assert_eq!(tried, 10);
    let client = w.client();
    // Without credentials nothing is guessed.
    w.ask(client, Request::of("MESSAGE"));
    let got = w.expect(home, "MESSAGE");
    w.answers(home, &got, 200);
    w.expect(client, "SIP/2.0 200");
    w.pass(Duration::from_secs(61));
    register(&mut w, client, "alice", 31);
    assert!(is_tried(&mut w, client, home, 401, ""));
}

#[test]
fn an_old_nonce_is_no_wrong_password() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    for number in 0..30 {
        register(&mut w, client, "alice", number);
        let challenge = "WWW-Authenticate: Digest nonce=\"n\", Stale = TRUE\n";
        assert!(is_tried(&mut w, client, home, 401, challenge));
    }
}

#[test]
fn no_neighbour_who_guesses_keeps_out_who_has_registered_from_there_before() {
    let (mut w, home) = behind_nat();
    let phone = w.client();
    w.register(phone, home, "");
    w.lose(phone);
    let guesser = w.client();
    for number in 0..10 {
        register(&mut w, guesser, &format!("user{number}"), number);
        assert!(is_tried(&mut w, guesser, home, 401, ""));
    }
    register(&mut w, guesser, "mallory", 20);
    assert!(!is_tried(&mut w, guesser, home, 401, ""));
    // It is back on another connection, which holds nothing yet; and mistyped passwords of its own are tries as ever.
    let phone = w.client();
    for number in 30..42 {
        register(&mut w, phone, "alice", number);
        assert_eq!(is_tried(&mut w, phone, home, 401, ""), number < 40);
    }
}

#[test]
fn who_holds_a_binding_takes_no_try_of_its_neighbours_and_has_a_bound_of_its_own() {
    let (mut w, home) = behind_nat();
    let phone = w.client();
    w.register(phone, home, "");
    let mut tried = 0;
    for number in 0..120 {
        let credentials = format!("Proxy-Authorization: Digest username=\"victim{number}\"\n");
        guess(&mut w, phone, number, &credentials);
        tried += u32::from(is_tried(&mut w, phone, home, 403, ""));
    }
    assert_eq!(tried, 100);
    let stranger = w.client();
    register(&mut w, stranger, "carol", 200);
    assert!(is_tried(&mut w, stranger, home, 401, ""));
}

#[test]
fn whoever_from_is_the_account_of_the_credentials_is_what_is_guessed() {
    for spelled in [
        "Authorization: Digest realm=\"a,b\", username=\"alice\"\n",
        "Authorization: Digest USERNAME = \"Al\\ice\"\n",
        "Proxy-Authorization: Digest username*=UTF-8''%61lice\n",
        "Authorization: Digest username=alice\nProxy-Authorization: Digest username=\"alice\"\n",
    ] {
        let (mut w, home) = behind_nat();
        for number in 0..30 {
            let client = w.client_from([203, 0, 113, number as u8]);
            // Nobody is refused from where nothing was refused before.
            guess(&mut w, client, number, spelled);
            assert!(is_tried(&mut w, client, home, 401, ""));
            guess(
                &mut w,
                client,
                100 + number,
                "Authorization: Digest username=\"alice\"\n",
            );
            assert_eq!(
                is_tried(&mut w, client, home, 401, ""),
                number < 5,
                "{spelled}"
            );
        }
    }
}

#[test]
fn no_more_than_so_many_tries_of_one_account_are_under_way() {
    let (mut w, home) = behind_nat();
    let mut sent = 0;
    let mut branches = Vec::new();
    for number in 0..120 {
        // Further names hide none.
        let decoy = format!("{CREDENTIALS}Proxy-Authorization: Digest username=\"x{number}\"\n");
        let client = w.client();
        guess(&mut w, client, number, &decoy);
        if let Some(got) = w.take(home) {
            branches.push((client, got));
            sent += 1;
        }
    }
    assert_eq!(sent, 100);
    // What is let in is no try any more.
    for (_, got) in branches {
        w.answers(home, &got, 200);
    }
    let client = w.client();
    let decoy = format!("{CREDENTIALS}Proxy-Authorization: Digest username=\"x\"\n");
    guess(&mut w, client, 500, &decoy);
    w.expect(home, "MESSAGE");
}

#[test]
fn no_more_than_so_many_accounts_of_one_source_are_tried_at_once() {
    let (mut w, home) = behind_nat();
    // Nobody has proven anything yet: each is another user with another account.
    let mut tried = Vec::new();
    for number in 0..150 {
        let client = w.client();
        let credentials = format!("Authorization: Digest username=\"x{number}\"\n");
        guess(&mut w, client, number, &credentials);
        match w.take(home) {
            Some(got) => tried.push((client, got)),
            None => {
                let refusal = w.expect(client, "SIP/2.0 503");
                assert_eq!(field(&refusal, "Retry-After"), Some("1"), "{refusal}");
            }
        }
    }
    assert_eq!(tried.len(), 100);
    // As each is answered another one has room, until so many were refused.
    for (client, got) in tried.drain(..5) {
        w.answers_with(home, &got, 401, "");
        w.expect(client, "SIP/2.0 401");
    }
    let client = w.client();
    guess(&mut w, client, 200, CREDENTIALS);
    w.expect(home, "MESSAGE");
    for (_, got) in tried {
        w.answers_with(home, &got, 401, "");
    }
    let client = w.client();
    guess(&mut w, client, 201, CREDENTIALS);
    let refusal = w.expect(client, "SIP/2.0 503");
    assert_eq!(field(&refusal, "Retry-After"), Some("60"), "{refusal}");
}
