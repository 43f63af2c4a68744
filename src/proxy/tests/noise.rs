//! Mutilated messages through the core: whatever is framed coming in, what goes out is one well-framed message, and nothing
//! is kept.
use super::seeds::Cases;
use super::world::*;
use crate::proxy::LinkId;
use crate::sip::{FrameLimits, Framer, LineTable, Message, Scan};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One change to a message.
#[derive(Clone, Debug)]
enum Change {
    /// Octets that parsers trip over are put in.
    Insert(Index, &'static str),
    /// Some octets go.
    Remove(Index, u8),
    /// One octet becomes another.
    Replace(Index, u8),
    /// A whole line stands twice.
    Repeat(Index),
    /// A whole line goes.
    Drop(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let spice = prop::sample::select(vec![
        " ",
        "\t",
        ":",
        ";",
        ",",
        "\"",
        "<",
        ">",
        "\\",
        "%",
        "\0",
        "=",
        "@",
        "[",
        "\r\n ",
        "Route: <sip:edge01.contoso.test;lr>\r\n",
        "Via: SIP/2.0/TLS edge01.contoso.test;branch=z9hG4bK\r\n",
        "Max-Forwards: 0\r\n",
        "Proxy-Require: x\r\n",
        ";maddr=",
        ";lr",
        ";tag=1",
        "z9hG4bK",
    ]);
    prop_oneof![
        3 => (any::<Index>(), spice).prop_map(|(at, text)| Change::Insert(at, text)),
        2 => (any::<Index>(), 1_u8..20).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Change::Replace(at, octet)),
        1 => any::<Index>().prop_map(Change::Repeat),
        1 => any::<Index>().prop_map(Change::Drop),
    ]
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        if octets.is_empty() {
            return;
        }
        let line = |octets: &[u8], at: &Index| {
            let lines: Vec<&[u8]> = octets.split_inclusive(|b| *b == b'\n').collect();
            let number = at.index(lines.len());
            let from: usize = lines.iter().take(number).map(|l| l.len()).sum();
            from..from + lines[number].len()
        };
        match self {
            Self::Insert(at, text) => {
                let at = at.index(octets.len());
                octets.splice(at..at, text.bytes());
            }
            Self::Remove(at, count) => {
                let at = at.index(octets.len());
                let end = octets.len().min(at + usize::from(*count));
                octets.drain(at..end);
            }
            Self::Replace(at, octet) => {
                let at = at.index(octets.len());
                octets[at] = *octet;
            }
            Self::Repeat(at) => {
                let range = line(octets, at);
                let copy = octets[range.clone()].to_vec();
                octets.splice(range.end..range.end, copy);
            }
            Self::Drop(at) => {
                let range = line(octets, at);
                octets.drain(range);
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let more = "Route: <sip:edge01.contoso.test;lr>, <sip:contoso.test;lr>\nContact: <sip:a@10.0.0.1>;reg-id=1\n\
                Supported: path, outbound\nP-Asserted-Identity: <sip:a@contoso.test>\nPrivacy: id\n";
    [
        "INVITE",
        "CANCEL",
        "ACK",
        "BYE",
        "REGISTER",
        "OPTIONS",
        "MESSAGE",
        "SUBSCRIBE",
    ]
    .into_iter()
    .map(|method| wire(&Request::of(method).more(more).to_string()))
    .collect()
}

const LIMITS: FrameLimits = FrameLimits {
    head: 65_536,
    body: 65_536,
};

/// Exactly one message and nothing behind it.
#[track_caller]
fn assert_one_message(octets: &[u8]) {
    match Framer::default().scan(octets, &LIMITS, &mut LineTable::default()) {
        Ok(Scan::Message(message)) => assert_eq!(message.bytes().len(), octets.len()),
        other => panic!("{other:?} of {}", String::from_utf8_lossy(octets)),
    }
}

fn drain(w: &mut World, links: &[LinkId]) -> Vec<(LinkId, Vec<u8>)> {
    let mut out = Vec::new();
    for link in links {
        while let Some(octets) = w.take_bytes(*link) {
            assert_one_message(&octets);
            out.push((*link, octets));
        }
    }
    out
}

const CASES: Cases = Cases {
    fixed: 400,
    fresh: 100,
    kept_in: "src/proxy/tests/noise_regressions.txt",
};

#[test]
fn whatever_comes_in_what_goes_out_is_one_message_and_nothing_is_kept() {
    let inputs = (
        0_usize..8,
        any::<bool>(),
        0_usize..3,
        prop::collection::vec(change(), 1..5),
        prop::collection::vec(change(), 0..3),
    );
    CASES.check(&inputs, |(seed, before, sender, changes, answered)| {
        static GENERATION: OnceLock<Arc<crate::trust::Generation>> = OnceLock::new();
        let generation = GENERATION.get_or_init(|| generation(topology()));
        let mut w = World::on(Arc::clone(generation), 1);
        let links = [w.client(), w.peer(FE01), w.peer(PARTNER), w.client()];
        if before {
            // Something for a CANCEL or ACK to find.
            w.send_bytes(links[sender], &seeds()[0]);
            drain(&mut w, &links);
        }
        let mut octets = seeds()[seed].clone();
        for change in &changes {
            change.apply(&mut octets);
        }
        let framed = match Framer::default().scan(&octets, &LIMITS, &mut LineTable::default()) {
            Ok(Scan::Message(message)) => message.bytes().len(),
            Ok(_) | Err(_) => return,
        };
        octets.truncate(framed);
        w.send_bytes(links[sender], &octets);
        let is_ack = octets.starts_with(b"ACK ");
        for (link, got) in drain(&mut w, &links) {
            let is_answer = got.starts_with(b"SIP/2.0 ");
            assert!(!(is_ack && is_answer), "an ACK was answered");
            if is_answer {
                assert_eq!(link, links[sender], "an answer to a stranger");
                continue;
            }
            // The far end answers, not quite right either.
            let request = Message::parse(&got).unwrap();
            let mut reply = Vec::new();
            crate::sip::write_reply(
                &request,
                ([192, 0, 2, 1], 5061).into(),
                200,
                Some(b"b"),
                &[],
                &mut reply,
            );
            for change in &answered {
                change.apply(&mut reply);
            }
            if let Ok(Scan::Message(message)) =
                Framer::default().scan(&reply, &LIMITS, &mut LineTable::default())
            {
                let reply = message.bytes().to_vec();
                w.send_bytes(link, &reply);
                drain(&mut w, &links);
            }
        }
        w.pass(Duration::from_secs(400));
        drain(&mut w, &links);
        w.all_freed();
    });
}
