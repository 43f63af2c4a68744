//! The rules for the form of a message: what breaks none of them is not refused for its form.

/// How to see what was sent.
const TRACE: &str = "the message in the sender's trace; the event names remote and call_id";
/// Who can fix it.
const SENDER: &str = "fix the sender";

reasons! {
    /// What is refused for its form.
    pub enum Rule of Form (check TRACE, remedy SENDER) {
        /// a head without its end
        NoEmptyLine "no_empty_line" (rfc "RFC 3261 §7.5", status 400 "malformed request") protects: "framing: nothing after it could be separated from it",
        /// LF without CR in a head
        BareLf "bare_lf" (rfc "RFC 3261 §7", status 400 "malformed request") protects: "framing: two parsers would see two different heads, and a field that one of them strips",
        /// CR without LF in a head
        BareCr "bare_cr" (rfc "RFC 3261 §7", status 400 "malformed request") protects: "framing: as bare_lf",
        /// a head beyond `limits.head_bytes`
        HeadTooLarge "head_too_large" (rfc "RFC 3261 §21.5.7", status 513 "Message Too Large") protects: "memory that a remote can take",
        /// a body beyond `limits.body_bytes`
        BodyTooLarge "body_too_large" (rfc "RFC 3261 §21.4.11", status 413 "Request Entity Too Large") protects: "memory that a remote can take",
        /// a message without Content-Length
        NoContentLength "no_content_length" (rfc "RFC 3261 §18.3", status 400 "malformed request") protects: "framing: on a stream nothing else says where the body ends",
        /// two Content-Length fields, equal ones too
        DuplicateContentLength "duplicate_content_length" (rfc "RFC 3261 §20.14", status 400 "malformed request") protects: "framing: two parsers could take either",
        /// a Content-Length that is not a plain number
        BadContentLength "bad_content_length" (rfc "RFC 3261 §20.14", status 400 "malformed request") protects: "framing: two parsers could read two numbers",
        /// a header line without a name and a colon
        BadHeaderLine "bad_header_line" (rfc "RFC 3261 §7.3.1", status 400 "malformed request") protects: "stripping: the next parser could see a field that was not stripped",
        /// NUL and other control characters outside of quoted pairs
        ControlOctet "control_octet" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "stripping and logs: a parser of C strings ends a field there",
        /// a start line that continues on the next line
        FoldedStartLine "folded_start_line" (rfc "RFC 3261 §7.1", status 400 "malformed request") protects: "routing: method and Request-URI decide, and parsers differ here",
        /// a start line that is not SIP
        BadStartLine "bad_start_line" (rfc "RFC 3261 §7.1", status 400 "malformed request") protects: "routing: there is no Request-URI to read",
        /// a method that is not a token
        BadMethod "bad_method" (rfc "RFC 3261 §7.1", status 400 "malformed request") protects: "matching: the method decides what a transaction is",
        /// another version than SIP/2.0
        BadVersion "bad_version" (rfc "RFC 3261 §21.5.6", status 505 "version not supported") protects: "it may mean anything (505)",
        /// a status that is not three digits from 100 to 699
        BadStatus "bad_status" (rfc "RFC 4475 §3.1.2.19", status 400 "malformed request") protects: "matching: it decides what a transaction does",
        /// more than one space between the parts of a request line, or one at its end
        ExtraSpace "extra_space" (rfc "RFC 4475 §3.1.2.9, §3.1.2.10", status 400 "malformed request") protects: "routing: parsers differ in where the Request-URI ends",
        /// a Request-URI in angle brackets
        BracketedRequestUri "bracketed_request_uri" (rfc "RFC 4475 §3.1.2.7", status 400 "malformed request") protects: "routing: not every parser takes what is in brackets for a URI",
        /// white space in the Request-URI
        SpaceInRequestUri "space_in_request_uri" (rfc "RFC 4475 §3.1.2.8", status 400 "malformed request") protects: "routing: parsers differ in where it ends",
        /// a quote or angle bracket in the Request-URI
        BadRequestUri "bad_request_uri" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "routing, and the field that it is copied into",
        /// a header part in the Request-URI
        HeadersInRequestUri "headers_in_request_uri" (rfc "RFC 3261 §19.1.1", status 400 "malformed request") protects: "stripping: it would add fields to a request unseen",
        /// no Via, From, To, Call-ID or CSeq
        MissingHeader "missing_header" (rfc "RFC 3261 §8.1.1", status 400 "malformed request") protects: "matching and answering: nothing can be logged or answered without them",
        /// a second From, To, Call-ID, CSeq, Max-Forwards or Max-Breadth
        DuplicateHeader "duplicate_header" (rfc "RFC 4475 §3.3.8", status 400 "malformed request") protects: "identity and matching: the next parser may take the other one",
        /// two tags in From or To, or white space in one
        DuplicateTag "duplicate_tag" (rfc "RFC 3261 §19.3", status 400 "malformed request") protects: "matching: parsers differ in which one counts",
        /// two branches in a Via, one without a value, two `maddr` in a URI
        DuplicateParam "duplicate_param" (rfc "RFC 3261 §19.1.1, §20.42", status 400 "malformed request") protects: "matching and routing: parsers differ in which one counts",
        /// a Call-ID that is empty or has white space in it
        BadCallId "bad_call_id" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "matching, tokens and logs",
        /// a CSeq without a number below 2**31 and a method
        BadCSeq "bad_cseq" (rfc "RFC 3261 §8.1.1.5", status 400 "malformed request") protects: "matching",
        /// a Max-Forwards that is not a number up to 255
        BadMaxForwards "bad_max_forwards" (rfc "RFC 3261 §20.22", status 400 "malformed request") protects: "loops: it is counted down",
        /// a Max-Breadth that is not a number
        BadMaxBreadth "bad_max_breadth" (rfc "RFC 5393 §5.3.3", status 400 "malformed request") protects: "amplification: it is counted",
        /// an empty value between two commas of Via or Route, or such a field without a value
        EmptyValue "empty_value" (rfc "RFC 4475 §3.1.2.1", status 400 "malformed request") protects: "routing and matching: values are counted",
        /// a quoted string without its end in From, To, Via or Route
        UnbalancedQuotes "unbalanced_quotes" (rfc "RFC 4475 §3.1.2.6", status 400 "malformed request") protects: "identity and routing: parsers differ in where the value ends",
        /// an angle bracket without its end in From, To, Via or Route
        UnbalancedAngle "unbalanced_angle" (rfc "RFC 4475 §3.1.2.5", status 400 "malformed request") protects: "as unbalanced_quotes",
        /// a quoted display name that is not followed by a URI in brackets
        BadDisplayName "bad_display_name" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity: there is no URI to judge by",
        /// text after the URI of From, To or Route that is not a parameter
        BadAddress "bad_address" (rfc "RFC 3261 §20.10", status 400 "malformed request") protects: "identity and routing: a second URI may be hidden there",
        /// white space between angle brackets
        SpaceInUri "space_in_uri" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity and routing: parsers differ in where the URI ends",
        /// a parameter of From, To, Route or Via with a quote, comma or angle bracket out of place; an empty
        /// one in a Via
        BadParam "bad_param" (rfc "RFC 4475 §3.1.2.1", status 400 "malformed request") protects: "matching: a tag or branch may be hidden there",
        /// a Via without protocol, version and transport
        BadVia "bad_via" (rfc "RFC 3261 §20.42", status 400 "malformed request") protects: "matching: it is not known what follows",
        /// a URI without a scheme, or with a byte that no URI may contain
        BadUri "bad_uri" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity and routing",
        /// a second `@` in a URI, a tel URI without a number
        BadUser "bad_user" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity and routing: what is host to one parser is user to another",
        /// a missing host in From, Route, Request-URI, `maddr` or Via, or one that is neither a name nor an
        /// address
        BadHost "bad_host" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity and routing",
        /// a port that is not a number up to 65535
        BadPort "bad_port" (rfc "RFC 3261 §25.1", status 400 "malformed request") protects: "identity and routing: whether a URI is local depends on it",
        /// a `%` without two digits in the parameters of a URI
        BadEscape "bad_escape" (rfc "RFC 3261 §19.1.2", status 400 "malformed request") protects: "routing: `maddr` and `lr` are found by their names",
    }
}

impl PartialEq<&str> for Rule {
    fn eq(&self, code: &&str) -> bool {
        self.code() == *code
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;
    use std::collections::HashSet;
    use std::fmt::Write as _;

    const TITLE: &str = "## What is refused for its form";

    fn page() -> String {
        let mut page = format!(
            "{TITLE}\n\nA message is refused for its form (400, 505, 413 or 513, and a response is dropped) by these rules alone, each of which\nprotects something that the proxy uses or that would be unsafe. What it does not use is no reason to refuse: unknown\nmethods, fields and parameters, parameters without or with an empty value, fields that it only passes on. The proxy\nadds: a method in CSeq that is not the request's, a branch that is the magic cookie alone (`bad_branch`), and more than 100\nRoute values (`too_many_routes`). This table is made of the one in `src/reason/rule.rs` (`UPDATE_DOCS=1 cargo test --lib reason::rule` writes it anew).\n\n| rule | what is refused | what it protects | from |\n|---|---|---|---|\n"
        );
        for rule in Rule::ALL {
            let _ = writeln!(
                page,
                "| `{rule}` | {} | {} | {} |",
                rule.what(),
                rule.reason().protects(),
                rule.reason().rfc()
            );
        }
        page
    }

    #[test]
    fn the_docs_have_every_rule_with_what_it_protects() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");
        let text = std::fs::read_to_string(file).unwrap();
        let start = text.find(TITLE).unwrap_or(text.len());
        let end = text
            .get(start + 1..)
            .and_then(|rest| rest.find("\n## "))
            .map_or(text.len(), |at| start + 1 + at + 1);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let before = text[..start].trim_end();
            let behind = text.get(end..).unwrap_or_default();
            let gap = if behind.is_empty() { "" } else { "\n" };
            std::fs::write(file, format!("{before}\n\n{}{gap}{behind}", page())).unwrap();
            return;
        }
        assert!(
            text.contains(&page()),
            "docs/conformance.md does not hold the rules: UPDATE_DOCS=1 cargo test --lib reason::rule"
        );
    }

    /// A rule that no code refuses by would be a promise without a keeper.
    #[test]
    fn every_rule_is_refused_by_somewhere() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sip");
        let mut used: HashSet<&Rule> = HashSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            used.extend(
                Rule::ALL
                    .iter()
                    .filter(|rule| text.contains(&format!("Rule::{rule:?}"))),
            );
        }
        let idle: Vec<_> = Rule::ALL
            .iter()
            .filter(|rule| !used.contains(rule))
            .collect();
        assert!(idle.is_empty(), "{idle:?}");
    }
}
