//! Equality of sip URIs (RFC 3261 §19.1.4): what a registrar compares contacts by. It is not transitive, hence no `==`.
use super::escape::{plain_user, same_name};
use super::uri::params;
use super::{Host, Scheme, Uri};

/// Parameters of which one that only one side has makes a difference; any other is ignored then.
const TELLING: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

impl Uri<'_> {
    /// Whether both stand for the same resource. URIs of other schemes are never equal here.
    pub fn is_same(&self, other: &Uri<'_>) -> bool {
        let is_sip = matches!(self.scheme, Scheme::Sip | Scheme::Sips);
        is_sip
            && self.scheme == other.scheme
            && self.user.map(plain_user) == other.user.map(plain_user)
            && same_host(&self.host, &other.host)
            // A port that is left out is not the default one.
            && self.port == other.port
            && self.headers == other.headers
            && within(self, other)
            && within(other, self)
    }
}

/// Names in any case, addresses by value: `[::1]` has many spellings.
fn same_host(one: &Host<'_>, two: &Host<'_>) -> bool {
    let (mut a, mut b) = ([0; 253], [0; 253]);
    match (one.ip(), two.ip()) {
        (Some(one), Some(two)) => one == two,
        (None, None) => one.lower(&mut a) == two.lower(&mut b),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether the other URI agrees with each parameter of this one. Both directions are asked, since either may have a
/// parameter that the other lacks.
fn within(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    params(one.params).all(|(name, value)| {
        let found = params(other.params).find(|(found, _)| same_name(found, name));
        match found {
            Some((_, found)) => match (value, found) {
                (Some(value), Some(other)) => same_name(value, other),
                (value, other) => value.is_none() && other.is_none(),
            },
            None => !TELLING.iter().any(|telling| same_name(name, telling)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, two: &str) -> bool {
        let (a, b) = (
            Uri::parse(one.as_bytes()).unwrap(),
            Uri::parse(two.as_bytes()).unwrap(),
        );
        assert_eq!(a.is_same(&b), b.is_same(&a), "{one} {two}");
        a.is_same(&b)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (one, two) in [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtLanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER",
                "sip:biloxi.com;method=REGISTER;transport=tcp",
            ),
            ("sip:carol@chicago.com;lr", "sip:carol@chicago.com;lr"),
        ] {
            assert!(same(one, two), "{one} {two}");
        }
        for (one, two) in [
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:bob@biloxi.com",
                "sip:bob@biloxi.com:6000;transport=tcp",
            ),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=off",
                "sip:carol@chicago.com;security=on",
            ),
            ("sips:bob@biloxi.com", "sip:bob@biloxi.com"),
            ("tel:+1", "tel:+1"),
        ] {
            assert!(!same(one, two), "{one} {two}");
        }
    }

    #[test]
    fn an_address_is_one_address_however_it_is_written() {
        assert!(same(
            "sip:a@[2001:DB8::1]:5061",
            "sip:a@[2001:db8:0::1]:5061"
        ));
        assert!(!same("sip:a@10.0.0.1", "sip:a@10.0.0.2"));
        assert!(!same("sip:a@10.0.0.1;lr", "sip:a@10.0.0.1;lr=on"));
    }
}
