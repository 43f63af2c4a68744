//! Plays a message chart over the daemon and compares what arrives with what was sent.
//!
//! A line of a chart is `caller -> callee   INVITE` (a request) or `caller <- callee   200 INVITE` (an answer). With `edge`
//! in a column the daemon itself speaks or listens: it answers a CANCEL, and acknowledges a refusal.
pub(super) use super::side::Side;
use sipward_lab::site::EDGE;
use sipward_lab::{Dialog, End, Received, SipMessage, Wire};

/// Two ends with the daemon between them.
pub(super) struct Chart<'a> {
    caller: Side<'a>,
    callee: Side<'a>,
    /// Fields that the daemon adds for the callee, and for the caller.
    gains: [&'static [&'static str]; 2],
    row: String,
}

/// Fields that change from hop to hop; each is looked at by itself.
const HOP: [&str; 5] = [
    "via",
    "route",
    "record-route",
    "max-forwards",
    "max-breadth",
];

impl<'a> Chart<'a> {
    /// A chart of these two.
    pub(super) fn between(caller: Side<'a>, callee: Side<'a>) -> Self {
        Self {
            caller,
            callee,
            gains: [&[], &[]],
            row: String::new(),
        }
    }

    /// Fields that the daemon adds to what goes to the callee, and to the caller.
    pub(super) fn gains(
        mut self,
        callee: &'static [&'static str],
        caller: &'static [&'static str],
    ) -> Self {
        self.gains = [callee, caller];
        self
    }

    /// Plays one chart from a new beginning.
    pub(super) async fn play(&mut self, rows: &str) {
        self.caller.clear();
        self.callee.clear();
        self.go_on(rows).await;
    }

    /// The callee's server is another one from here on, within its dialog too.
    pub(super) fn callee_moves(&mut self, to: &'a End, wire: &Wire) {
        self.callee.moves(to, wire);
    }

    /// Plays on where the last chart ended.
    pub(super) async fn go_on(&mut self, rows: &str) {
        self.caller
            .end
            .transcript()
            .note(self.caller.end.party(), "a chart begins");
        for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
            row.clone_into(&mut self.row);
            let words: Vec<&str> = row.split_whitespace().collect();
            match words[..] {
                [left, arrow, right, method] => {
                    let (from, to) = if arrow == "->" {
                        (left, right)
                    } else {
                        (right, left)
                    };
                    self.request(from, to, method).await;
                }
                [left, arrow, right, status, method] => {
                    let (from, to) = if arrow == "->" {
                        (left, right)
                    } else {
                        (right, left)
                    };
                    self.answer(from, to, status.parse().unwrap(), method).await;
                }
                _ => panic!("no row of a chart: {row}"),
            }
        }
        self.caller.is_content(rows).await;
        self.callee.is_content(rows).await;
    }

    /// Plays one after the other.
    pub(super) async fn play_all(&mut self, charts: &[&str]) {
        for rows in charts {
            self.play(rows).await;
        }
    }

    /// The last request of a method that the callee got.
    pub(super) fn callee_got(&self, method: &str) -> &Received {
        &self.callee.open[method]
    }

    fn sides(&mut self, from: &str) -> (&mut Side<'a>, &mut Side<'a>, &'static [&'static str]) {
        match from {
            "caller" => (&mut self.caller, &mut self.callee, self.gains[0]),
            "callee" => (&mut self.callee, &mut self.caller, self.gains[1]),
            _ => panic!("no side of a chart: {from}"),
        }
    }

    async fn request(&mut self, from: &str, to: &str, method: &str) {
        let row = self.row.clone();
        if from == "edge" {
            let (side, ..) = self.sides(to);
            let got = side.end.expect(method).await.unwrap();
            let (number, _) = got.message.cseq().unwrap();
            let (asked, _) = side.open["INVITE"].message.cseq().unwrap();
            assert_eq!(number, asked, "{row}");
            return;
        }
        let (sender, receiver, gains) = self.sides(from);
        let message = sender.request(method);
        // What belongs to an INVITE goes where that went.
        let on = match method {
            "CANCEL" => Some(sender.sent["INVITE"].wire.clone()),
            _ => None,
        };
        let sent = sender.send(&message, on.as_ref()).await;
        sender.sent.insert(method.to_owned(), sent);
        if to == "edge" {
            return;
        }
        let got = receiver
            .expect(&row, |m| {
                m.method() == Some(method) && m.call_id() == message.call_id()
            })
            .await;
        if method != "CANCEL" {
            // What a hidden contact became is at our name, and comes back as it was written.
            let uri = match (&receiver.written, receiver.is_hidden) {
                (Some(written), true) => written.clone(),
                _ => message.uri().unwrap().to_owned(),
            };
            assert_eq!(got.message.uri(), Some(uri.as_str()), "{row}");
            let arrived = without_announcement(&row, &message, &got.message);
            same(&row, &message, &arrived, sender, gains);
            hops(&row, &message, &got.message, sender, receiver);
        }
        // Whoever writes a Contact in a dialog may be somewhere else now (RFC 3261 §12.2.2).
        if let (Some(dialog), Some(target)) = (&mut receiver.dialog, got.message.contact()) {
            dialog.target = target;
        }
        if method != "ACK" {
            receiver.open.insert(method.to_owned(), got);
        }
    }

    async fn answer(&mut self, from: &str, to: &str, status: u16, method: &str) {
        let row = self.row.clone();
        if from == "edge" {
            let (side, ..) = self.sides(to);
            side.end.answer(&side.sent[method], status).await.unwrap();
            return;
        }
        let (sender, receiver, gains) = self.sides(from);
        let asked = sender.open[method].clone();
        let mut message = sender.end.answering(&asked, status).build();
        if (method, status) == ("INVITE", 183) {
            message.push("Require", "100rel");
            message.push("RSeq", "1");
        }
        if (101..300).contains(&status) && asked.message.header("record-route").is_some() {
            // The side that the request came from is below, the user agent's above.
            for route in sender.dialect.routes {
                message.push_front("Record-Route", route);
            }
        }
        if method == "REGISTER" && status == 200 {
            for value in asked.message.values("path") {
                message.push("Path", &value);
            }
        }
        sender
            .dialect
            .dress(sender.end, &format!("{status} {method}"), &mut message);
        sender.dialect.spell(&mut message);
        sender.send(&message, Some(&asked.wire)).await;
        if method == "INVITE" && (101..300).contains(&status) {
            let dialog = Dialog::callee(&asked.message, &message).unwrap();
            sender.enter(dialog);
        }
        if to == "edge" {
            return;
        }
        let request = receiver.sent[method].clone();
        let got = receiver.end.answer(&request, status).await.unwrap();
        receiver.is_challenged = status == 401;
        // The lab's ends acknowledge a refusal by its branch; without one it is done here (RFC 3261 §17.1.1.3).
        if method == "INVITE" && status >= 300 && receiver.dialect.is_branchless {
            let mut ack = receiver.derived("ACK");
            ack.set("To", got.message.header("to").unwrap());
            receiver.send(&ack, Some(&request.wire)).await;
        }
        assert_eq!(message.start, got.message.start, "{row}");
        // Who knows nothing of Path is not bothered with it (RFC 3327 §5.1).
        if !names_path(&request.message.values("supported")) {
            message
                .headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("path"));
        }
        same(&row, &message, &got.message, sender, gains);
        assert_eq!(
            got.message.values("via").len(),
            request.message.values("via").len(),
            "{row}"
        );
        assert_eq!(routes(&got.message), routes(&message), "{row}");
        if method == "INVITE" && (101..300).contains(&status) {
            let dialog = Dialog::caller(&request.message, &got.message).unwrap();
            let dialog = Dialog {
                cseq: request.message.cseq().unwrap().0,
                ..dialog
            };
            receiver.enter(dialog);
        }
        if matches!(method, "SUBSCRIBE" | "REFER") && status < 300 && receiver.dialog.is_none() {
            sender.enter(Dialog::callee(&asked.message, &message).unwrap());
            receiver.enter(Dialog::caller(&request.message, &got.message).unwrap());
        }
        if status >= 200 && method == "INVITE" {
            receiver.answered = Some(got);
        }
    }
}

/// Record-Route, without the daemon's tokens: a client that is not registered sees a value of its own (RFC 5658).
fn routes(message: &SipMessage) -> Vec<String> {
    let without_token = |value: String| match value.split_once("@edge01.") {
        Some((_, rest)) => format!("@edge01.{rest}"),
        None => value,
    };
    let values = message.values("record-route").into_iter();
    values.map(without_token).collect()
}

fn names_path(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag.eq_ignore_ascii_case("path"))
}

/// A registration without the line by which the daemon announces Path for a client whose own first does not (RFC 3327
/// §5.1).
#[track_caller]
fn without_announcement(row: &str, sent: &SipMessage, got: &SipMessage) -> SipMessage {
    let mut got = got.clone();
    let first = sent.header("supported").unwrap_or_default();
    let first: Vec<String> = first.split(',').map(|tag| tag.trim().to_owned()).collect();
    if got.method() == Some("REGISTER") && got.header("path").is_some() && !names_path(&first) {
        let is_supported = |(name, _): &(String, String)| name.eq_ignore_ascii_case("supported");
        let at = got.headers.iter().position(is_supported).unwrap();
        let (_, announced) = got.headers.remove(at);
        assert_eq!(announced, "path", "{row}");
    }
    got
}

/// All that the sender wrote has arrived, as written and in that order, and nothing else.
#[track_caller]
fn same(row: &str, sent: &SipMessage, got: &SipMessage, sender: &Side<'_>, gained: &[&str]) {
    let lost = sender.loses;
    let lines = |message: &SipMessage, without: &[&str]| -> Vec<(String, String)> {
        message
            .headers
            .iter()
            .filter(|(name, _)| {
                let name = name.to_ascii_lowercase();
                let is_passed_over = HOP.contains(&name.as_str())
                    || name == "content-length"
                    || sender.is_hidden && matches!(name.as_str(), "contact" | "referred-by")
                    || without.iter().any(|w| w.eq_ignore_ascii_case(&name));
                !is_passed_over
            })
            .cloned()
            .collect()
    };
    // What is taken out is gone whatever stands in it, and what is added comes from nobody else.
    for name in lost.iter().filter(|name| !gained.contains(name)) {
        assert_eq!(got.header(name), None, "{row}: {name} arrives");
    }
    assert_eq!(lines(sent, lost), lines(got, gained), "{row}: what arrives");
    if sender.is_hidden {
        assert_eq!(sent.contact().is_some(), got.contact().is_some(), "{row}");
        let is_ours = |uri: &String| uri.contains(&format!("@{EDGE}"));
        assert!(
            got.contact().iter().all(is_ours),
            "{row}: {:?}",
            got.contact()
        );
    }
    assert_eq!(sent.body, got.body, "{row}");
}

/// What changes from hop to hop has changed as it must.
#[track_caller]
fn hops(row: &str, sent: &SipMessage, got: &SipMessage, sender: &Side<'_>, receiver: &Side<'_>) {
    let hops = |m: &SipMessage| m.header("max-forwards").unwrap().parse::<u8>().unwrap();
    assert_eq!(hops(got), hops(sent) - 1, "{row}");
    let (before, after) = (sent.values("via"), got.values("via"));
    if sender.is_hidden {
        assert!(
            after.iter().all(|via| via.contains(EDGE)),
            "{row}: {after:?}"
        );
    } else {
        assert_eq!(after.len(), before.len() + 1, "{row}");
    }
    let before = before.iter().filter(|_| !sender.is_hidden);
    for (number, via) in before.enumerate() {
        // Ours stands above; the sender's gets where it came from.
        let is_same = if number == 0 {
            let bare = via.replace(";rport", "");
            let (sent_by, branch) = bare.split_once(';').unwrap_or((&bare, ""));
            after[1].starts_with(sent_by) && after[1].contains(branch)
        } else {
            &after[number + 1] == via
        };
        assert!(is_same, "{row}: {via} became {}", after[number + 1]);
    }
    let routes = got.values("route");
    assert!(
        routes.iter().all(|route| receiver.is_own(route)),
        "{row}: the way ends here, but there is {routes:?}"
    );
    if receiver.dialog.is_some() {
        assert_eq!(
            routes, receiver.dialect.routes,
            "{row}: the routes of its own proxy"
        );
    }
    let recorded = got.values("record-route");
    if sender.is_hidden {
        assert!(
            recorded.iter().all(|route| route.contains(EDGE)),
            "{row}: {recorded:?}"
        );
        return;
    }
    assert!(
        recorded.ends_with(&sent.values("record-route")),
        "{row}: {recorded:?}"
    );
}
