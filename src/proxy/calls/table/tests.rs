//! The table of calls by itself: room, time, and dialogs that pass twice.
use super::*;
use crate::observe::Parties;
use crate::proxy::link_id::LinkId;
use crate::proxy::node_memory::Party;
use crate::proxy::secrets::Secrets;
use crate::proxy::source_key::SourceKey;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const ROOM: CallRoom = CallRoom {
    all: 100,
    one: 100,
    source: 100,
    idle: HOUR,
};

#[expect(clippy::disallowed_methods, reason = "any starting point will do")]
fn begun() -> (CallTable, Instant) {
    let t0 = Instant::now();
    (CallTable::new(t0), t0)
}

/// Of a node whose other shards have nothing; what is kept for a call has its own hold on it.
fn memory() -> Rc<ShardMemory> {
    ShardMemory::new(&Arc::default())
}

fn party(last: u8) -> Party {
    Party::Source(SourceKey::of([192, 0, 2, last].into()))
}

fn key(number: u32) -> CallKey {
    let secrets = Secrets::new(&[3; 32], 0);
    CallKey::of(&secrets, &number.to_be_bytes(), b"a", b"b")
}

fn client(slot: u32) -> CallClient {
    CallClient::Link(LinkId::new(0, slot, 1))
}

fn record(who: &[u8], from_peer: Option<&str>) -> CallRecord {
    CallRecord {
        parties: Parties::new([b"id", who, b"sip:b", b"sip:b", b""]),
        connection: 1,
        remote: ([192, 0, 2, 7], 5061).into(),
        decision: None,
        from_peer: from_peer.map(Into::into),
        through: None,
        to_peer: None,
        to_client: true,
        to_connection: Some(2),
        setup: SECOND,
        ringing: None,
        talk: None,
        ended_by: EndedBy::Node,
        status: None,
    }
}

fn answered(number: u32, clients: [Option<CallClient>; 2], at: Instant) -> AnsweredCall {
    AnsweredCall {
        key: key(number),
        record: record(b"sip:a", None),
        clients,
        callee: [192, 0, 2, 8].into(),
        caller: 7,
        at,
        session: None,
    }
}

fn bye(number: u32, by: u64, at: Instant) -> HungUp {
    HungUp {
        key: key(number),
        by,
        at,
        status: Some(200),
    }
}

#[test]
fn a_call_is_up_from_its_answer_to_its_bye_and_says_who_hung_up() {
    let (mut table, t0) = begun();
    for (number, by, ended) in [(1, 7, EndedBy::Caller), (2, 8, EndedBy::Callee)] {
        let call = answered(number, [Some(client(1)), None], t0);
        table.answered(call, ROOM, &memory()).unwrap();
        assert_eq!(table.len(), 1);
        assert!(table.clients().has(client(1)) && !table.clients().has(client(2)));
        let listed: Vec<_> = table.all().map(|call| call.at).collect();
        assert_eq!((&listed[..], table.most_of_a_client()), (&[t0][..], 1));
        let record = table.hung_up(bye(number, by, t0 + 5 * SECOND)).unwrap().0;
        assert_eq!((record.talk, record.ended_by), (Some(5 * SECOND), ended));
        assert_eq!(record.status, Some(200));
        // Both sides hang up at once: the second BYE ends nothing.
        assert!(table.hung_up(bye(number, 9, t0)).is_none());
    }
    assert!(table.of_client.is_empty() && table.ends.is_empty());
    assert_eq!(table.next(), None);
}

#[test]
fn there_is_room_for_so_many_in_all_and_for_each_client() {
    let (mut table, t0) = begun();
    let room = CallRoom {
        all: 3,
        one: 2,
        source: 100,
        idle: HOUR,
    };
    let mut enter = |number, one: u32| {
        let call = answered(number, [None, Some(client(one))], t0);
        table
            .answered(call, room, &memory())
            .map_err(|(reason, _)| reason)
    };
    assert_eq!(enter(1, 1), Ok(()));
    assert_eq!(enter(2, 1), Ok(()));
    assert_eq!(enter(3, 1), Err(MessageReason::ClientCalls));
    assert_eq!(enter(4, 2), Ok(()));
    assert_eq!(enter(5, 3), Err(MessageReason::CallsFull));
    assert_eq!(table.len(), 3);
    // What was refused has left nothing behind.
    assert!(!table.clients().has(client(3)));
    table.hung_up(bye(1, 7, t0)).unwrap();
    let call = answered(3, [Some(client(1)), None], t0);
    assert!(table.answered(call, room, &memory()).is_ok());
}

#[test]
fn what_is_not_refreshed_ends_by_its_session_and_everything_by_idleness() {
    let (mut table, t0) = begun();
    for (number, session) in [
        (1, Some(1)),
        (2, Some(1_800)),
        (3, None),
        (4, Some(u64::MAX)),
    ] {
        let session = session.map(Duration::from_secs);
        let call = AnsweredCall {
            session,
            ..answered(number, [None, None], t0)
        };
        table.answered(call, ROOM, &memory()).unwrap();
    }
    let ended = |table: &mut CallTable, seconds: u32| {
        let mut list = Vec::new();
        table.expire(t0 + seconds * SECOND, |it| list.push(it.0.ended_by));
        list
    };
    // RFC 4028 §4: no session is shorter than 90 seconds, whatever a message says.
    assert_eq!(table.next(), Some(t0 + 122 * SECOND));
    assert_eq!(ended(&mut table, 121), []);
    assert_eq!(ended(&mut table, 122), [EndedBy::SessionExpired]);
    table.refreshed(key(2), Some(1_800 * SECOND), HOUR, t0 + 1_000 * SECOND);
    assert_eq!(ended(&mut table, 2_000), []);
    assert_eq!(ended(&mut table, 2_832), [EndedBy::SessionExpired]);
    // A re-INVITE without the field ends the session, and the call stays.
    table.refreshed(key(3), None, HOUR, t0 + 3_000 * SECOND);
    assert_eq!(ended(&mut table, 3_600), [EndedBy::CallIdle]);
    assert_eq!(ended(&mut table, 6_599), []);
    assert_eq!(ended(&mut table, 6_600), [EndedBy::CallIdle]);
    table.refreshed(key(3), None, HOUR, t0);
    assert_eq!((table.len(), table.next()), (0, None));
}

#[test]
fn a_refresh_moves_the_end_either_way() {
    let (mut table, t0) = begun();
    table
        .answered(answered(1, [None, None], t0), ROOM, &memory())
        .unwrap();
    table.refreshed(key(1), Some(100 * SECOND), HOUR, t0 + 10 * SECOND);
    assert_eq!(table.next(), Some(t0 + 142 * SECOND));
    table.refreshed(key(1), Some(1_800 * SECOND), HOUR, t0 + 20 * SECOND);
    let mut ended = 0;
    table.expire(t0 + 1_851 * SECOND, |_| ended += 1);
    assert_eq!((ended, table.next()), (0, Some(t0 + 1_852 * SECOND)));
    table.expire(t0 + 1_852 * SECOND, |_| ended += 1);
    assert_eq!((ended, table.next()), (1, None));
}

#[test]
fn many_that_end_at_once_end_in_steps() {
    let (mut table, t0) = begun();
    let room = CallRoom { all: 1_000, ..ROOM };
    for number in 0..600 {
        let call = answered(number, [None, None], t0);
        table.answered(call, room, &memory()).unwrap();
    }
    let mut steps = Vec::new();
    while table.len() > 0 {
        let mut ended = 0;
        table.expire(t0 + 2 * HOUR, |_| ended += 1);
        steps.push(ended);
    }
    assert_eq!(steps, [STEP, STEP, 600 - 2 * STEP]);
}

#[test]
fn a_dialog_that_passes_twice_counts_once_and_names_both_ends() {
    let (mut table, t0) = begun();
    let far = AnsweredCall {
        record: record(b"", Some("fe01")),
        ..answered(1, [None, Some(client(2))], t0)
    };
    let memory = memory();
    // What each side's source holds: the caller's address is the record's.
    let held = || [7, 8].map(|last| memory.open(party(last)).party_bytes());
    let cost = far.cost();
    table.answered(far, ROOM, &memory).unwrap();
    assert_eq!(held(), [0, cost]);
    let near = AnsweredCall {
        record: CallRecord {
            connection: 9,
            setup: 2 * SECOND,
            ..record(b"sip:alice", None)
        },
        ..answered(1, [Some(client(1)), None], t0)
    };
    let cost = near.cost();
    table.answered(near, ROOM, &memory).unwrap();
    assert_eq!((held(), memory.bytes()), ([cost, 0], cost));
    assert_eq!((table.len(), table.ends.len()), (1, 1));
    assert!(table.clients().has(client(1)) && table.clients().has(client(2)));
    let record = table.hung_up(bye(1, 7, t0)).unwrap().0;
    assert_eq!(record.parties.from(), b"sip:alice");
    assert_eq!(record.through.as_deref(), Some("fe01"));
    assert_eq!((record.from_peer, record.connection), (None, 9));
    assert_eq!((record.to_client, record.to_connection), (true, Some(2)));
    assert_eq!(record.setup, 2 * SECOND);
    assert!(table.of_client.is_empty());
    assert_eq!(memory.bytes(), 0);
}

#[test]
fn the_clients_of_one_source_have_so_many_calls_and_each_counts_once() {
    let (mut table, t0) = begun();
    let (memory, room) = (memory(), CallRoom { source: 2, ..ROOM });
    let mut enter = |number, clients, callee: [u8; 4]| {
        let call = AnsweredCall {
            callee: callee.into(),
            ..answered(number, clients, t0)
        };
        let entered = table.answered(call, room, &memory);
        entered.map_err(|(reason, _)| reason)
    };
    let full = Err(MessageReason::SourceCalls);
    let (both, caller) = (
        [1, 2].map(|slot| Some(client(slot))),
        [Some(client(3)), None],
    );
    // Two phones of one office, and a server as callee, whose address is not asked for.
    assert_eq!(enter(1, both, [192, 0, 2, 7]), Ok(()));
    assert_eq!(enter(2, caller, [192, 0, 2, 8]), Ok(()));
    assert_eq!(enter(3, caller, [192, 0, 2, 8]), full);
    // Whoever it calls may not keep it either, and has room for others.
    assert_eq!(enter(4, both, [192, 0, 2, 8]), full);
    let callee = [None, Some(client(4))];
    assert_eq!(enter(5, callee, [192, 0, 2, 8]), Ok(()));
    assert_eq!(enter(6, [None, None], [192, 0, 2, 7]), Ok(()));
    // What ends makes room.
    table.hung_up(bye(1, 7, t0)).unwrap();
    let call = answered(7, caller, t0);
    assert!(table.answered(call, room, &memory).is_ok());
    assert_eq!(memory.bytes(), 4 * answered(0, caller, t0).cost());
}

/// What `limits.calls` says, with texts as they usually are, 150 bytes in all; 2 KiB at most.
#[test]
fn a_call_costs_about_600_bytes() {
    let call = |text: &[u8]| AnsweredCall {
        record: CallRecord {
            parties: Parties::new([text; 5]),
            ..record(b"", None)
        },
        ..answered(1, [None, None], begun().1)
    };
    let usual = call(&[b'x'; 30]).cost();
    assert!(usual <= 700, "{usual}, {} of it fixed", size_of::<Call>());
    // Each text is cut.
    let largest = call(&[b'x'; 5_000]).cost();
    assert!((1_800..=2_048).contains(&largest), "{largest}");
}
