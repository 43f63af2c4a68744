//! One end of a chart: what it sends next, and what it knows of its dialog.
use super::dialect::Dialect;
use sipward_lab::site::EDGE;
use sipward_lab::{Dialog, End, Received, Sent, SipMessage, Wire};
use std::collections::HashMap;
use std::future::Future as _;

/// One end of a chart.
pub(super) struct Side<'a> {
    pub(super) end: &'a End,
    /// Those of its pool that may get what begins.
    pool: Vec<&'a End>,
    pub(super) dialect: &'a Dialect,
    /// The Request-URI and To of what it begins.
    calls: String,
    /// Routes that it puts there when it begins: a Path, a preloaded route.
    by: Vec<String>,
    /// From of what it begins; none: its address of record.
    from: Option<String>,
    /// Fields of its messages that the boundary takes out.
    pub(super) loses: &'static [&'static str],
    /// Names and addresses of its side are hidden from the other.
    pub(super) is_hidden: bool,
    /// The last Contact that it wrote into this dialog.
    pub(super) written: Option<String>,
    /// On which connection it begins; none: its newest.
    wire: Option<Wire>,
    pub(super) dialog: Option<Dialog>,
    /// Requests that came and are not answered, by method.
    pub(super) open: HashMap<String, Received>,
    /// Requests that it sent, by method.
    pub(super) sent: HashMap<String, Sent>,
    /// The final answer to its last INVITE.
    pub(super) answered: Option<Received>,
    /// Its last REGISTER was answered 401.
    pub(super) is_challenged: bool,
}

impl<'a> Side<'a> {
    /// An end that writes so and calls this URI.
    pub(super) fn new(end: &'a End, dialect: &'a Dialect, calls: &str) -> Self {
        Self {
            end,
            pool: Vec::new(),
            dialect,
            calls: calls.to_owned(),
            by: Vec::new(),
            from: None,
            loses: &[],
            is_hidden: false,
            written: None,
            wire: None,
            dialog: None,
            open: HashMap::new(),
            sent: HashMap::new(),
            answered: None,
            is_challenged: false,
        }
    }

    /// What begins with it may as well go to these.
    pub(super) fn or(mut self, mates: &[&'a End]) -> Self {
        self.pool = mates.to_vec();
        self.pool.push(self.end);
        self
    }

    /// It begins by these routes.
    pub(super) fn by(mut self, routes: &[String]) -> Self {
        self.by = routes.to_vec();
        self
    }

    /// From of what it begins.
    pub(super) fn from(mut self, uri: &str) -> Self {
        self.from = Some(uri.to_owned());
        self
    }

    /// These of its fields do not arrive.
    pub(super) fn loses(mut self, fields: &'static [&'static str]) -> Self {
        self.loses = fields;
        self
    }

    /// The topology of its side is hidden from the other: Contact, Via and Record-Route.
    pub(super) fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// It begins on this connection.
    pub(super) fn on(mut self, wire: &Wire) -> Self {
        self.wire = Some(wire.clone());
        self
    }

    /// Another server of its kind speaks for it, on this connection.
    pub(super) fn moves(&mut self, to: &'a End, wire: &Wire) {
        self.end = to;
        self.wire = Some(wire.clone());
    }

    /// A new dialog may begin.
    pub(super) fn clear(&mut self) {
        self.dialog = None;
        self.written = None;
        self.open.clear();
        self.sent.clear();
        self.answered = None;
    }

    /// The request that it sends now.
    pub(super) fn request(&mut self, method: &str) -> SipMessage {
        let end = self.end;
        let mut message = match method {
            "CANCEL" | "ACK" if self.dialog.is_none() => panic!("{method} needs an INVITE"),
            "CANCEL" => self.derived("CANCEL"),
            "ACK" => self.acknowledgement(),
            _ => match &mut self.dialog {
                Some(dialog) => {
                    let draft = end.within(dialog, method);
                    let draft = match method {
                        "INVITE" | "UPDATE" | "SUBSCRIBE" | "REFER" | "NOTIFY" => {
                            draft.with_contact()
                        }
                        _ => draft,
                    };
                    draft.build()
                }
                None => self.first(method),
            },
        };
        if self.dialect.is_branchless {
            let via = message.top_via().unwrap();
            let bare = via.split(';').next().unwrap();
            message.set("Via", bare);
        }
        if method != "CANCEL" {
            self.complete(method, &mut message);
            self.dialect.dress(end, method, &mut message);
            if method == "REGISTER" && self.is_challenged {
                self.dialect.dress(end, "REGISTER again", &mut message);
            }
            if let Some(below) = self.dialect.below {
                message.push("Via", below);
            }
            // As Kamailio writes it: above its Via, in what may begin a dialog.
            let begins = ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "BENOTIFY"].contains(&method);
            for route in self.dialect.routes.iter().rev().filter(|_| begins) {
                message.push_front("Record-Route", route);
            }
        }
        self.dialect.spell(&mut message);
        message
    }

    /// What the RFC of the method asks for.
    fn complete(&self, method: &str, message: &mut SipMessage) {
        match method {
            "PRACK" => {
                let (number, _) = self.sent["INVITE"].message.cseq().unwrap();
                message.push("RAck", &format!("1 {number} INVITE"));
            }
            "REFER" => {
                let replaces = "a84b4c76e66710%40192.0.2.7%3Bto-tag%3D7743%3Bfrom-tag%3D9fxced76sl";
                let target = format!("<sip:dave@contoso.test?Replaces={replaces}>");
                message.push("Refer-To", &target);
                message.push("Referred-By", &format!("<{}>", self.end.aor()));
            }
            "NOTIFY" => {
                message.push("Event", "refer");
                message.push("Subscription-State", "terminated;reason=noresource");
                message.set("Content-Type", "message/sipfrag;version=2.0");
                message.body = b"SIP/2.0 200 OK\r\n".to_vec();
            }
            _ => {}
        }
    }

    fn first(&self, method: &str) -> SipMessage {
        let end = self.end;
        let draft = match method {
            "INVITE" => end.invite(&self.calls),
            "REGISTER" => end.register(),
            "SUBSCRIBE" | "REFER" => end.request(method, &self.calls).with_contact(),
            _ => end.request(method, &self.calls),
        };
        let draft = match &self.from {
            Some(uri) => draft.from(uri),
            None => draft,
        };
        let mut message = draft.build();
        for route in &self.by {
            message.push("Route", route);
        }
        // The same registration once more, with what the challenge asked for (RFC 3261 §10.2.4).
        if method == "REGISTER" && self.is_challenged {
            let before = &self.sent["REGISTER"].message;
            for name in ["Call-ID", "From"] {
                message.set(name, before.header(name).unwrap());
            }
            let (number, _) = before.cseq().unwrap();
            message.set("CSeq", &format!("{} REGISTER", number + 1));
        }
        message
    }

    /// What has its INVITE's branch, Request-URI and route.
    pub(super) fn derived(&self, method: &str) -> SipMessage {
        let invite = &self.sent["INVITE"].message;
        let mut message = SipMessage::request(method, invite.uri().unwrap());
        for name in ["Via", "Max-Forwards", "Route", "From", "To", "Call-ID"] {
            for value in invite.values(name) {
                message.push(name, &value);
            }
        }
        let (number, _) = invite.cseq().unwrap();
        message.push("CSeq", &format!("{number} {method}"));
        message
    }

    fn acknowledgement(&mut self) -> SipMessage {
        let answer = self.answered.take().expect("an ACK needs an answer");
        let (number, _) = answer.message.cseq().unwrap();
        let dialog = self.dialog.as_mut().unwrap();
        let kept = dialog.cseq;
        let mut message = self.end.within(dialog, "ACK").build();
        dialog.cseq = kept;
        message.set("CSeq", &format!("{number} ACK"));
        message
    }

    /// A dialog as its user agent has it: what a proxy of its own put there is gone.
    pub(super) fn enter(&mut self, mut dialog: Dialog) {
        dialog.routes.retain(|route| !self.is_own(route));
        match &mut self.dialog {
            // The target may be refreshed, the route set stays (RFC 3261 §12.2.1.2).
            Some(known) => known.target = dialog.target,
            None => self.dialog = Some(dialog),
        }
    }

    pub(super) fn is_own(&self, route: &str) -> bool {
        self.dialect.routes.contains(&route)
    }

    pub(super) async fn send(&mut self, message: &SipMessage, on: Option<&Wire>) -> Sent {
        if let Some(contact) = message.contact() {
            self.written = Some(contact);
        }
        let draft = self.end.draft(message.clone());
        match on.or(self.wire.as_ref()) {
            Some(wire) => draft.on(wire).send().await.unwrap(),
            None => draft.send().await.unwrap(),
        }
    }

    /// Waits for what begins, whoever of its pool gets it.
    pub(super) async fn expect(
        &mut self,
        row: &str,
        wanted: impl Fn(&SipMessage) -> bool,
    ) -> Received {
        if self.dialog.is_some() || self.pool.is_empty() || !self.open.is_empty() {
            return self.end.expect_where(row, wanted).await.unwrap();
        }
        let waits = self
            .pool
            .iter()
            .map(|end| Box::pin(end.expect_where(row, &wanted)));
        let mut waits: Vec<_> = waits.collect();
        let (at, got) = std::future::poll_fn(|context| {
            let ready = waits.iter_mut().enumerate().find_map(|(at, wait)| {
                match wait.as_mut().poll(context) {
                    std::task::Poll::Ready(got) => Some((at, got)),
                    std::task::Poll::Pending => None,
                }
            });
            ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await;
        self.end = self.pool[at];
        got.unwrap()
    }

    /// Nothing has come that the chart does not have.
    pub(super) async fn is_content(&self, chart: &str) {
        let more: Vec<String> = self
            .end
            .untaken()
            .await
            .into_iter()
            .map(|received| received.message)
            // A busy machine may let a 100 become due.
            .filter(|m| m.status() != Some(100) && !is_ping(m))
            .map(|m| m.start)
            .collect();
        assert!(
            more.is_empty(),
            "{} got {more:?} besides {chart}",
            self.end.party()
        );
    }
}

/// Whether this is the daemon's own question whether a pool's member lives.
pub(super) fn is_ping(message: &SipMessage) -> bool {
    let from = message.header("from").unwrap_or_default();
    message.method() == Some("OPTIONS") && from.contains(&format!("<sip:{EDGE}"))
}
