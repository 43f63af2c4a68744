//! RFC 3261 §19.1, RFC 3966, RFC 5118: URIs, hosts, and when two URIs are the same.
use super::text;
use crate::sip::{Host, Scheme, Uri};
use std::net::Ipv6Addr;

fn parse(text: &str) -> Result<Uri<'_>, &'static str> {
    Uri::parse(text.as_bytes()).map_err(|e| e.rule.code())
}

#[test]
fn a_sip_uri_has_all_its_parts() {
    let uri = parse("SIPS:al%40ice:pw;x?y@B.Test.:5062;lr;Transport=tls?a=b&c").unwrap();
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!(uri.user.map(text), Some("al%40ice:pw;x?y"));
    assert!(uri.host.is_name("b.test"));
    assert_eq!(uri.port, Some(5062));
    assert_eq!(text(uri.params), ";lr;Transport=tls");
    assert_eq!(text(uri.headers), "a=b&c");
    assert_eq!(uri.param("LR"), Some(None));
    assert_eq!(uri.param("transport"), Some(Some(&b"tls"[..])));
    assert_eq!(uri.param("maddr"), None);
}

#[test]
fn a_parameter_name_in_disguise_is_found() {
    let uri = parse("sip:a.test;%6D%61ddr=evil.test;%6Cr").unwrap();
    assert_eq!(uri.param("maddr"), Some(Some(&b"evil.test"[..])));
    assert_eq!(uri.param("lr"), Some(None));
}

#[test]
fn what_begins_as_an_address_and_goes_on_as_a_name_is_a_name() {
    for name in [
        "192.0.2.1.example.test",
        "192.0.2.1-a",
        "1a.test",
        "300.0.0.1.test",
    ] {
        let uri = format!("sip:{name}:5061;lr");
        let uri = parse(&uri).unwrap();
        assert!(uri.host.is_name(name), "{name}");
        assert_eq!((uri.port, uri.params), (Some(5061), &b";lr"[..]));
    }
}

#[test]
fn hosts_are_names_or_literals_and_nothing_between() {
    assert!(matches!(parse("sip:192.0.2.1").unwrap().host, Host::V4(_)));
    let v6: Ipv6Addr = "2001:db8::10:5070".parse().unwrap();
    let uri = parse("sip:[2001:db8::10:5070]").unwrap();
    assert!(matches!(uri.host, Host::V6(found) if found == v6) && uri.port.is_none());
    assert_eq!(parse("sip:a@[2001:db8::10]:5070").unwrap().port, Some(5070));
    let mapped = parse("sip:[2001:db8:::192.0.2.1]").unwrap().host.ip();
    assert_eq!(
        mapped,
        parse("sip:[2001:db8::192.0.2.1]").unwrap().host.ip()
    );
    for (uri, rule) in [
        ("sip:", "bad_host"),
        ("sip:a@", "bad_host"),
        ("sip:a@;lr", "bad_host"),
        ("sip:a@b@c", "bad_user"),
        ("sip:a@192.0.2.1@c", "bad_user"),
        ("sip:a@b:5060@c", "bad_user"),
        ("sip:a@b;x?y@c", "bad_user"),
        ("sip:a@.b@c", "bad_user"),
        ("sip:192.0.2.1.2", "bad_host"),
        ("sip:192.0.2.01", "bad_host"),
        ("sip:192.0..2.1", "bad_host"),
        ("sip:a@b;x=y@c", "bad_user"),
        ("sip:2001:db8::10", "bad_host"),
        ("sip:a@b::1", "bad_port"),
        ("sip:a@::1", "bad_host"),
        ("sip:[::1]x", "bad_host"),
        ("sip:[fe80::1%25eth0]", "bad_host"),
        ("sip:[192.0.2.1]", "bad_host"),
        ("sip:[:::]", "bad_host"),
        ("sip:192.0.2", "bad_host"),
        ("sip:192.0.2.256", "bad_host"),
        ("sip:010.0.0.1", "bad_host"),
        ("sip:192.0.2.1.", "bad_host"),
        ("sip:.", "bad_host"),
        ("sip:a..b", "bad_host"),
        ("sip:.a", "bad_host"),
        ("sip:a/b", "bad_host"),
        ("sip:a%2eb", "bad_host"),
        ("sip:a:", "bad_port"),
        ("sip:a:0x5", "bad_port"),
        ("sip:a:65536", "bad_port"),
        ("sip:b;x=%zz", "bad_escape"),
        ("sip:b;maddr=a;m%61ddr=c", "duplicate_param"),
        ("sip:a b@c", "bad_uri"),
        ("sip:a>@c", "bad_uri"),
        ("nothing", "bad_uri"),
        ("1sip:a", "bad_uri"),
        (":a", "bad_uri"),
        ("", "bad_uri"),
        ("foo:", "bad_uri"),
        ("tel:", "bad_user"),
    ] {
        assert_eq!(parse(uri).err(), Some(rule), "{uri}");
    }
}

#[test]
fn what_decides_nothing_in_a_uri_is_no_reason_to_refuse_it() {
    for (uri, user, host) in [
        ("sip:@b.test", Some(""), "b.test"),
        ("sip::pw@b.test", Some(":pw"), "b.test"),
        ("sip:100%@b.test", Some("100%"), "b.test"),
        ("sip:b.test;lr;lr=on", None, "b.test"),
        ("sip:b.test;transport=tls;transport=udp;;x=", None, "b.test"),
        ("sip:b.test?x=%zz&y", None, "b.test"),
    ] {
        let parsed = parse(uri).unwrap();
        assert_eq!(parsed.user.map(text), user, "{uri}");
        assert!(parsed.host.is_name(host), "{uri}");
    }
    assert_eq!(parse("tel:1-800-FLOWERS").unwrap().scheme, Scheme::Tel);
}

#[test]
fn other_schemes_have_no_host() {
    let tel = parse("tel:+1-201-555-0123;phone-context=a").unwrap();
    assert_eq!(tel.scheme, Scheme::Tel);
    assert_eq!(tel.user.map(text), Some("+1-201-555-0123"));
    assert!(matches!(tel.host, Host::Name(b"")));
    assert_eq!(tel.param("phone-context"), Some(Some(&b"a"[..])));
    for uri in [
        "soap.beep://192.0.2.103:3002",
        "urn:service:sos",
        "sipx:a@b",
    ] {
        let other = parse(uri).unwrap();
        assert_eq!(other.scheme, Scheme::Other);
        assert!(matches!(other.host, Host::Name(b"")));
    }
}

#[test]
fn names_compare_and_fold_without_case_and_trailing_dot() {
    let mut buf = [0; 253];
    let host = parse("sip:Fe01.Contoso.TEST.").unwrap().host;
    assert!(host.is_name("fe01.contoso.test"));
    assert!(!host.is_name("e01.contoso.test") && !host.is_name("fe01.contoso.test."));
    assert_eq!(host.lower(&mut buf), Some("fe01.contoso.test"));
    assert_eq!(Host::Name(&[b'a'; 254]).lower(&mut buf), None);
    assert_eq!(
        Host::Name(&[b'a'; 253]).lower(&mut buf).map(str::len),
        Some(253)
    );
    assert_eq!(parse("sip:[::1]").unwrap().host.lower(&mut buf), None);
    assert!(!parse("sip:1.2.3.4").unwrap().host.is_name("1.2.3.4"));
}
