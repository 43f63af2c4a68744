//! URIs as the RFCs and real partners write them, each with its parts: user, host, port, parameters, headers.
use super::text;
use crate::sip::{Host, Scheme, Uri};

struct Row {
    uri: &'static str,
    parts: (
        Option<&'static str>,
        &'static str,
        Option<u16>,
        &'static str,
        &'static str,
    ),
}

const fn row(
    uri: &'static str,
    user: Option<&'static str>,
    host: &'static str,
    port: Option<u16>,
    params: &'static str,
    headers: &'static str,
) -> Row {
    Row {
        uri,
        parts: (user, host, port, params, headers),
    }
}

/// RFC 3261 §19.1.3, §19.1.4, §24.2.
const RFC_3261: &[Row] = &[
    row(
        "sip:alice@atlanta.com",
        Some("alice"),
        "atlanta.com",
        None,
        "",
        "",
    ),
    row(
        "sip:alice:secretword@atlanta.com;transport=tcp",
        Some("alice:secretword"),
        "atlanta.com",
        None,
        ";transport=tcp",
        "",
    ),
    row(
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        Some("alice"),
        "atlanta.com",
        None,
        "",
        "subject=project%20x&priority=urgent",
    ),
    row(
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        Some("+1-212-555-1212:1234"),
        "gateway.com",
        None,
        ";user=phone",
        "",
    ),
    row(
        "sips:1212@gateway.com",
        Some("1212"),
        "gateway.com",
        None,
        "",
        "",
    ),
    row(
        "sip:alice@192.0.2.4",
        Some("alice"),
        "192.0.2.4",
        None,
        "",
        "",
    ),
    row(
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        None,
        "atlanta.com",
        None,
        ";method=REGISTER",
        "to=alice%40atlanta.com",
    ),
    row(
        "sip:alice;day=tuesday@atlanta.com",
        Some("alice;day=tuesday"),
        "atlanta.com",
        None,
        "",
        "",
    ),
    row(
        "sip:%61lice@atlanta.com;transport=TCP",
        Some("%61lice"),
        "atlanta.com",
        None,
        ";transport=TCP",
        "",
    ),
    row(
        "sip:carol@chicago.com;newparam=5;security=on",
        Some("carol"),
        "chicago.com",
        None,
        ";newparam=5;security=on",
        "",
    ),
    row(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        None,
        "biloxi.com",
        None,
        ";transport=tcp;method=REGISTER",
        "to=sip:bob%40biloxi.com",
    ),
    row(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        Some("alice"),
        "atlanta.com",
        None,
        "",
        "subject=project%20x&priority=urgent",
    ),
    row(
        "SIP:ALICE@AtLanTa.CoM;Transport=udp",
        Some("ALICE"),
        "AtLanTa.CoM",
        None,
        ";Transport=udp",
        "",
    ),
    row(
        "sip:bob@biloxi.com:6000;transport=tcp",
        Some("bob"),
        "biloxi.com",
        Some(6000),
        ";transport=tcp",
        "",
    ),
    row(
        "sip:carol@chicago.com?Subject=next%20meeting",
        Some("carol"),
        "chicago.com",
        None,
        "",
        "Subject=next%20meeting",
    ),
    row(
        "sip:callee@u2.domain.com;lr;maddr=192.0.2.7",
        Some("callee"),
        "u2.domain.com",
        None,
        ";lr;maddr=192.0.2.7",
        "",
    ),
];

/// RFC 4475 §3.1.1, RFC 5118 §4, RFC 5626, RFC 5627, RFC 7118.
const LATER_RFCS: &[Row] = &[
    row(
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com",
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
        "example.com",
        None,
        "",
        "",
    ),
    row(
        "sip:sips%3Auser%40example.com@example.net",
        Some("sips%3Auser%40example.com"),
        "example.net",
        None,
        "",
        "",
    ),
    row(
        "sip:null-%00-null@example.com",
        Some("null-%00-null"),
        "example.com",
        None,
        "",
        "",
    ),
    row(
        "sip:user@example.com?Route=%3Csip:example.com%3E",
        Some("user"),
        "example.com",
        None,
        "",
        "Route=%3Csip:example.com%3E",
    ),
    row(
        "sip:user;par=u%40example.net@example.com",
        Some("user;par=u%40example.net"),
        "example.com",
        None,
        "",
        "",
    ),
    row(
        "sip:caller@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
        Some("caller"),
        "host5.example.net",
        None,
        ";%6C%72;n%61me=v%61lue%25%34%31",
        "",
    ),
    row("sip:[2001:db8::10]", None, "2001:db8::10", None, "", ""),
    row(
        "sip:user@[2001:db8::10]:5070",
        Some("user"),
        "2001:db8::10",
        Some(5070),
        "",
        "",
    ),
    row(
        "sip:VskztcQ/S8p4WPbOnHbuyh5iJvJIW3ib@ep1.example.com;lr;ob",
        Some("VskztcQ/S8p4WPbOnHbuyh5iJvJIW3ib"),
        "ep1.example.com",
        None,
        ";lr;ob",
        "",
    ),
    row(
        "sip:callee@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        Some("callee"),
        "example.com",
        None,
        ";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "",
    ),
    row(
        "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr",
        Some("tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5"),
        "example.com",
        None,
        ";gr",
        "",
    ),
    row(
        "sip:alice@df7jal23ls0d.invalid;transport=ws",
        Some("alice"),
        "df7jal23ls0d.invalid",
        None,
        ";transport=ws",
        "",
    ),
];

/// Of Skype for Business (MS-SIPRE, MS-CONMGMT), Teams Direct Routing, Asterisk, Kamailio and phones.
const PARTNERS: &[Row] = &[
    row(
        "sip:alice@contoso.com;opaque=user:epid:4GNc1Ifp3VOQxvPR5hNCXQAA;gruu",
        Some("alice"),
        "contoso.com",
        None,
        ";opaque=user:epid:4GNc1Ifp3VOQxvPR5hNCXQAA;gruu",
        "",
    ),
    row(
        "sip:192.0.2.33:50212;transport=tls;ms-opaque=a0b1c2;ms-received-cid=4D00",
        None,
        "192.0.2.33",
        Some(50212),
        ";transport=tls;ms-opaque=a0b1c2;ms-received-cid=4D00",
        "",
    ),
    row(
        "sip:fe01.contoso.com:5061;transport=tls;ms-fe=fe01.contoso.com;lr",
        None,
        "fe01.contoso.com",
        Some(5061),
        ";transport=tls;ms-fe=fe01.contoso.com;lr",
        "",
    ),
    row(
        "sip:+14255550100@sbc.contoso.com:5061;user=phone;transport=tls",
        Some("+14255550100"),
        "sbc.contoso.com",
        Some(5061),
        ";user=phone;transport=tls",
        "",
    ),
    row(
        "sip:sip.pstnhub.microsoft.com:5061;transport=tls",
        None,
        "sip.pstnhub.microsoft.com",
        Some(5061),
        ";transport=tls",
        "",
    ),
    row(
        "sip:asterisk@192.0.2.5:5061;transport=TLS",
        Some("asterisk"),
        "192.0.2.5",
        Some(5061),
        ";transport=TLS",
        "",
    ),
    row(
        "sip:192.0.2.8:5061;transport=tls;r2=on;lr;ftag=as5f;did=8e.d1",
        None,
        "192.0.2.8",
        Some(5061),
        ";transport=tls;r2=on;lr;ftag=as5f;did=8e.d1",
        "",
    ),
    row(
        "sip:1001@10.0.0.7:49153;transport=tls;ob",
        Some("1001"),
        "10.0.0.7",
        Some(49153),
        ";transport=tls;ob",
        "",
    ),
    row(
        "sip:edge_1.contoso.test.",
        None,
        "edge_1.contoso.test.",
        None,
        "",
        "",
    ),
];

fn host(uri: &Uri<'_>) -> String {
    match uri.host {
        Host::Name(name) => text(name).to_owned(),
        Host::V4(address) => address.to_string(),
        Host::V6(address) => address.to_string(),
    }
}

#[test]
fn each_uri_has_the_parts_that_its_source_says() {
    for Row {
        uri: written,
        parts,
    } in [RFC_3261, LATER_RFCS, PARTNERS].into_iter().flatten()
    {
        let uri = Uri::parse(written.as_bytes()).unwrap();
        let expected = (parts.0, parts.1.to_owned(), parts.2, parts.3, parts.4);
        let found = (
            uri.user.map(text),
            host(&uri),
            uri.port,
            text(uri.params),
            text(uri.headers),
        );
        assert_eq!(found, expected, "{written}");
        let is_secure = written.starts_with("sips:");
        assert_eq!(uri.scheme == Scheme::Sips, is_secure, "{written}");
    }
}

/// What is read at sixteen bytes a step has no place where a step ends.
#[test]
fn a_part_of_any_length_is_the_same_part() {
    for length in 1..100 {
        let label = "a".repeat(length);
        for (user, params) in [("", ""), ("bob@", ";lr"), ("b:c@", ":5061;transport=tls")] {
            let written = format!("sip:{user}{label}.test{params}");
            let uri = Uri::parse(written.as_bytes()).unwrap();
            assert!(uri.host.is_name(&format!("{label}.test")), "{written}");
            assert_eq!(uri.user.map(text), user.strip_suffix('@'), "{written}");
            let named = format!("sip:{user}a.test;{label}={label};x");
            let uri = Uri::parse(named.as_bytes()).unwrap();
            assert_eq!(uri.param(&label), Some(Some(label.as_bytes())), "{named}");
            // A second `@`, an empty label, and a byte that no host has, wherever they stand.
            for odd in ["@b.test", "..test", "{.test", ".test\"", ".7"] {
                let written = format!("sip:{user}{label}{odd}");
                let is_user = user.is_empty() && odd == "@b.test";
                assert_eq!(Uri::parse(written.as_bytes()).is_ok(), is_user, "{written}");
            }
        }
    }
}
