//! The rules for the form of a message: what breaks none of them is not refused for its form.

/// How to see what was sent.
const TRACE: &str = "the message in the sender's trace; the event names remote and call_id";
/// Who can fix it.
const SENDER: &str = "fix the sender";

reasons! {
    /// What is refused for its form.
    pub enum Rule of Form {
        NoEmptyLine "no_empty_line" {
            what: "a head without its end",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7.5",
            protects: "framing: nothing after it could be told from it",
        }
        BareLf "bare_lf" {
            what: "LF without CR in a head",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7",
            protects: "framing: two parsers would see two different heads, and a field that one of them strips",
        }
        BareCr "bare_cr" {
            what: "CR without LF in a head",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7",
            protects: "framing: as bare_lf",
        }
        HeadTooLarge "head_too_large" {
            what: "a head beyond `limits.head_bytes`",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §21.5.7",
            protects: "memory that a remote can take",
        }
        BodyTooLarge "body_too_large" {
            what: "a body beyond `limits.body_bytes`",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §21.4.11",
            protects: "memory that a remote can take",
        }
        NoContentLength "no_content_length" {
            what: "a message without Content-Length",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §18.3",
            protects: "framing: on a stream nothing else says where the body ends",
        }
        DuplicateContentLength "duplicate_content_length" {
            what: "two Content-Length fields, equal ones too",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §20.14",
            protects: "framing: two parsers could take either",
        }
        BadContentLength "bad_content_length" {
            what: "a Content-Length that is no plain number",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §20.14",
            protects: "framing: two parsers could read two numbers",
        }
        BadHeaderLine "bad_header_line" {
            what: "a line without a name and a colon",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7.3.1",
            protects: "stripping: the next parser could see a field there that ours did not strip",
        }
        ControlOctet "control_octet" {
            what: "NUL and other control characters outside of quoted pairs",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "stripping and logs: a parser of C strings ends a field there",
        }
        FoldedStartLine "folded_start_line" {
            what: "a start line that goes on in the next one",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7.1",
            protects: "routing: method and Request-URI decide, and parsers differ here",
        }
        BadStartLine "bad_start_line" {
            what: "a start line that is none of SIP",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7.1",
            protects: "routing: there is no Request-URI to read",
        }
        BadMethod "bad_method" {
            what: "a method that is no token",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §7.1",
            protects: "matching: the method decides what a transaction is",
        }
        BadVersion "bad_version" {
            what: "another version than SIP/2.0",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §21.5.6",
            status: 505 "version not supported",
            protects: "it may mean anything (505)",
        }
        BadStatus "bad_status" {
            what: "a status that is not three digits from 100 to 699",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.19",
            protects: "matching: it decides what a transaction does",
        }
        ExtraSpace "extra_space" {
            what: "more than one space between the parts of a request line, or one at its end",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.9, §3.1.2.10",
            protects: "routing: parsers differ in where the Request-URI ends",
        }
        BracketedRequestUri "bracketed_request_uri" {
            what: "a Request-URI in angle brackets",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.7",
            protects: "routing: what stands in brackets is no URI to every parser",
        }
        SpaceInRequestUri "space_in_request_uri" {
            what: "white space in the Request-URI",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.8",
            protects: "routing: parsers differ in where it ends",
        }
        BadRequestUri "bad_request_uri" {
            what: "a quote or angle bracket in the Request-URI",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "routing, and the field that it is copied into",
        }
        HeadersInRequestUri "headers_in_request_uri" {
            what: "a header part in the Request-URI",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §19.1.1",
            protects: "stripping: it would put fields into a request behind our back",
        }
        MissingHeader "missing_header" {
            what: "no Via, From, To, Call-ID or CSeq",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §8.1.1",
            protects: "matching and answering: nothing can be told or sent back without them",
        }
        DuplicateHeader "duplicate_header" {
            what: "a second From, To, Call-ID, CSeq, Max-Forwards or Max-Breadth",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.3.8",
            protects: "identity and matching: the next parser may take the other one",
        }
        DuplicateTag "duplicate_tag" {
            what: "two tags in From or To, or white space in one",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §19.3",
            protects: "matching: parsers differ in which one counts",
        }
        DuplicateParam "duplicate_param" {
            what: "two branches in a Via, one without a value, two `maddr` in a URI",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §19.1.1, §20.42",
            protects: "matching and routing: parsers differ in which one counts",
        }
        BadCallId "bad_call_id" {
            what: "a Call-ID that is empty or has white space in it",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "matching, tokens and logs",
        }
        BadCSeq "bad_cseq" {
            what: "a CSeq without a number below 2**31 and a method",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §8.1.1.5",
            protects: "matching",
        }
        BadMaxForwards "bad_max_forwards" {
            what: "a Max-Forwards that is no number up to 255",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §20.22",
            protects: "loops: it is counted down",
        }
        BadMaxBreadth "bad_max_breadth" {
            what: "a Max-Breadth that is no number",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 5393 §5.3.3",
            protects: "amplification: it is counted",
        }
        EmptyValue "empty_value" {
            what: "nothing between two commas of Via or Route, or such a field without a value",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.1",
            protects: "routing and matching: values are counted",
        }
        UnbalancedQuotes "unbalanced_quotes" {
            what: "a quoted string without its end in From, To, Via or Route",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.6",
            protects: "identity and routing: parsers differ in where the value ends",
        }
        UnbalancedAngle "unbalanced_angle" {
            what: "an angle bracket without its end in From, To, Via or Route",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.5",
            protects: "as unbalanced_quotes",
        }
        BadDisplayName "bad_display_name" {
            what: "something else than a URI in brackets behind a quoted display name",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity: there is no URI to judge by",
        }
        BadAddress "bad_address" {
            what: "something else than parameters behind the URI of From, To or Route",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §20.10",
            protects: "identity and routing: a second URI may stand there",
        }
        SpaceInUri "space_in_uri" {
            what: "white space between angle brackets",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity and routing: parsers differ in where the URI ends",
        }
        BadParam "bad_param" {
            what: "a parameter of From, To, Route or Via with a quote, comma or angle bracket out of place; an empty one in a Via",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 4475 §3.1.2.1",
            protects: "matching: a tag or branch may hide there",
        }
        BadVia "bad_via" {
            what: "a Via without protocol, version and transport",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §20.42",
            protects: "matching: it is not known what follows",
        }
        BadUri "bad_uri" {
            what: "a URI without a scheme, or with an octet that no URI holds",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity and routing",
        }
        BadUser "bad_user" {
            what: "a second `@` in a URI, a tel URI without a number",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity and routing: what is host to one parser is user to another",
        }
        BadHost "bad_host" {
            what: "no host where From, Route, Request-URI, `maddr` or Via needs one, or one that is neither a name nor an address",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity and routing",
        }
        BadPort "bad_port" {
            what: "a port that is no number up to 65535",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §25.1",
            protects: "identity and routing: whether a URI is ours depends on it",
        }
        BadEscape "bad_escape" {
            what: "a `%` without two digits in the parameters of a URI",
            check: TRACE,
            remedy: SENDER,
            rfc: "RFC 3261 §19.1.2",
            protects: "routing: `maddr` and `lr` are found by their names",
        }
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
