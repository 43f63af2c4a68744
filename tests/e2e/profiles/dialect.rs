//! What a program writes into its messages besides what RFC 3261 asks of every end: a table of lines.
use sipward_lab::{End, SipMessage};

/// When a line is written: `*` in every message, `requests`, `answers`, a method (`INVITE`), or an answer to one
/// (`200 INVITE`). A name that begins with `=` replaces the field instead of adding a line.
pub(super) type Line = (&'static str, &'static str);

/// A program's way of writing.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// Its lines, in order. `{host}`, `{sent-by}`, `{user}`, `{aor}`, `{call-id}`, `{tag}` (From's), `{uri}` (of
    /// the request) and `{branch}` (the topmost Via's) are filled in.
    pub(super) lines: &'static [Line],
    /// The Record-Route values that a proxy of its own puts in front of the user agent, in the order in which a request
    /// from outside passes them; they must come back as routes octet by octet.
    pub(super) routes: &'static [&'static str],
    /// A Via that stands below its own in requests: whom the proxy speaks for.
    pub(super) below: Option<&'static str>,
    /// Whether its Via has no branch (RFC 2543).
    pub(super) is_branchless: bool,
    /// Whether it writes the names of fields in capitals.
    pub(super) is_loud: bool,
}

/// A program that writes nothing of its own.
pub(super) const NOTHING: Dialect = Dialect {
    lines: &[],
    routes: &[],
    below: None,
    is_branchless: false,
    is_loud: false,
};

impl Dialect {
    /// Spells the names of fields as it does.
    pub(super) fn spell(&self, message: &mut SipMessage) {
        if self.is_loud {
            for (name, _) in &mut message.headers {
                name.make_ascii_uppercase();
            }
        }
    }

    /// Writes its lines into a message of `end`; `what` is the method, or status and method of an answer.
    pub(super) fn dress(&self, end: &End, what: &str, message: &mut SipMessage) {
        let is_request = message.method().is_some();
        let class = if is_request { "requests" } else { "answers" };
        for (when, line) in self.lines {
            if *when != "*" && *when != class && *when != what {
                continue;
            }
            let (name, value) = line.split_once(": ").unwrap();
            let value = fill(value, end, message);
            match name.split_at(1) {
                ("=", name) => message.set(name, &value),
                ("-", name) => message.remove(name),
                _ => message.push(name, &value),
            }
        }
    }
}

fn fill(value: &str, end: &End, message: &SipMessage) -> String {
    let (_, address) = end.aor().split_once(':').unwrap();
    let (user, _) = address.split_once('@').unwrap_or(("", address));
    let sent_by = end.sent_by();
    let (host, _) = sent_by.rsplit_once(':').unwrap_or((sent_by, ""));
    value
        .replace("{host}", host)
        .replace("{sent-by}", sent_by)
        .replace("{user}", user)
        .replace("{aor}", end.aor())
        .replace("{call-id}", message.call_id())
        .replace("{uri}", message.uri().unwrap_or_default())
        .replace("{branch}", &message.branch().unwrap_or_default())
        .replace("{tag}", message.from_tag().unwrap_or_default())
}
