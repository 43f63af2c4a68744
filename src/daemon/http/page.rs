//! `/`: one page for people, made here and without a script: how the node and its peers are, what ends next, what is down
//! and why, and what was refused.
use super::html::escaped;
use super::metrics::takes_requests;
use super::picture;
use super::snapshot::Snapshot;
use crate::observe::EventKind;
use crate::reason::{ConnectionReason, HealthReason, Reason};
use crate::topology::show_moment;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::Duration;

/// Rows of each table; a page is read by people.
const ROWS: usize = 20;
/// The only style that a browser may use: its digest is in the policy.
const STYLE: &str = "body{font:14px sans-serif;margin:1.5em;color:#222;max-width:72em}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}\
                     table{border-collapse:collapse}td,th{padding:.25em .8em .25em 0;text-align:left;vertical-align:top;max-width:28em;overflow-wrap:break-word;border-bottom:1px solid #ddd}\
                     svg{max-width:100%;height:auto}code{background:#f3f3f3}";

/// What a browser may do with anything that comes from here: show it in this style, and nothing
/// else.
pub(super) fn policy() -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The whole page, of one look: the picture and the tables do not disagree. It is loaded anew by a
/// field of its head, since there is no script that could do it.
pub(super) fn html(snapshot: &Snapshot) -> String {
    let topology = snapshot.generation.topology();
    let name = escaped(topology.node().fqdn.as_str());
    let state = match snapshot.draining {
        true => "drains: takes nothing new",
        false => "serves",
    };
    let generation = snapshot.generation.number();
    let reload = match snapshot.reloads.last_refused {
        true => "; the last reload was refused, and what was in force before goes on",
        false => "",
    };
    let started = show_moment(snapshot.started);
    let version = env!("CARGO_PKG_VERSION");
    let picture = picture::svg(snapshot);
    let (ends, down) = (ends(snapshot), down(snapshot));
    let (latest, refused) = (latest(snapshot), refused(snapshot));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"15\"><title>{name}</title><style>{STYLE}</style></head>\n<body>\n<h1>{name}</h1>\n\
         <p>sipward {version} {state}: generation {generation}, since {started}{reload}.</p>\n{picture}\n\
         <h2>Down, and why</h2>\n{down}\n<h2>What has ended, and what ends next</h2>\n{ends}\n<h2>Refused lately</h2>\n{latest}\n<h2>Refused since the start</h2>\n{refused}\n\
         <p>Figures: <a href=\"/metrics\">/metrics</a></p>\n</body></html>\n"
    )
}

/// A table, or that there is nothing in it. Each cell is escaped here, so that no caller can
/// forget it.
fn table(heads: &[&str], rows: Vec<Vec<String>>, nothing: &str) -> String {
    if rows.is_empty() {
        return format!("<p>{nothing}</p>");
    }
    // What is left off is said, so that nobody takes a part for the whole.
    let more = rows.len().saturating_sub(ROWS);
    let cells = |cells: &[String], tag: &str| {
        let cells = cells.iter();
        let cells: String = cells
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)))
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let body: String = rows.iter().take(ROWS).map(|row| cells(row, "td")).collect();
    let rest = match more {
        0 => String::new(),
        more => format!("<p>and {more} more</p>"),
    };
    format!("<table>\n{}{body}</table>{rest}", cells(&heads, "th"))
}

/// Peers that take no new requests: why they were taken out, and why their last connection ended.
fn down(snapshot: &Snapshot) -> String {
    let peers = snapshot.generation.topology().peers().iter();
    let down = peers.zip(&snapshot.conditions);
    let down = down.filter(|(_, condition)| !takes_requests(condition.fitness));
    let rows = down.map(|(peer, condition)| {
        // A server may be connected and answer 503: what pings and requests have met says that, and no connection does.
        let since = condition.since.map(ago);
        let why = condition.reason;
        // One that was never connected has none.
        let last = snapshot.shards.downs.get(peer.name.as_str());
        let ended = last.map(|last| format!("{}, {}", said(last.reason), ago(last.ago)));
        // How a connection has failed says more than that it has.
        let is_connection = why.is_none_or(|why| {
            why == ConnectionReason::ConnectFailed || why == HealthReason::ConnectionLost
        });
        let last = last.map(|last| last.reason).filter(|_| is_connection);
        let remedy = last.or(why).map(|reason| reason.remedy());
        vec![
            peer.name.to_string(),
            why.map(said).unwrap_or_default(),
            since.unwrap_or_default(),
            ended.unwrap_or_default(),
            remedy.unwrap_or_default().to_owned(),
        ]
    });
    let heads = ["peer", "why", "since", "last connection", "what to do"];
    table(&heads, rows.collect(), "Every peer takes requests.")
}

/// A reason with what it means.
fn said(reason: Reason) -> String {
    format!("{}: {}", reason.code(), reason.what())
}

/// Whole seconds.
fn ago(since: Duration) -> String {
    format!("{} s ago", since.as_secs())
}

/// The next first.
fn ends(snapshot: &Snapshot) -> String {
    let rows = snapshot.ends.iter().take(ROWS).map(|end| {
        let line = format!("line {}", end.line);
        vec![
            show_moment(end.at),
            end.kind.to_owned(),
            end.what.clone(),
            line,
        ]
    });
    let heads = [
        "when",
        "kind",
        "which one, and what comes of it",
        "topology",
    ];
    table(&heads, rows.collect(), "Nothing.")
}

/// The newest first, with what the reason means: what `sipward refusals` lists.
fn latest(snapshot: &Snapshot) -> String {
    let rows = snapshot.refusals.iter().map(|line| {
        let field = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or("");
        // Whole seconds are enough for an eye.
        let when = field("ts").get(..19).unwrap_or_default().to_owned();
        // Few rows and some hundred reasons: no table is worth it.
        let reason = Reason::all().find(|reason| reason.code() == field("reason"));
        let said = reason.map(said).unwrap_or_default();
        // Of a handshake the peer that was meant, of a request the one that has sent it.
        let remote = [
            field("remote"),
            field("peer"),
            field("from_peer"),
            field("user_agent"),
        ];
        let request = match field("method") {
            "" => String::new(),
            method => format!("{method} from {} to {}", field("from"), field("to")),
        };
        let detail = field("detail").to_owned();
        vec![when, said, spaced(&remote), request, detail]
    });
    let heads = ["when", "reason", "remote", "request", "detail"];
    table(&heads, rows.collect(), "Nothing.")
}

/// Those that say something: a client has no peer, and a handshake no program.
fn spaced(words: &[&str]) -> String {
    let words = words.iter().copied().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// By reason, the most frequent first, with what it means and what to do.
fn refused(snapshot: &Snapshot) -> String {
    // What the remote has refused is here too: a partner that does not trust this node is what
    // an operator looks for.
    let events = [
        EventKind::HandshakeRefused,
        EventKind::HandshakeRefusedByPeer,
        EventKind::RequestRefused,
        EventKind::MessageDropped,
    ];
    let counts = events.iter().flat_map(|event| {
        let counts = Reason::all().map(|reason| {
            let count = snapshot.events.for_reason(*event, Some(reason));
            (count, event.row().name, reason)
        });
        counts.filter(|(count, ..)| *count > 0)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let rows = counts.into_iter().map(|(count, event, reason)| {
        let remedy = reason.remedy().to_owned();
        vec![count.to_string(), event.to_owned(), said(reason), remedy]
    });
    let heads = ["times", "event", "reason", "what to do"];
    table(&heads, rows.collect(), "Nothing.")
}
