//! Passwords that are guessed, and those that are only mistyped.
use super::world::*;
use crate::proxy::LinkId;
use std::time::Duration;

const CREDENTIALS: &str = "Authorization: Digest username=\"alice\"\n";

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
