//! RFC 3261 §7.3.1, §20.35 and §20.41: fields chosen by their names alone, and what programs are called.
use super::{message, text};
use crate::sip::{Edits, HeaderName, NameRules, ProductTexts};

const REQUEST: &[u8] = b"OPTIONS sip:contoso.test SIP/2.0\r\n\
    Via: SIP/2.0/TLS phone.contoso.test;branch=z9hG4bKaa\r\n\
    X-Secret : one,\r\n\ttwo\r\n\
    x-kept: 1\r\n\
    s: compact\r\n\
    User-Agent:phone/1.0 (mine)\r\n\
    SERVER:  box 2\t\r\n\
    ms-acme: a\r\n\
    X-MS-Acme: b\r\n\
    P-Acme: c\r\n\
    Content-Length: 0\r\n\r\n";

/// Of (name, whether it is stripped) each.
fn rules(of: &[(&str, bool)]) -> NameRules {
    let mut rules = NameRules::default();
    for (name, strips) in of {
        rules.add(name, *strips);
    }
    rules
}

fn edited(rules: &[&NameRules], products: &ProductTexts) -> String {
    let message = message(REQUEST);
    let mut edits = Edits::new(&message);
    rules.iter().for_each(|rules| edits.strip_named(rules));
    edits.set_products(products);
    let mut out = Vec::new();
    edits.write(&mut out);
    text(&out).to_owned()
}

/// The request without the lines that begin so.
fn without(beginnings: &[&str]) -> String {
    let folded = text(REQUEST).replace("\r\n\ttwo", "<fold>");
    let lines = folded.split_inclusive("\r\n");
    let kept = lines.filter(|line| !beginnings.iter().any(|it| line.starts_with(it)));
    kept.collect::<String>().replace("<fold>", "\r\n\ttwo")
}

#[test]
fn lines_go_by_name_pattern_and_compact_form_and_all_others_stay_byte_for_byte() {
    let none = ProductTexts::default();
    assert_eq!(edited(&[&rules(&[])], &none), text(REQUEST));
    let own = rules(&[("X-*", true), ("Subject", true), ("X-Kept", false)]);
    assert_eq!(
        edited(&[&own], &none),
        without(&["X-Secret", "s:", "X-MS-Acme"])
    );
    // What one list keeps the other may strip.
    let other = rules(&[("x-kept", true), ("Via", true), ("U*", true)]);
    assert_eq!(
        edited(&[&own, &other], &none),
        without(&["X-Secret", "s:", "X-MS-Acme", "x-kept"])
    );
}

#[test]
fn one_of_a_family_may_stay() {
    let none = ProductTexts::default();
    let lync = rules(&[("ms-*", true), ("x-ms-acme", false)]);
    assert_eq!(edited(&[&lync], &none), without(&["ms-acme"]));
    let private = rules(&[("P-*", true)]);
    assert_eq!(edited(&[&private], &none), without(&["P-Acme"]));
}

#[test]
fn programs_are_called_what_the_topology_says_where_they_call_themselves_anything() {
    let products = ProductTexts {
        user_agent: Some("edge".into()),
        server: Some("contoso".into()),
    };
    let renamed = text(REQUEST)
        .replace("phone/1.0 (mine)", "edge")
        .replace("box 2\t", "contoso\t");
    assert_eq!(edited(&[], &products), renamed);
    // A line that goes has no value any more.
    let message = message(REQUEST);
    let mut edits = Edits::new(&message);
    edits.strip(HeaderName::UserAgent);
    edits.set_products(&products);
    let mut out = Vec::new();
    edits.write(&mut out);
    assert_eq!(
        text(&out),
        without(&["User-Agent"]).replace("box 2\t", "contoso\t")
    );
}
