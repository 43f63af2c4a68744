//! What operators see of what remotes have written: log lines, ladders and traces.
use serde_json::Value;
use sipward::cli::ladder_log::LadderCommand;
use sipward::daemon::control::{Shown, masked};
use sipward::observe::{Event, Log, Parties, RequestOutcome};
use sipward::sip::{HeaderName, Message};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::Duration;

/// The first octet says where the rest stands: in a request's line, in a log that is drawn, or in a message that is traced.
pub fn written(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    match control % 4 {
        0 => line(rest),
        1 => drawn(rest),
        2 => traced(rest),
        _ => without_token(control, rest),
    }
}

/// Nothing that acts on a terminal is left in what is shown.
fn is_plain(text: &str) -> bool {
    // Beside controls: what turns the direction of text, or is not seen at all.
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    !text.chars().any(acts)
}

fn line(octets: &[u8]) {
    let mut parts = octets.splitn(6, |b| *b == 0xff);
    let mut next = || parts.next().unwrap_or_default();
    let outcome = RequestOutcome {
        method: SmallVec::from_slice(next()),
        parties: Parties::new([next(), next(), next(), next(), next()]),
        connection: 7,
        remote: SocketAddr::from(([192, 0, 2, 1], 5061)),
        decision: None,
        from_peer: None,
        to_peer: None,
        to_client: false,
        to_connection: None,
        status: Some(200),
        took: Duration::from_micros(1),
    };
    let event = Event::RequestRelayed { request: outcome };
    let (log, memory) = Log::memory();
    log.record(event);
    for text in memory.lines().iter().chain(&memory.human_lines()) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        assert!(is_plain(text), "{}", text.escape_debug());
        assert!(text.len() <= 12 * 1_024, "{} bytes", text.len());
    }
    let fields: Value = serde_json::from_str(&memory.lines()[0]).expect("a line is an object");
    assert_eq!(fields["event"], "request_relayed");
    assert_eq!(fields["status"], 200);
}

thread_local! {
    static LOG: tempfile::NamedTempFile = tempfile::NamedTempFile::new().unwrap();
}

fn drawn(log: &[u8]) {
    let path = LOG.with(|file| file.path().to_owned());
    std::fs::write(&path, log).unwrap();
    let ladder = LadderCommand {
        log: path,
        selection: Default::default(),
        limit: 100,
    };
    let mut out = Vec::new();
    if ladder.run(&mut out).is_ok() {
        let text = String::from_utf8(out).expect("text for a terminal");
        for line in text.lines() {
            assert!(is_plain(line), "{}", line.escape_debug());
        }
    }
}

/// What is masked is still a message, with the same fields in the same order, and none of its credentials.
fn traced(octets: &[u8]) {
    let seen = masked(octets, Shown::default());
    let Ok(message) = Message::parse(octets) else {
        assert!(
            !seen.contains(&b'\n'),
            "of what cannot be read one line is shown"
        );
        return;
    };
    let seen_message = Message::parse(&seen).expect("a message");
    let names = |it: &Message<'_>| -> Vec<Vec<u8>> {
        it.lines().map(|line| line.raw_name.to_vec()).collect()
    };
    assert_eq!(names(&seen_message), names(&message));
    assert!(seen_message.body().is_empty());
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for line in seen_message.lines().filter(|line| line.name == name) {
            assert!(line.value.ends_with(b"realm=\"masked\""));
        }
    }
    let all = Shown {
        credentials: true,
        tokens: true,
        bodies: true,
    };
    assert_eq!(masked(octets, all), octets);
}

/// A token of this site in a URI anywhere in a message is not shown.
fn without_token(control: u8, octets: &[u8]) {
    let token = super::relay::genuine();
    let at = usize::from(control) * 8 % (octets.len() + 1);
    let (before, after) = octets.split_at(at);
    let message = [before, b"sip:", token, b"@", after].concat();
    let seen = masked(&message, Shown::default());
    assert!(
        memchr::memmem::find(&seen, token).is_none(),
        "{}",
        seen.escape_ascii()
    );
}
