//! Properties of all input: what is read lies where it is said to lie, and what no edit names comes out as it came.
use crate::sip::index::{Index, LineTable};
use crate::sip::remainder::{Remainder, remainders};
use crate::sip::{Address, Edits, HeaderName, Message, Splices, StartLine, Uri, Via, ViaParams};
use proptest::prelude::*;

/// Pieces that messages are made of, broken ones too, so that random sequences come close to real messages.
const PIECES: [&str; 30] = [
    "\r\n",
    "\r\n ",
    ": ",
    ":",
    ";",
    ",",
    " ",
    "\t",
    "\"",
    "<",
    ">",
    "\\",
    "@",
    "=",
    "%41",
    "%",
    "[",
    "]",
    "Via",
    "Route: <sip:a@b;lr>",
    "f: <sip:a@b>;tag=1",
    "l: 0",
    "SIP/2.0/TLS a:5061;branch=z9hG4bK1",
    "sip:",
    "tel:",
    "a.b",
    "1.2.3.4",
    "[::1]",
    "\u{e9}",
    "\0",
];

fn noise() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)
        .prop_map(|pieces| pieces.concat())
}

fn message() -> impl Strategy<Value = String> {
    noise().prop_map(|lines| format!("INVITE sip:bob@contoso.test SIP/2.0\r\n{lines}\r\n\r\nbody"))
}

/// Whether a slice lies within another one, by place and not by content.
fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    let range = whole.as_ptr_range();
    part.is_empty() || (range.contains(&part.as_ptr()) && part.as_ptr_range().end <= range.end)
}

/// What comes out without the bytes of the lines of some names.
fn without(message: &Message<'_>, names: &[HeaderName]) -> Vec<u8> {
    let bytes = message.bytes();
    let mut kept = Vec::new();
    let mut copied = 0;
    for line in message
        .index()
        .lines()
        .iter()
        .filter(|line| names.contains(&line.name))
    {
        kept.extend_from_slice(&bytes[copied..line.start()]);
        copied = line.end();
    }
    kept.extend_from_slice(&bytes[copied..]);
    kept
}

proptest! {
    #[test]
    fn every_place_of_an_index_lies_in_the_head_and_in_order(text in message()) {
        let mut table = LineTable::default();
        if let Some(index) = Index::read(text.as_bytes(), &mut table) {
            let mut before = index.start_line;
            prop_assert!(index.start_line + 4 <= index.head && index.head <= text.len());
            for line in index.lines().iter() {
                prop_assert!(before <= line.start() && line.start() <= line.value_start());
                prop_assert!(line.value_start() <= line.value_end() && line.value_end() <= line.end());
                prop_assert!(line.end() <= index.head - 2);
                prop_assert!(line.name == HeaderName::Other || index.seen & line.name.bit() != 0);
                before = line.end();
            }
            if let Some(fault) = index.fault {
                prop_assert!(fault.offset < index.head);
            }
            prop_assert_eq!(index.repeated & !index.seen, 0, "what is repeated is seen");
        }
    }

    #[test]
    fn what_is_read_of_a_message_is_a_part_of_it(text in message()) {
        let bytes = text.as_bytes();
        let Ok(message) = Message::parse(bytes) else { return Ok(()) };
        prop_assert_eq!(message.head().len() + message.body().len(), bytes.len());
        for line in message.lines() {
            prop_assert!(lies_in(line.raw_name, bytes) && lies_in(line.value, bytes));
            for value in line.list_values().flatten() {
                prop_assert!(lies_in(value, line.value));
            }
        }
        for via in message.vias() {
            match via {
                Ok(via) => {
                    prop_assert!(lies_in(via.sent_by, bytes) && lies_in(via.params, bytes));
                    prop_assert!(lies_in(via.branch.unwrap_or_default(), via.params));
                }
                Err(fault) => prop_assert!(fault.offset <= bytes.len()),
            }
        }
        for address in message.addresses(HeaderName::Route) {
            match address {
                Ok(address) => prop_assert!(lies_in(address.uri, bytes) && lies_in(address.params, bytes)),
                Err(fault) => prop_assert!(fault.offset <= bytes.len()),
            }
        }
        for fault in [message.from().err(), message.to().err(), message.call_id().err(), message.cseq().err()] {
            prop_assert!(fault.is_none_or(|fault| fault.offset <= bytes.len()));
        }
    }

    #[test]
    fn values_are_parsed_into_parts_of_themselves(text in noise()) {
        let bytes = text.as_bytes();
        match Uri::parse(bytes) {
            Ok(uri) => {
                for part in [uri.user.unwrap_or_default(), uri.params, uri.headers] {
                    prop_assert!(lies_in(part, bytes));
                }
                let _ = (uri.maddr(), uri.param("lr"), uri.any_context(|_| false));
            }
            Err(fault) => prop_assert!(fault.offset <= bytes.len()),
        }
        match Address::parse(bytes) {
            Ok(address) => {
                prop_assert!(lies_in(address.uri, bytes) && lies_in(address.params, bytes));
                for param in address.each_param() {
                    prop_assert!(lies_in(param, address.params));
                }
            }
            Err(fault) => prop_assert!(fault.offset <= bytes.len()),
        }
        match Via::parse(bytes) {
            Ok(via) => prop_assert!(lies_in(via.transport, bytes) && lies_in(via.sent_by, bytes)),
            Err(fault) => prop_assert!(fault.offset <= bytes.len()),
        }
    }

    #[test]
    fn stripping_takes_whole_lines_and_leaves_every_other_byte(text in message()) {
        let Ok(message) = Message::parse(text.as_bytes()) else { return Ok(()) };
        let names = [HeaderName::Via, HeaderName::Route, HeaderName::From];
        let mut edits = Edits::new(&message);
        for name in names {
            edits.strip(name);
        }
        let mut out = Vec::new();
        edits.write(&mut out);
        prop_assert_eq!(out, without(&message, &names));
    }

    #[test]
    fn what_is_inserted_can_be_taken_out_again(text in message(), hops in any::<u8>()) {
        let Ok(message) = Message::parse(text.as_bytes()) else { return Ok(()) };
        let mut edits = Edits::new(&message);
        edits.prepend_via("edge01.contoso.test", b"z9hG4bKnew", ViaParams::Alias);
        edits.prepend_record_route(b"sip:new@edge01.contoso.test;lr");
        edits.insert_peer_name("fe01.contoso.test");
        edits.set_max_forwards(hops);
        let mut out = Vec::new();
        edits.write(&mut out);
        let mut text = String::from_utf8(out).unwrap();
        for line in [
            "Via: SIP/2.0/TLS edge01.contoso.test;branch=z9hG4bKnew;alias\r\n".to_owned(),
            "Record-Route: <sip:new@edge01.contoso.test;lr>\r\n".to_owned(),
            "X-Sipward-Peer: fe01.contoso.test\r\n".to_owned(),
            format!("Max-Forwards: {hops}\r\n"),
        ] {
            let at = text.find(&line);
            prop_assert!(at.is_some(), "{line} in {text}");
            text.replace_range(at.unwrap()..at.unwrap() + line.len(), "");
        }
        prop_assert_eq!(text.as_bytes(), message.bytes());
    }

    #[test]
    fn removing_list_values_leaves_those_that_were_asked_for(
        counts in prop::collection::vec(1_usize..4, 0..4),
        first in 0_usize..6,
        last in 0_usize..3,
    ) {
        let mut number = 0;
        let mut lines = String::new();
        for count in &counts {
            let values: Vec<String> = (0..*count).map(|_| { number += 1; format!("<sip:r{number}>") }).collect();
            lines += &format!("Route: {}\r\n", values.join(" , "));
        }
        let text = format!("OPTIONS sip:a SIP/2.0\r\n{lines}X: y\r\n\r\n");
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut left = String::new();
        remainders(&message, HeaderName::Route, first, last, |line, remainder| match remainder {
            Remainder::Line => left += &text[line.value_start()..line.value_end()],
            Remainder::Values(range) => left += &text[range],
            Remainder::Nothing => {}
        });
        let expected: Vec<usize> = (1..=number).filter(|n| *n > first && *n + last <= number).collect();
        let found: Vec<usize> = left
            .split('<')
            .skip(1)
            .map(|it| it.trim_start_matches("sip:r").split('>').next().unwrap().parse().unwrap())
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_splice_replaces_its_part_and_nothing_else(text in message(), with in "[a-z]{1,8}") {
        let Ok(message) = Message::parse(text.as_bytes()) else { return Ok(()) };
        let StartLine::Request { uri, .. } = message.start() else { return Ok(()) };
        let new = format!("sip:{with}");
        let mut splices = Splices::new(&message);
        prop_assert!(splices.is_empty());
        splices.replace_uri(uri, new.as_bytes());
        let mut out = Vec::new();
        splices.write(&mut out);
        let at = message.place_of(uri);
        let expected = [&text.as_bytes()[..at.start], new.as_bytes(), &text.as_bytes()[at.end..]].concat();
        prop_assert_eq!(out, expected);
    }
}
