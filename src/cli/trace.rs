//! `sipward trace`: messages of the running daemon while they pass, as a ladder, as JSON, or into a capture.
//!
//! The daemon masks before it answers, so that nothing secret crosses the socket unless it was asked for. Each message is
//! shown and written when it comes: who ends the command with Ctrl-C has everything up to then.
use super::Exit;
use super::complaint::complain;
use super::ladder::{Ladder, LadderEvent, LadderStep};
use super::listing::{field, for_time};
use super::message_selection::MessageSelection;
use super::output::{counted, plain, write_json_line};
use super::pcapng::{self, CapturedMessage};
use super::target::Target;
use crate::daemon::control::{
    ControlRefusal, HANDED_OVER, Shown, ShownMessage, TraceEnd, TraceLine, TraceRequest,
};
use crate::edge::TraceDirection;
use crate::reason::DaemonReason;
use crate::sip::{Message, StartLine};
use rustls_pki_types::UnixTime;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much longer than the trace the daemon may be silent.
const PATIENCE: Duration = Duration::from_secs(15);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct TraceCommand {
    /// Only on connections of clients from this address or network, or that this user has registered over
    #[arg(long, value_name = "ADDRESS|USER", group = "selection")]
    pub client: Option<String>,
    /// Which of them
    #[command(flatten)]
    pub selection: MessageSelection,
    /// For so long, an hour at most
    #[arg(long = "for", value_name = "TIME", default_value = "5m", value_parser = for_time)]
    pub time: Duration,
    /// At most so many messages and refusals
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub limit: u64,
    /// Write the messages to this new file too, as a capture (pcapng), mode 0600
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Do not mask credentials and challenges
    #[arg(long)]
    pub show_credentials: bool,
    /// Do not mask route tokens of this site
    #[arg(long)]
    pub show_tokens: bool,
    /// Show bodies, which may hold the keys of media
    #[arg(long)]
    pub show_bodies: bool,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON, one line for each
    #[arg(long)]
    pub json: bool,
}

/// Where lines go.
struct TraceWriter<'o> {
    out: &'o mut dyn Write,
    /// `None`: as JSON.
    ladder: Option<Ladder>,
    capture: Option<File>,
    /// How it ended, if not well.
    failed: Option<Exit>,
    /// What the processes of the node have said so far that were upgraded meanwhile.
    before: TraceEnd,
    /// Until when it lasts, Unix seconds; 0: it has not begun.
    until: u64,
    /// The process has handed over to another one.
    goes_on: bool,
}

impl TraceCommand {
    /// Shows what passes until the time or the number is over.
    ///
    /// # Errors
    /// [`Exit::Usage`]: a selection that makes no sense, a capture that cannot be made; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let capture = self.pcap.as_deref().map(capture).transpose()?;
        let mut writer = TraceWriter {
            out,
            ladder: None,
            capture,
            failed: None,
            before: TraceEnd::default(),
            until: 0,
            goes_on: false,
        };
        let mut request = TraceRequest {
            peer: self.selection.peer,
            client: self.client,
            call_id: self.selection.call_id,
            user: self.selection.user,
            connection: self.selection.connection,
            for_s: self.time.as_secs(),
            limit: self.limit,
            // Each by a word of its own: nobody shows a password to see an SDP.
            shown: Shown {
                credentials: self.show_credentials,
                tokens: self.show_tokens,
                bodies: self.show_bodies,
            },
        };
        let json = self.json;
        loop {
            let follow = request.clone();
            let followed = self.target.follow(follow, self.time + PATIENCE, |line| {
                match writer.take(line, json) {
                    Ok(goes_on) => goes_on,
                    Err(error) => {
                        writer.failed = Some(error.into());
                        false
                    }
                }
            });
            if let Some(failed) = followed.err().or(writer.failed) {
                // Of a trace that never began there is nothing in it, and it would be in the way of the next try.
                if let Some(path) = self.pcap.filter(|_| writer.until == 0) {
                    let _ = std::fs::remove_file(path);
                }
                return Err(failed);
            }
            // The new process has the socket, and traces what the old one still serves as well.
            if !std::mem::take(&mut writer.goes_on) {
                return Ok(());
            }
            // What is left of what was asked for.
            let left = writer.until.saturating_sub(UnixTime::now().as_secs());
            request.for_s = left.max(1);
            request.limit = self.limit.saturating_sub(writer.before.lines).max(1);
        }
    }
}

/// A new file: what is in a trace is nobody else's to read, and no link is followed to where it should not go.
fn capture(path: &Path) -> Result<File, Exit> {
    // `create_new` refuses an old file as well: its owner and its mode may be anything.
    let mut options = File::options();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let begun = opened.and_then(|mut file| pcapng::begin(&mut file).map(|()| file));
    begun.map_err(|error| {
        complain(format_args!("{}: {error}", path.display()));
        Exit::Usage
    })
}

impl TraceWriter<'_> {
    /// One line; `false`: nothing more is wanted.
    fn take(&mut self, mut line: TraceLine, json: bool) -> io::Result<bool> {
        match &mut line {
            TraceLine::Error(refusal) => {
                self.failed = Some(refused(refusal));
                return Ok(false);
            }
            // For who looks it is one trace, of however many processes.
            TraceLine::Trace(_) if self.until > 0 => return Ok(true),
            TraceLine::Trace(begun) => self.until = begun.until,
            TraceLine::End(end) => {
                // Of the whole trace.
                end.lines += self.before.lines;
                end.dropped += self.before.dropped;
                if end.because == HANDED_OVER {
                    self.before = end.clone();
                    self.goes_on = true;
                    return Ok(false);
                }
            }
            TraceLine::Message(_) | TraceLine::Refusal { .. } => {}
        }
        // Before it is shown: what a person has seen is in the file.
        if let (TraceLine::Message(message), Some(file)) = (&line, &mut self.capture) {
            write_packet(message, file)?;
        }
        if json {
            write_json_line(&line, self.out)?;
        } else {
            self.draw(&line)?;
        }
        // Live: a reader behind a pipe gets each line too.
        self.out.flush()?;
        Ok(!matches!(line, TraceLine::End(_)))
    }

    /// The same for people.
    fn draw(&mut self, line: &TraceLine) -> io::Result<()> {
        let step = match line {
            TraceLine::Trace(begun) => {
                let size = terminal_size::terminal_size_of(io::stdout());
                let width = size.map(|(width, _)| usize::from(width.0));
                // Asked once: a window that is made smaller breaks lines by itself.
                self.ladder = Some(Ladder::new(&begun.node, width));
                return writeln!(self.out, "traces {}", plain(&begun.selected));
            }
            TraceLine::End(end) => return write_end(end, self.out),
            TraceLine::Error(_) => return Ok(()),
            TraceLine::Message(message) => step_of(message),
            TraceLine::Refusal { at_us, line } => LadderStep {
                at_us: *at_us,
                call_id: field(line, "call_id"),
                what: LadderEvent::Note(note_of(line)),
            },
        };
        match &mut self.ladder {
            Some(ladder) => ladder.draw(&step, self.out),
            None => Ok(()),
        }
    }
}

/// Prints why a trace does not begin.
fn refused(refusal: &ControlRefusal) -> Exit {
    complain(format_args!("{}: {}", refusal.code, refusal.what));
    // What was typed is wrong, and not the daemon.
    match refusal.code == DaemonReason::MalformedCommand {
        true => Exit::Usage,
        false => Exit::Internal,
    }
}

/// How a trace ended, below the ladder.
fn write_end(end: &TraceEnd, out: &mut dyn Write) -> io::Result<()> {
    // The reason first: a trace that has ended by its number may have missed the end of the call.
    let lines = usize::try_from(end.lines).unwrap_or(usize::MAX);
    let why = match end.because.as_str() {
        "time" => "the time is over",
        "limit" => "that was the number asked for",
        _ => "nobody read on",
    };
    write!(out, "{}; {why}", counted(lines, "line"))?;
    match end.dropped {
        0 => writeln!(out),
        lost => writeln!(out, "; {lost} more were lost: select less"),
    }
}

/// One message of the ladder.
fn step_of(message: &ShownMessage) -> LadderStep {
    let bytes = message.bytes();
    // Of a client the address: who it is, From says, and may not be true.
    let party = match &message.peer {
        Some(peer) => peer.clone(),
        None => message.remote.to_string(),
    };
    let mut call_id = String::new();
    let (mut label, mut about) = ("no message".to_owned(), String::new());
    if let Ok(read) = Message::parse(&bytes) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        call_id = read.call_id().map(text).unwrap_or_default();
        let uri = |address: Result<crate::sip::Address<'_>, _>| {
            address.map_or_else(|_| String::new(), |it| text(it.uri))
        };
        // A response has no method of its own; of several calls at once the status alone says little.
        label = match read.start() {
            StartLine::Request { method, .. } => text(method.as_bytes()),
            StartLine::Response { status, .. } => {
                let method = read.cseq().map(|cseq| text(cseq.method.as_bytes()));
                format!("{status} {}", method.unwrap_or_default())
            }
        };
        about = format!("{} -> {}", uri(read.from()), uri(read.to()));
    }
    LadderStep {
        at_us: message.at_us,
        call_id,
        what: LadderEvent::Message {
            party,
            received: message.direction == TraceDirection::Received,
            label,
            about,
        },
    }
}

/// A refusal of the log: what was refused, whom, and the command that explains it.
pub(super) fn note_of(line: &Value) -> String {
    let (event, reason) = (field(line, "event"), field(line, "reason"));
    // Of a request the sender, of a handshake whoever was meant, of the rest an address.
    let who = [
        field(line, "from_peer"),
        field(line, "peer"),
        field(line, "remote"),
    ];
    let who = who.into_iter().find(|it| !it.is_empty());
    // In the order in which an operator asks: what, with which answer, to what, of whom, and why exactly.
    let parts = [
        Some(format!("{event} {reason}")),
        Some(field(line, "status")).filter(|it| !it.is_empty()),
        Some(field(line, "method")).filter(|it| !it.is_empty()),
        who.map(|who| format!("of {who}")),
        Some(field(line, "detail")).filter(|it| !it.is_empty()),
    ];
    let said = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    // A decision has more to say than its reason.
    let asked = match field(line, "decision") {
        id if id.is_empty() || event == "request_refused" => reason,
        id => id,
    };
    format!("{said} (sipward explain {asked})")
}

/// One message of the capture.
fn write_packet(message: &ShownMessage, file: &mut File) -> io::Result<()> {
    let received = message.direction == TraceDirection::Received;
    let (from, to) = match received {
        true => (message.remote, message.local),
        false => (message.local, message.remote),
    };
    // Beside the packet in Wireshark, where addresses alone would be shown.
    let who = message.peer.as_deref().unwrap_or("client");
    // Which of two it was decides which log has the rest.
    let process = message.process.map(|pid| format!(", process {pid}"));
    let process = process.unwrap_or_default();
    // The comment is what the ladder has besides.
    // One write for each, so that whoever reads along finds whole packets.
    let mut packet = Vec::new();
    pcapng::packet(
        &CapturedMessage {
            at_us: message.at_us,
            from,
            to,
            received,
            comment: format!(
                "{who}, connection {}, shard {}{process}",
                message.connection, message.shard
            ),
            bytes: &message.bytes(),
        },
        &mut packet,
    )?;
    file.write_all(&packet)
}
