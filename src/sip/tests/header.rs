//! Header names: the table, how they are found, and sets of them.
use crate::sip::{HeaderName, HeaderSet};

#[test]
fn every_name_is_found_in_any_case_and_compact() {
    for &name in HeaderName::KNOWN {
        let text = name.as_str();
        for spelling in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
            assert_eq!(HeaderName::from_bytes(spelling.as_bytes()), name);
        }
        if let Some(letter) = name.compact() {
            assert_eq!(HeaderName::from_bytes(&[letter]), name);
            assert_eq!(HeaderName::from_bytes(&[letter.to_ascii_uppercase()]), name);
        }
    }
}

#[test]
fn a_name_before_its_colon_is_the_name_alone() {
    let before_colon = |text: &[u8], line| {
        let mut begin = [0; 32];
        let length = text.len().min(32);
        begin[..length].copy_from_slice(&text[..length]);
        HeaderName::before_colon(&begin, line)
    };
    for &name in HeaderName::KNOWN {
        for spelling in [name.as_str().to_owned(), name.as_str().to_uppercase()] {
            let line = format!("{spelling}: a b c d");
            let found = before_colon(line.as_bytes(), line.len());
            assert_eq!(found, Some((name, spelling.len())), "{line}");
        }
    }
    let other = |text: &str| before_colon(text.as_bytes(), text.len());
    assert_eq!(other("User-Thing: a b c"), Some((HeaderName::Other, 10)));
    assert_eq!(
        other("P-Something-New: a"),
        Some((HeaderName::PrivateP, 15))
    );
    for text in [
        "To : a b c d e",
        ": a b c d e f",
        "Via",
        "Fr\u{e9}: a b c d e",
        "a b: a b c d e",
        "no colon at all in any of the words of the name: a b c d",
    ] {
        assert_eq!(other(text), None, "{text}");
    }
    // The colon of the next line.
    assert_eq!(before_colon(b"To\r\nVia: a b c d", 2), None);
}

#[test]
fn what_is_nearly_a_name_is_another_name() {
    for text in [
        &b"Vias"[..],
        b"Vi",
        b"",
        b"C%6Fntact",
        b"Content_Length",
        b"z",
        b"s",
        b"{",
        b"\0",
        b"X-Sipward-Peer2",
        b"X-M-Foo",
        b"ms",
        b"P",
        b"Content-Length ",
    ] {
        assert_eq!(HeaderName::from_bytes(text), HeaderName::Other, "{text:?}");
    }
}

#[test]
fn private_names_that_are_not_listed_belong_to_their_family() {
    for (text, family) in [
        (&b"p-charging-function-addresses2"[..], HeaderName::PrivateP),
        (b"P-DCS-Billing-Info", HeaderName::PrivateP),
        (b"P-", HeaderName::PrivateP),
        (b"Ms-Keep-Alive2", HeaderName::PrivateMs),
        (b"x-ms-skypechain", HeaderName::PrivateMs),
        (b"MS-Conversation-ID", HeaderName::PrivateMs),
    ] {
        assert_eq!(HeaderName::from_bytes(text), family);
    }
}

#[test]
fn a_set_holds_what_was_put_in() {
    let set = HeaderSet::of(HeaderName::Via).with(HeaderSet::of(HeaderName::PrivateMs));
    assert!(set.has(HeaderName::Via) && !set.has(HeaderName::To) && !set.has(HeaderName::Other));
    assert_eq!(
        set.without(HeaderSet::of(HeaderName::Via)),
        HeaderSet::of(HeaderName::PrivateMs)
    );
    assert_eq!(
        set.both(HeaderSet::of(HeaderName::Via)),
        HeaderSet::of(HeaderName::Via)
    );
    assert_eq!(
        set.names().collect::<Vec<_>>(),
        [HeaderName::Via, HeaderName::PrivateMs]
    );
    assert!(HeaderSet::of(HeaderName::Other).is_empty());
}

#[test]
fn bits_are_distinct() {
    let all = HeaderName::KNOWN.iter().fold(0_u64, |mask, name| {
        assert_eq!(mask & name.bit(), 0);
        mask | name.bit()
    });
    assert_eq!(all.count_ones() as usize, HeaderName::KNOWN.len());
    assert_eq!(HeaderName::Other.bit(), 0);
}
