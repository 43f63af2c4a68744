//! A user agent whose calls read like a message chart: requests, answers, dialogs (RFC 3261 §8, §12, §13,
//! §15).
use super::inbox::copy_hop;
use super::{Dialog, Draft, End, LabError, Received, Sent, SipMessage, Transcript, fresh};

impl End {
    /// The end's name in ladders.
    pub fn party(&self) -> &str {
        &self.state.profile.party
    }

    /// Its address of record.
    pub fn aor(&self) -> &str {
        &self.state.profile.aor
    }

    /// Its Contact URI.
    pub fn contact(&self) -> &str {
        &self.state.profile.contact
    }

    /// sent-by of its Via.
    pub fn sent_by(&self) -> &str {
        &self.state.profile.sent_by
    }

    /// The lab's transcript.
    pub fn transcript(&self) -> &Transcript {
        &self.state.transcript
    }

    /// A request outside of a dialog (RFC 3261 §8.1.1), From this end's address of record.
    pub fn request(&self, method: &str, uri: &str) -> Draft<'_> {
        let card = &self.state.profile;
        let mut m = SipMessage::request(method, uri);
        m.push("Via", &self.via(&fresh::branch()));
        m.push("Max-Forwards", "70");
        m.push("From", &format!("<{}>;tag={}", card.aor, fresh::token()));
        m.push("To", &format!("<{uri}>"));
        m.push("Call-ID", &format!("{}@{}", fresh::token(), card.party));
        m.push("CSeq", &format!("1 {method}"));
        self.draft(m)
    }

    /// An INVITE with a small session description.
    pub fn invite(&self, uri: &str) -> Draft<'_> {
        self.request("INVITE", uri).with_contact().sdp()
    }

    /// A MESSAGE (RFC 3428).
    pub fn message(&self, uri: &str, text: &str) -> Draft<'_> {
        self.request("MESSAGE", uri)
            .body("text/plain", text.as_bytes())
    }

    /// A REGISTER for this end's address of record, as an RFC 5626 client sends it.
    pub fn register(&self) -> Draft<'_> {
        let card = &self.state.profile;
        let domain = super::address::host_of(&card.aor);
        let (uri, uuid) = (&card.contact, uuid_of(&card.aor));
        let contact = format!("<{uri}>;+sip.instance=\"<urn:uuid:{uuid}>\";reg-id=1;expires=3600");
        self.request("REGISTER", &format!("sip:{domain}"))
            .set("To", &format!("<{}>", card.aor))
            .header("Contact", &contact)
            .header("Supported", "path, outbound")
    }

    /// A request inside a dialog (RFC 3261 §12.2.1.1); counts the dialog's CSeq up.
    pub fn within(&self, dialog: &mut Dialog, method: &str) -> Draft<'_> {
        dialog.cseq = dialog.cseq.saturating_add(1);
        let m = self.in_dialog(dialog, method, dialog.cseq, &fresh::branch());
        self.draft(m)
    }

    fn in_dialog(&self, dialog: &Dialog, method: &str, cseq: u32, branch: &str) -> SipMessage {
        let mut m = SipMessage::request(method, &dialog.target);
        m.push("Via", &self.via(branch));
        m.push("Max-Forwards", "70");
        for route in &dialog.routes {
            m.push("Route", route);
        }
        m.push("From", &dialog.local);
        m.push("To", &dialog.remote);
        m.push("Call-ID", &dialog.call_id);
        m.push("CSeq", &format!("{cseq} {method}"));
        m
    }

    fn via(&self, branch: &str) -> String {
        format!(
            "SIP/2.0/TLS {};rport;branch={branch}",
            self.state.profile.sent_by
        )
    }

    /// A message of the caller's making, sent as it is.
    pub fn draft(&self, message: SipMessage) -> Draft<'_> {
        Draft {
            end: self,
            message,
            wire: None,
        }
    }

    /// Acknowledges a 2xx (RFC 3261 §13.2.2.4) and returns the dialog that it made. The ACK of a refusal goes
    /// by itself.
    ///
    /// # Errors
    /// The 2xx makes no dialog, or there is no live connection.
    pub async fn ack(&self, invite: &Sent, ok: &Received) -> Result<Dialog, LabError> {
        let dialog = Dialog::caller(&invite.message, &ok.message)?;
        let number = ok.message.cseq().map_or(dialog.cseq, |(n, _)| n);
        let ack = self.in_dialog(&dialog, "ACK", number, &fresh::branch());
        let ack = self.draft(ack);
        // As a server that finds the connection closed meanwhile, and uses another one to the same address (RFC 3261 §18.1.1).
        let ack = if ok.wire.is_live() {
            ack.on(&ok.wire)
        } else {
            ack
        };
        ack.send().await?;
        Ok(dialog)
    }

    /// Ends a dialog (RFC 3261 §15.1.1).
    ///
    /// # Errors
    /// There is no live connection.
    pub async fn bye(&self, dialog: &mut Dialog) -> Result<Sent, LabError> {
        self.within(dialog, "BYE").send().await
    }

    /// Cancels a pending request (RFC 3261 §9.1).
    ///
    /// # Errors
    /// Its connection has ended.
    pub async fn cancel(&self, request: &Sent) -> Result<Sent, LabError> {
        let mut cancel = SipMessage::request("CANCEL", request.message.uri().unwrap_or_default());
        copy_hop(&request.message, &mut cancel, "CANCEL");
        self.draft(cancel).on(&request.wire).send().await
    }

    /// Answers a request on the connection that it came on. A 2xx to an INVITE carries Contact and a session
    /// description.
    ///
    /// # Errors
    /// That connection has ended.
    pub async fn reply(&self, request: &Received, status: u16) -> Result<SipMessage, LabError> {
        self.answering(request, status)
            .send()
            .await
            .map(|s| s.message)
    }

    /// As [`Self::reply`], to be changed before it is sent.
    pub fn answering(&self, request: &Received, status: u16) -> Draft<'_> {
        // One tag for all answers of this end to one request (RFC 3261 §8.2.6.2).
        let tag = fresh::derived(&format!(
            "{} {} {}",
            self.party(),
            request.message.call_id(),
            request.message.from_tag().unwrap_or_default()
        ));
        let draft = self
            .draft(request.message.answer(status, &tag))
            .on(&request.wire);
        let invite = request.message.method() == Some("INVITE");
        let contact = request.message.header("contact");
        match status {
            // What is granted is listed (RFC 3261 §10.3 step 8).
            200..300 if request.message.method() == Some("REGISTER") => contact
                .into_iter()
                .fold(draft, |draft, line| draft.header("Contact", line)),
            200..300 if invite => draft.with_contact().sdp(),
            101..200 if invite => draft.with_contact(),
            _ => draft,
        }
    }

    /// Answers 200 to an INVITE and returns the dialog on this side.
    ///
    /// # Errors
    /// The connection has ended, or the INVITE makes no dialog.
    pub async fn accept(&self, invite: &Received) -> Result<Dialog, LabError> {
        let answer = self.reply(invite, 200).await?;
        Dialog::callee(&invite.message, &answer)
    }

    /// Waits for a request of this method.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn expect(&self, method: &str) -> Result<Received, LabError> {
        self.expect_where(method, |m| m.method() == Some(method))
            .await
    }

    /// Waits for a message that `wanted` accepts; others stay in the inbox.
    ///
    /// # Errors
    /// None comes in time; the error calls it `awaited`.
    pub async fn expect_where(
        &self,
        awaited: &str,
        wanted: impl Fn(&SipMessage) -> bool,
    ) -> Result<Received, LabError> {
        self.take(awaited, |r| wanted(&r.message)).await
    }

    /// Waits for a response with this status, whatever request it answers.
    ///
    /// # Errors
    /// None comes in time, or another final one comes first.
    pub async fn expect_status(&self, status: u16) -> Result<Received, LabError> {
        let got = self
            .take(&format!("a {status}"), |r| {
                r.message.status().is_some_and(|s| s == status || s >= 200)
            })
            .await?;
        self.must_be(got, status)
    }

    /// Waits for this status in answer to one request.
    ///
    /// # Errors
    /// None comes in time, or another final one comes first.
    pub async fn answer(&self, request: &Sent, status: u16) -> Result<Received, LabError> {
        let awaited = format!("a {status}");
        let got = self.answer_where(request, &awaited, |s| s == status || s >= 200);
        self.must_be(got.await?, status)
    }

    /// Waits for whatever final answer one request gets.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn final_answer(&self, request: &Sent) -> Result<Received, LabError> {
        self.answer_where(request, "a final answer", |s| s >= 200)
            .await
    }

    /// Waits for an answer to this request: with the branch of its Via and its method (RFC 3261 §17.1.3).
    async fn answer_where(
        &self,
        request: &Sent,
        awaited: &str,
        wanted: impl Fn(u16) -> bool,
    ) -> Result<Received, LabError> {
        let branch = request.message.branch();
        let method = request.message.method().unwrap_or_default();
        self.take(&format!("{awaited} to {method}"), |r| {
            r.message.status().is_some_and(&wanted)
                && r.message.branch() == branch
                && r.message.cseq().is_some_and(|(_, m)| m == method)
        })
        .await
    }
}

/// The same UUID for the same address of record, so that a second registration is that of the same instance
/// (RFC 5626 §4.1).
fn uuid_of(aor: &str) -> String {
    let digits = fresh::derived(aor);
    let (left, right) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{left}-0000-4000-8000-0000{right}")
}
