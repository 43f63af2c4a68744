//! `sipward ladder`: draws from a log what `sipward trace` would have shown, as far as the log has it.
//!
//! A line of the log stands for a whole request: it came when the line says less the time that it took, and its answer went
//! when the line was written. What is not in the log is not drawn: provisional answers, retransmissions, and requests that
//! `[log] requests` leaves out. Under `requests = "all"` it is whole calls.
//!
//! Nothing is asked of a daemon: the log may be of another host, and of last year.
use super::Exit;
use super::complaint::complain;
use super::ladder::{Ladder, LadderEvent, LadderStep};
use super::listing::{field, rows};
use super::message_selection::MessageSelection;
use super::output::counted;
use super::trace::note_of;
use crate::proxy::RegisteredUser;
use crate::sip::Uri;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A longer line is no line of the log.
const LONGEST_LINE: u64 = 1024 * 1024;
/// Connections whose address is remembered.
const MOST_CONNECTIONS: usize = 100_000;
/// What is drawn beside requests, where nothing narrower than a peer is selected.
///
/// They are about a peer, a client or a connection: no Call-ID and no user is in them.
const NOTED: [&str; 7] = [
    "handshake_refused",
    "handshake_refused_by_peer",
    "message_dropped",
    "binding_refused",
    "connection_closed",
    "peer_unavailable",
    "trust_withdrawn",
];

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct LadderCommand {
    /// The log, JSON lines as the daemon writes them; - is standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// Which of it
    #[command(flatten)]
    pub selection: MessageSelection,
    /// At most so many lines of the log, the first ones
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = rows)]
    pub limit: usize,
}

/// What was read.
#[derive(Default)]
struct LogReading {
    steps: Vec<LadderStep>,
    /// Lines that were selected, those beyond the limit, and those that are no events.
    lines: usize,
    left_off: usize,
    foreign: usize,
    /// The addresses of connections: a line has that of its sender only.
    remotes: HashMap<u64, String>,
    /// Where the last INVITE of a call went, by its Call-ID, if that was a client.
    invited: HashMap<String, String>,
}

impl LadderCommand {
    /// Draws.
    ///
    /// # Errors
    /// [`Exit::Usage`]: the log cannot be read.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        // Read to the end before anything is drawn: what ended first is written first, and began later perhaps.
        let read = self.read().map_err(|error| {
            complain(format_args!("{}: {error}", self.log.display()));
            Exit::Usage
        })?;
        let size = terminal_size::terminal_size_of(io::stdout());
        let width = size.map(|(width, _)| usize::from(width.0));
        let mut ladder = Ladder::new("this node", width);
        for step in &read.steps {
            ladder.draw(step, out)?;
        }
        // Below, where the eye ends.
        // An empty answer must not look like one that was cut off.
        write!(out, "{}", counted(read.lines, "line"))?;
        match read.left_off {
            0 => {}
            more => write!(out, "; {more} more: select less, or a higher --limit")?,
        }
        match read.foreign {
            0 => writeln!(out)?,
            other => writeln!(out, "; no events in JSON: {}", counted(other, "line"))?,
        }
        Ok(())
    }

    /// Reads the log from its beginning to its end: rotated files may be put together by `cat`.
    fn read(&self) -> io::Result<LogReading> {
        let input: Box<dyn Read> = match self.log.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(File::open(&self.log)?),
        };
        let mut reader = BufReader::new(input);
        let mut read = LogReading::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)?;
            if line.is_empty() {
                break;
            }
            // What a service manager or a container puts in front of a line ends at its brace.
            let begin = memchr::memchr(b'{', &line).unwrap_or(line.len());
            let event = line.get(begin..).unwrap_or_default();
            match serde_json::from_slice::<Value>(event) {
                Ok(event) if event.get("event").is_some() => self.take(&event, &mut read),
                Ok(_) | Err(_) => read.foreign += 1,
            }
        }
        // Requests that overlap were written when they ended.
        read.steps.sort_by_key(|step| step.at_us);
        Ok(read)
    }

    /// One event.
    fn take(&self, event: &Value, read: &mut LogReading) {
        // Of every line, selected or not: it may name the connection of one that is.
        let remote = field(event, "remote");
        if let Some(number) = event.get("connection").and_then(Value::as_u64)
            && !remote.is_empty()
            && read.remotes.len() < MOST_CONNECTIONS
        {
            read.remotes.insert(number, remote);
        }
        let name = field(event, "event");
        let is_request = matches!(name.as_str(), "request_relayed" | "request_refused");
        let is_noted = name == "call_ended" || NOTED.contains(&name.as_str());
        if !(is_request || is_noted) || !self.selects(event) {
            return;
        }
        // Every line has a time; one without is of another program that happens to say `event`.
        let Some(at_us) = micros(&field(event, "ts")) else {
            read.foreign += 1;
            return;
        };
        if read.lines >= self.limit {
            read.left_off += 1;
            return;
        }
        read.lines += 1;
        if is_request {
            request(event, at_us, read);
        } else {
            let text = match name == "call_ended" {
                true => ended(event),
                false => note_of(event),
            };
            read.step(at_us, event, LadderEvent::Note(text));
        }
    }

    /// Whether an event is about what was selected.
    fn selects(&self, event: &Value) -> bool {
        // The keys of the log that name a party differ by event.
        let any = |keys: &[&str], is: &dyn Fn(&str) -> bool| {
            keys.iter().any(|key| is(&field(event, key)))
        };
        // As text: a number that is missing is no number.
        let numbers = ["connection", "to_connection"];
        if let Some(peer) = &self.selection.peer {
            let peers = ["from_peer", "to_peer", "peer", "through"];
            return any(&peers, &|it| it.eq_ignore_ascii_case(peer));
        }
        if let Some(id) = &self.selection.call_id {
            return field(event, "call_id") == *id;
        }
        if let Some(user) = &self.selection.user {
            return any(&["from", "to"], &|it| {
                let uri = Uri::parse(it.as_bytes());
                uri.is_ok_and(|uri| RegisteredUser::of(&uri).is_called(user))
            });
        }
        match self.selection.connection {
            Some(number) => any(&numbers, &|it| it == number.to_string()),
            None => true,
        }
    }
}

impl LogReading {
    /// One step of the call that an event is about.
    fn step(&mut self, at_us: u64, event: &Value, what: LadderEvent) {
        self.steps.push(LadderStep {
            at_us,
            call_id: field(event, "call_id"),
            what,
        });
    }
}

/// A request: it came, went on, was answered there and here; or was refused.
fn request(event: &Value, at_us: u64, read: &mut LogReading) {
    // A BENOTIFY and an ACK take no time and have no answer.
    let took = event.get("took_us").and_then(Value::as_u64);
    let began = at_us.saturating_sub(took.unwrap_or_default());
    let method = field(event, "method");
    let answer = match field(event, "status") {
        status if status.is_empty() => None,
        status => Some(format!("{status} {method}")),
    };
    // A client by its address, as in a trace.
    let from = match field(event, "from_peer") {
        peer if peer.is_empty() => field(event, "remote"),
        peer => peer,
    };
    let to = match field(event, "to_peer") {
        peer if !peer.is_empty() => Some(peer),
        _ if event.get("to_client") == Some(&Value::Bool(true)) => {
            let number = event.get("to_connection").and_then(Value::as_u64);
            let remote = number.and_then(|number| read.remotes.get(&number).cloned());
            let call = field(event, "call_id");
            if let Some(remote) = &remote
                && method == "INVITE"
                && read.invited.len() < MOST_CONNECTIONS
            {
                read.invited.insert(call.clone(), remote.clone());
            }
            // An ACK has no answer by which its connection would be known: it goes where its INVITE went.
            let remote = remote.or_else(|| read.invited.get(&call).cloned());
            Some(remote.unwrap_or_else(|| "a client".to_owned()))
        }
        _ => None,
    };
    // As `[log] identities` has them.
    let about = format!("{} -> {}", field(event, "from"), field(event, "to"));
    let message = |party: &str, received, label: &str| LadderEvent::Message {
        party: party.to_owned(),
        received,
        label: label.to_owned(),
        about: about.clone(),
    };
    read.step(began, event, message(&from, true, &method));
    if let Some(to) = &to {
        read.step(began, event, message(to, false, &method));
        // A refusal may be this node's own, after the other side has said nothing.
        if let Some(answer) = answer.as_ref().filter(|_| event.get("reason").is_none()) {
            read.step(at_us, event, message(to, true, answer));
        }
    }
    // Before the answer that it has caused.
    if event.get("reason").is_some() {
        read.step(at_us, event, LadderEvent::Note(note_of(event)));
    }
    if let Some(answer) = &answer {
        read.step(at_us, event, message(&from, false, answer));
    }
}

/// The end of a call, by its record.
fn ended(event: &Value) -> String {
    // The record itself has more; a ladder wants its end.
    let talked = event.get("talk_ms").and_then(Value::as_u64);
    let length = talked.map_or_else(
        || "nobody has answered".to_owned(),
        |ms| format!("after {}.{}s", ms / 1_000, ms % 1_000 / 100),
    );
    format!("call_ended by {}, {length}", field(event, "ended_by"))
}

/// Microseconds since 1970 of a line's time.
fn micros(text: &str) -> Option<u64> {
    // What was before 1970 was not written by this program.
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the daemon has written them, of a call that fails, a request that is refused, and one that says nothing.
    const LOG: &str = r#"
<6>{"schema":1,"ts":"2026-11-28T18:43:00.000000Z","level":"info","event":"handshake_accepted","connection":7,"direction":"inbound","remote":"192.0.2.7:5061"}
{"schema":1,"ts":"2026-11-28T18:43:01.500000Z","level":"info","event":"request_relayed","method":"INVITE","call_id":"1@a","from":"sip:bob@contoso.test","to":"sip:alice@contoso.test","connection":9,"remote":"192.0.2.9:5061","from_peer":"fe01.contoso.test","to_client":true,"to_connection":7,"status":486,"took_us":500000}
{"schema":1,"ts":"2026-11-28T18:43:01.500100Z","level":"info","event":"call_ended","call_id":"1@a","from":"sip:bob@contoso.test","to":"sip:alice@contoso.test","ended_by":"callee"}
{"schema":1,"ts":"2026-11-28T18:43:02.000000Z","level":"warn","event":"request_refused","reason":"from_not_allowed","method":"MESSAGE","call_id":"2@a","from":"sip:eve@fabrikam.test","to":"sip:bob@contoso.test","connection":7,"remote":"192.0.2.7:5061","to_client":false,"status":403,"took_us":0}
a line of something else
"#;

    fn drawn(arguments: &[&str]) -> String {
        drawn_from(LOG, arguments)
    }

    fn drawn_from(text: &str, arguments: &[&str]) -> String {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            command: LadderCommand,
        }
        let mut log = tempfile::NamedTempFile::new().unwrap();
        log.write_all(text.as_bytes()).unwrap();
        let path = log.path().to_str().unwrap();
        let line = [&["ladder", path], arguments].concat();
        let mut out = Vec::new();
        Line::parse_from(line).command.run(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_log_becomes_the_ladder_of_its_requests_with_refusals_in_place() {
        let text = drawn(&[]);
        let order = [
            "#1  sip:bob@contoso.test -> sip:alice@contoso.test  Call-ID 1@a",
            "18:43:01.000               #1 |<- INVITE -",
            "192.0.2.7:5061",
            "#1 |-- INVITE -",
            "18:43:01.500     +500ms    #1 |<- 486 INVITE -",
            "#1 |-- 486 INVITE -",
            "x call_ended by callee, nobody has answered",
            "#2 |<- MESSAGE -",
            "x request_refused from_not_allowed, 403, MESSAGE, of 192.0.2.7:5061 (sipward explain from_not_allowed)",
            "#2 |-- 403 MESSAGE -",
            "3 lines; no events in JSON: 2 lines",
        ];
        let mut rest = text.as_str();
        for part in order {
            let at = rest.find(part).unwrap_or_else(|| panic!("{part}:\n{text}"));
            rest = &rest[at + part.len()..];
        }
    }

    /// Its line has no connection, since nobody answers it.
    #[test]
    fn an_ack_for_a_client_goes_where_its_invite_went() {
        let line = |ts: &str, method: &str, more: &str| {
            format!(
                r#"{{"ts":"2026-11-29T18:43:0{ts}Z","event":"request_relayed","method":"{method}","call_id":"1@a","from":"sip:bob@contoso.test","to":"sip:alice@contoso.test","connection":7,"remote":"192.0.2.1:5061","from_peer":"fe01.contoso.test","to_client":true{more}}}"#
            )
        };
        let log = [
            r#"{"ts":"2026-11-29T18:43:00Z","event":"handshake_accepted","connection":9,"remote":"192.0.2.9:5061"}"#.to_owned(),
            line("1", "INVITE", r#","to_connection":9,"status":200,"took_us":500000"#),
            line("2", "ACK", r#","took_us":0"#),
        ];
        let text = drawn_from(&log.join("\n"), &[]);
        assert!(text.contains("-- ACK -"), "{text}");
        assert!(!text.contains("a client"), "{text}");
        // Two parties beside this node, of which one has both.
        assert_eq!(text.matches("192.0.2.9:5061").count(), 1, "{text}");
    }

    #[test]
    fn a_selection_and_a_limit_leave_the_rest_out() {
        for (arguments, lines) in [
            (&["--user", "eve"][..], "1 line;"),
            (&["--call-id", "1@a"], "2 lines;"),
            (&["--peer", "FE01.contoso.test"], "1 line;"),
            (&["--connection", "7"], "2 lines;"),
            (&["--user", "nobody"], "no lines;"),
            (&["--limit", "1"], "1 line; 2 more: select less"),
        ] {
            let text = drawn(arguments);
            assert!(text.lines().last().unwrap().starts_with(lines), "{text}");
        }
    }
}
