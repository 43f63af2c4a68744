//! Why a message is refused for its form: one table of rules, each with what it protects. What no row names is no reason to
//! refuse a message, however odd it is.

macro_rules! rules {
    ($($variant:ident $code:literal $refuses:literal, $protects:literal, $rfc:literal;)+) => {
        /// What is refused for its form.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Rule {
            $(#[doc = concat!("`", $code, "`: ", $refuses)] $variant,)+
        }

        impl Rule {
            /// Every rule, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable identifier.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
            /// What is refused.
            pub const fn refuses(self) -> &'static str {
                match self { $(Self::$variant => $refuses),+ }
            }
            /// What the proxy uses it for, or what would be unsafe.
            pub const fn protects(self) -> &'static str {
                match self { $(Self::$variant => $protects),+ }
            }
            /// Where the rule comes from.
            pub const fn rfc(self) -> &'static str {
                match self { $(Self::$variant => $rfc),+ }
            }
        }
    };
}

rules! {
    NoEmptyLine "no_empty_line" "a head without its end", "framing: nothing after it could be told from it", "RFC 3261 §7.5";
    BareLf "bare_lf" "LF without CR in a head", "framing: two parsers would see two different heads, and a field that one of them strips", "RFC 3261 §7";
    BareCr "bare_cr" "CR without LF in a head", "framing: as bare_lf", "RFC 3261 §7";
    HeadTooLarge "head_too_large" "a head beyond `limits.head_bytes`", "memory that a remote can take", "RFC 3261 §21.5.7";
    BodyTooLarge "body_too_large" "a body beyond `limits.body_bytes`", "memory that a remote can take", "RFC 3261 §21.4.11";
    NoContentLength "no_content_length" "a message without Content-Length", "framing: on a stream nothing else says where the body ends", "RFC 3261 §18.3";
    DuplicateContentLength "duplicate_content_length" "two Content-Length fields, equal ones too", "framing: two parsers could take either", "RFC 3261 §20.14";
    BadContentLength "bad_content_length" "a Content-Length that is no plain number", "framing: two parsers could read two numbers", "RFC 3261 §20.14";
    BadHeaderLine "bad_header_line" "a line without a name and a colon", "stripping: the next parser could see a field there that ours did not strip", "RFC 3261 §7.3.1";
    ControlOctet "control_octet" "NUL and other control characters outside of quoted pairs", "stripping and logs: a parser of C strings ends a field there", "RFC 3261 §25.1";
    FoldedStartLine "folded_start_line" "a start line that goes on in the next one", "routing: method and Request-URI decide, and parsers differ here", "RFC 3261 §7.1";
    BadStartLine "bad_start_line" "a start line that is none of SIP", "routing: there is no Request-URI to read", "RFC 3261 §7.1";
    BadMethod "bad_method" "a method that is no token", "matching: the method decides what a transaction is", "RFC 3261 §7.1";
    BadVersion "bad_version" "another version than SIP/2.0", "it may mean anything (505)", "RFC 3261 §21.5.6";
    BadStatus "bad_status" "a status that is not three digits from 100 to 699", "matching: it decides what a transaction does", "RFC 4475 §3.1.2.19";
    ExtraSpace "extra_space" "more than one space between the parts of a request line, or one at its end", "routing: parsers differ in where the Request-URI ends", "RFC 4475 §3.1.2.9, §3.1.2.10";
    BracketedRequestUri "bracketed_request_uri" "a Request-URI in angle brackets", "routing: what stands in brackets is no URI to every parser", "RFC 4475 §3.1.2.7";
    SpaceInRequestUri "space_in_request_uri" "white space in the Request-URI", "routing: parsers differ in where it ends", "RFC 4475 §3.1.2.8";
    BadRequestUri "bad_request_uri" "a quote or angle bracket in the Request-URI", "routing, and the field that it is copied into", "RFC 3261 §25.1";
    HeadersInRequestUri "headers_in_request_uri" "a header part in the Request-URI", "stripping: it would put fields into a request behind our back", "RFC 3261 §19.1.1";
    MissingHeader "missing_header" "no Via, From, To, Call-ID or CSeq", "matching and answering: nothing can be told or sent back without them", "RFC 3261 §8.1.1";
    DuplicateHeader "duplicate_header" "a second From, To, Call-ID, CSeq, Max-Forwards or Max-Breadth", "identity and matching: the next parser may take the other one", "RFC 4475 §3.3.8";
    DuplicateTag "duplicate_tag" "two tags in From or To, or white space in one", "matching: parsers differ in which one counts", "RFC 3261 §19.3";
    DuplicateParam "duplicate_param" "two branches in a Via, one without a value, two `maddr` in a URI", "matching and routing: parsers differ in which one counts", "RFC 3261 §19.1.1, §20.42";
    BadCallId "bad_call_id" "a Call-ID that is empty or has white space in it", "matching, tokens and logs", "RFC 3261 §25.1";
    BadCSeq "bad_cseq" "a CSeq without a number below 2**31 and a method", "matching", "RFC 3261 §8.1.1.5";
    BadMaxForwards "bad_max_forwards" "a Max-Forwards that is no number up to 255", "loops: it is counted down", "RFC 3261 §20.22";
    BadMaxBreadth "bad_max_breadth" "a Max-Breadth that is no number", "amplification: it is counted", "RFC 5393 §5.3.3";
    EmptyValue "empty_value" "nothing between two commas of Via or Route, or such a field without a value", "routing and matching: values are counted", "RFC 4475 §3.1.2.1";
    UnbalancedQuotes "unbalanced_quotes" "a quoted string without its end in From, To, Via or Route", "identity and routing: parsers differ in where the value ends", "RFC 4475 §3.1.2.6";
    UnbalancedAngle "unbalanced_angle" "an angle bracket without its end in From, To, Via or Route", "as unbalanced_quotes", "RFC 4475 §3.1.2.5";
    BadDisplayName "bad_display_name" "something else than a URI in brackets behind a quoted display name", "identity: there is no URI to judge by", "RFC 3261 §25.1";
    BadAddress "bad_address" "something else than parameters behind the URI of From, To or Route", "identity and routing: a second URI may stand there", "RFC 3261 §20.10";
    SpaceInUri "space_in_uri" "white space between angle brackets", "identity and routing: parsers differ in where the URI ends", "RFC 3261 §25.1";
    BadParam "bad_param" "a parameter of From, To, Route or Via with a quote, comma or angle bracket out of place; an empty one in a Via", "matching: a tag or branch may hide there", "RFC 4475 §3.1.2.1";
    BadVia "bad_via" "a Via without protocol, version and transport", "matching: it is not known what follows", "RFC 3261 §20.42";
    BadUri "bad_uri" "a URI without a scheme, or with an octet that no URI holds", "identity and routing", "RFC 3261 §25.1";
    BadUser "bad_user" "a second `@` in a URI, a tel URI without a number", "identity and routing: what is host to one parser is user to another", "RFC 3261 §25.1";
    BadHost "bad_host" "no host where From, Route, Request-URI, `maddr` or Via needs one, or one that is neither a name nor an address", "identity and routing", "RFC 3261 §25.1";
    BadPort "bad_port" "a port that is no number up to 65535", "identity and routing: whether a URI is ours depends on it", "RFC 3261 §25.1";
    BadEscape "bad_escape" "a `%` without two digits in the parameters of a URI", "routing: `maddr` and `lr` are found by their names", "RFC 3261 §19.1.2";
}

impl PartialEq<&str> for Rule {
    fn eq(&self, code: &&str) -> bool {
        self.code() == *code
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
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
            "{TITLE}\n\nA message is refused for its form (400, 505, 413 or 513, and a response is dropped) by these rules alone, each of which\nprotects something that the proxy uses or that would be unsafe. What it does not use is no reason to refuse: unknown\nmethods, fields and parameters, parameters without or with an empty value, fields that it only passes on. The proxy\nadds: a method in CSeq that is not the request's, a branch that is the magic cookie alone (`bad_branch`), and more than 100\nRoute values (`too_many_routes`). This table is made of the one in `src/sip/rule.rs` (`UPDATE_DOCS=1 cargo test --lib sip::rule` writes it anew).\n\n| rule | what is refused | what it protects | from |\n|---|---|---|---|\n"
        );
        for rule in Rule::ALL {
            let _ = writeln!(
                page,
                "| `{rule}` | {} | {} | {} |",
                rule.refuses(),
                rule.protects(),
                rule.rfc()
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
            "docs/conformance.md does not hold the rules: UPDATE_DOCS=1 cargo test --lib sip::rule"
        );
    }

    /// A rule that no code refuses by would be a promise without a keeper.
    #[test]
    fn every_rule_is_refused_by_somewhere() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sip");
        let mut used: HashSet<&Rule> = HashSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "rs") || path.ends_with("rule.rs") {
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

    #[test]
    fn codes_are_unique_words() {
        let codes: HashSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
    }
}
