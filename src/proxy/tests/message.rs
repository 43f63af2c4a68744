//! Messages of the core's tests: only what matters of them is written.

/// Text with bare line ends → octets on the wire.
pub(super) fn wire(text: &str) -> Vec<u8> {
    let (head, body) = text
        .split_once("\n\n")
        .unwrap_or((text.trim_end_matches('\n'), ""));
    let mut wire = head.trim_start().replace('\n', "\r\n");
    if !head.to_ascii_lowercase().contains("\ncontent-length") {
        wire.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    wire.push_str("\r\n\r\n");
    wire.push_str(body);
    wire.into_bytes()
}

/// Somebody at the partner, as the sender of a request.
pub(super) const EVE: &str = "<sip:eve@fabrikam.test>;tag=a";

/// A request in which only what matters is said.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) branch: &'a str,
    pub(super) cseq: u32,
    /// Further header lines, each with its line end.
    pub(super) more: &'a str,
}

impl<'a> Request<'a> {
    /// An INVITE of Alice to Bob, outside of a dialog.
    pub(super) fn invite() -> Self {
        Self::of("INVITE")
    }
    /// The same with another method.
    pub(super) fn of(method: &'a str) -> Self {
        Self {
            method,
            uri: "sip:bob@contoso.test",
            from: "<sip:alice@contoso.test>;tag=a",
            to: "<sip:bob@contoso.test>",
            branch: "z9hG4bKone",
            cseq: 1,
            more: "",
        }
    }
    pub(super) fn uri(self, uri: &'a str) -> Self {
        Self { uri, ..self }
    }
    pub(super) fn from(self, from: &'a str) -> Self {
        Self { from, ..self }
    }
    pub(super) fn to(self, to: &'a str) -> Self {
        Self { to, ..self }
    }
    /// In the dialog that Bob's answer formed.
    pub(super) fn in_dialog(self) -> Self {
        self.to("<sip:bob@contoso.test>;tag=b")
    }
    pub(super) fn branch(self, branch: &'a str) -> Self {
        Self { branch, ..self }
    }
    pub(super) fn cseq(self, cseq: u32) -> Self {
        Self { cseq, ..self }
    }
    pub(super) fn more(self, more: &'a str) -> Self {
        Self { more, ..self }
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            method,
            uri,
            from,
            to,
            branch,
            cseq,
            more,
        } = self;
        write!(
            f,
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/TLS ua.invalid:5061;branch={branch}\nMax-Forwards: 70\nFrom: {from}\n\
             To: {to}\nCall-ID: call-1\nCSeq: {cseq} {method}\n{more}"
        )
    }
}

/// A REGISTER of this address of record, whose Contact has these parameters.
pub(super) fn registration(aor: &str, branch: &str, device: &str) -> String {
    Request::of("REGISTER")
        .uri("sip:contoso.test")
        .from(&format!("<{aor}>;tag=r"))
        .to(&format!("<{aor}>"))
        .branch(branch)
        .more(&format!(
            "Contact: <sip:alice@10.0.0.1;transport=tls>{device}\n"
        ))
        .to_string()
}

/// An answer as the far end of `request` would make it.
pub(super) fn answer(request: &str, status: &str, more: &str) -> String {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut text = format!("SIP/2.0 {status}\n");
    for line in head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        match name.as_str() {
            "via" | "from" | "call-id" | "cseq" | "record-route" => {
                text.push_str(&format!("{line}\n"))
            }
            "to" if line.contains("tag=") || status.starts_with("100") => {
                text.push_str(&format!("{line}\n"))
            }
            "to" => text.push_str(&format!("{line};tag=b\n")),
            _ => {}
        }
    }
    text + more
}

/// The Route of a request in the dialog that this one formed, as its receiver sends it.
pub(super) fn route_of(request: &str) -> String {
    format!("Route: {}\n", field(request, "Record-Route").unwrap())
}

/// The first value of a header field.
pub(super) fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    fields(message, name).into_iter().next()
}

/// All lines of a header field.
pub(super) fn fields<'m>(message: &'m str, name: &str) -> Vec<&'m str> {
    message
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
        .collect()
}
