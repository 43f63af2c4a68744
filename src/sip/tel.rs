//! In which domain a telephone number is valid: `phone-context` of tel URIs (RFC 3966 §5.1.5).
use super::escape::{plain_user, same_name};
use super::uri::params;
use super::{Host, Scheme, Uri};

// In a file of its own, because it is the only rule about numbers that policy needs.
impl Uri<'_> {
    /// Whether one of the domains in which the number of a tel URI is valid is such a one; `None` stands for a context
    /// that can be read neither as a domain nor as the beginning of a global number. A number without a context, or of a
    /// global one (`+49`), is of no domain; nor is a URI of another scheme.
    ///
    /// The parameter may stand there once, and not with a global number (RFC 3966 §3). Who reads it all the same may take
    /// any of them, so all are asked for.
    pub fn any_context(&self, mut is: impl FnMut(Option<&Host<'_>>) -> bool) -> bool {
        if self.scheme != Scheme::Tel {
            return false;
        }
        params(self.params)
            .filter(|(name, _)| same_name(name, b"phone-context"))
            .any(|(_, value)| {
                // The context may be escaped, and a host that is escaped is still that host.
                let context = plain_user(value.unwrap_or_default());
                match context.strip_prefix(b"+") {
                    Some(digits) if is_global(digits) => false,
                    Some(_) => is(None),
                    None => is(Host::parse(&context).as_ref()),
                }
            })
    }
}

/// The digits of a global number, with separators (RFC 3966 §3).
fn is_global(digits: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_digit() || b"-.()".contains(b);
    digits.iter().all(fits) && digits.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_the_domain_that_its_context_names() {
        for (text, of) in [
            ("tel:+4930", ""),
            ("tel:110;phone-context=+49", ""),
            ("tel:110;phone-context=+49-(30).1", ""),
            ("tel:1234", ""),
            ("tel:1234;ext=5;phone-context=contoso.test", "contoso.test"),
            ("TEL:1;Phone-Context=Contoso.Test.", "contoso.test"),
            ("tel:1;phone%2Dcontext=contoso%2Etest", "contoso.test"),
            ("tel:+1;phone-context=contoso.test", "contoso.test"),
            (
                "tel:1;phone-context=+49;phone-context=contoso.test",
                "contoso.test",
            ),
            ("tel:1;phone-context=+contoso.test", "?"),
            ("tel:1;phone-context=+", "?"),
            ("tel:1;phone-context", "?"),
            ("tel:1;phone-context=a@contoso.test", "?"),
            ("tel:1;phone-context=%2B49", "?"),
            (
                "sip:1;phone-context=contoso.test@fabrikam.test;phone-context=contoso.test",
                "",
            ),
        ] {
            let uri = Uri::parse(text.as_bytes()).unwrap();
            let mut found = String::new();
            assert!(!uri.any_context(|host| {
                let mut buffer = [0; 253];
                found += host.map_or("?", |h| h.lower(&mut buffer).unwrap());
                false
            }));
            assert_eq!(found, of, "{text}");
            assert_eq!(uri.any_context(|_| true), !of.is_empty(), "{text}");
        }
    }
}
