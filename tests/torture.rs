//! The torture messages of RFC 4475 and RFC 5118: framing and verdict of every row of their indexes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "torture/corpus.rs"]
mod corpus;

use corpus::{Case, all, corpus};
use sipward::sip::{
    FrameError, FrameLimits, Framer, HeaderName, LineTable, Malformed, Message, Scan, Scheme,
    StartLine,
};

const LIMITS: FrameLimits = FrameLimits {
    head: 65_536,
    body: 65_536,
};

/// What a stream of these octets is.
#[derive(Debug, PartialEq, Eq, Default)]
struct Stream {
    messages: Vec<Vec<u8>>,
    pings: usize,
    is_incomplete: bool,
    error: Option<FrameError>,
}

/// Feeds the octets in pieces that end at the given places.
#[expect(
    clippy::indexing_slicing,
    reason = "cuts lie in the octets, or the test fails"
)]
fn stream(octets: &[u8], cuts: impl IntoIterator<Item = usize>) -> Stream {
    let mut framer = Framer::default();
    let mut seen = Stream::default();
    let mut from = 0;
    for to in cuts.into_iter().chain([octets.len()]) {
        loop {
            let buf = &octets[from..to];
            seen.is_incomplete = false;
            match framer.scan(buf, &LIMITS, &mut LineTable::default()) {
                Ok(Scan::Incomplete(_)) => {
                    seen.is_incomplete = !buf.is_empty();
                    break;
                }
                Ok(Scan::Ping(length)) => {
                    // Four octets each; two when the first CRLF was skipped earlier.
                    seen.pings += length.div_ceil(4);
                    from += length;
                }
                Ok(Scan::Skip(length)) => from += length,
                Ok(Scan::Message(message)) => {
                    seen.messages.push(message.bytes().to_vec());
                    from += message.bytes().len();
                }
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

/// The verdict of a proxy that reads what RFC 3261 §16.3 makes it read: `Ok`, or the status of its refusal.
fn verdict(message: &Message<'_>) -> Result<(), u16> {
    if let Some(fault) = message.fault() {
        return Err(if fault.rule == "bad_version" {
            505
        } else {
            400
        });
    }
    let bad = |_: Malformed| 400_u16;
    let via = message.top_via().map_err(bad)?;
    message.from().map_err(bad)?;
    message.to().map_err(bad)?;
    message.call_id().map_err(bad)?;
    let cseq = message.cseq().map_err(bad)?;
    let hops = message.max_forwards().map_err(bad)?;
    message
        .routes()
        .try_for_each(|r| r.map(|_| ()).map_err(bad))?;
    let StartLine::Request { method, .. } = message.start() else {
        return Ok(());
    };
    if cseq.method != method || via.is_bare_cookie() {
        return Err(400);
    }
    let uri = message.request_uri().map_err(bad)?;
    if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(416);
    }
    if hops == Some(0) {
        return Err(483);
    }
    if message.count(HeaderName::ProxyRequire) > 0 {
        return Err(420);
    }
    Ok(())
}

#[test]
fn every_row_is_framed_as_its_index_says() {
    let cases = all();
    for Case { row, octets } in &cases {
        let seen = stream(octets, []);
        let found = match &seen {
            // What follows the two in dblreq is noise.
            _ if seen.messages.len() == 2 => {
                assert!(seen.messages[1].starts_with(b"INVITE "));
                "two"
            }
            Stream { error: None, .. } if seen.messages.is_empty() => "incomplete",
            Stream { error: None, .. } => "one",
            Stream { error: Some(e), .. } if e.rule == "no_content_length" => "no-length",
            Stream { error: Some(e), .. } => {
                assert!(
                    e.rule.code().ends_with("content_length"),
                    "{}: {e:?}",
                    row.file
                );
                "fatal"
            }
        };
        assert_eq!(found, row.stream, "{}: {seen:?}", row.file);
        if let Some(error) = seen.error.filter(|_| seen.messages.is_empty()) {
            assert_eq!(error.status, 400, "{}", row.file);
            assert!(error.head.is_some(), "{}", row.file);
        }
    }
    assert_eq!(cases.len(), 61, "rows");
}

#[test]
fn every_row_gets_the_verdict_of_its_index() {
    let mut refused = 0;
    let cases = all();
    for Case { row, octets } in &cases {
        // A stream gives dblreq's first message only; clerr's body and baddn's empty line never come, so they are
        // looked at as datagrams.
        let first = stream(octets, []).messages.into_iter().next();
        let mut frame = first.unwrap_or_else(|| octets.clone());
        if row.file == "baddn.dat" {
            frame.extend_from_slice(b"\r\n");
        }
        let message = Message::parse(&frame).unwrap();
        match (message.start(), row.kind.as_str()) {
            (StartLine::Request { method, .. }, "request") => {
                assert_eq!(method.as_bytes(), row.method.as_deref().unwrap().as_bytes());
            }
            (StartLine::Response { .. }, "response") => {}
            (start, kind) => panic!("{}: {start:?} is no {kind}", row.file),
        }
        let verdict = match row.stream.as_str() {
            "fatal" => message.content_length().map(|_| ()).map_err(|_| 400),
            _ => verdict(&message),
        };
        refused += usize::from(verdict.is_err());
        println!("{:32} {:18} {verdict:?}", row.file, row.action);
        let file = &row.file;
        match (row.action.as_str(), verdict) {
            // inv2543 falls to the framing, clerr to a deadline; neither is malformed as such.
            ("reject-close", Ok(())) => assert_eq!(row.stream, "no-length", "{file}"),
            ("wait-then-close", Ok(())) => assert_eq!(row.stream, "incomplete", "{file}"),
            ("forward" | "forward-response" | "reject-or-forward", Ok(())) => {}
            ("drop", Ok(())) => assert!(row.valid, "{file}"),
            ("drop", Err(_)) => assert!(!row.valid, "{file}"),
            (_, Err(status)) => assert!(row.status.contains(&status), "{file}: {status}"),
            (action, Ok(())) => panic!("{file} passes, but the index says {action}"),
        }
        if row.valid && row.status.is_empty() {
            assert_eq!(verdict, Ok(()), "{file}");
        }
    }
    assert_eq!(
        (cases.len(), refused),
        (61, 25),
        "rows, and refused among them"
    );
}

#[test]
fn every_message_is_framed_the_same_wherever_it_is_split() {
    let mut splits = 0;
    for Case { row, octets } in all() {
        let whole = stream(&octets, []);
        for at in 0..octets.len() {
            assert_eq!(stream(&octets, [at]), whole, "{} at {at}", row.file);
            splits += 1;
        }
        assert_eq!(stream(&octets, 1..octets.len()), whole, "{}", row.file);
    }
    assert!(splits > 25_000, "{splits}");
}

#[test]
fn valid_messages_behind_each_other_come_out_one_by_one() {
    let frames: Vec<Vec<u8>> = all()
        .iter()
        .filter(|case| case.row.stream == "one")
        .filter_map(|case| stream(&case.octets, []).messages.into_iter().next())
        .collect();
    let mut joined = Vec::new();
    for frame in &frames {
        joined.extend_from_slice(b"\r\n\r\n\r\n");
        joined.extend_from_slice(frame);
    }
    for step in [1, 7, 1000, joined.len()] {
        let seen = stream(&joined, (0..joined.len()).step_by(step));
        assert_eq!(seen.messages, frames);
        assert_eq!(seen.pings, frames.len(), "in steps of {step}");
        assert_eq!(seen.error, None);
    }
}

#[test]
fn bare_lf_archives_are_refused_or_waited_for_but_never_framed() {
    for Case { row, octets } in corpus("rfc5118", "") {
        let seen = stream(&octets, []);
        assert!(seen.messages.is_empty(), "{}", row.file);
        match seen.error {
            Some(error) => assert_eq!(error.rule, "bare_lf", "{}", row.file),
            None => assert!(seen.is_incomplete, "{}", row.file),
        }
        assert_eq!(stream(&octets, 1..octets.len()), seen, "{}", row.file);
    }
}
