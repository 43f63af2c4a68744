//! The users whose bindings a connection holds, by the name that an operator knows them by.
//!
//! Nothing is decided by these names on a message's way: bindings are set apart by digests. They stand once for each
//! connection and user, however many bindings the user has there.
use super::id::Owner;
use crate::sip::Uri;

/// The most characters of a name that are kept: the client has chosen them, and the registrar has agreed.
const LONGEST: usize = 128;

/// An address of record.
///
/// As the client has spelled it in the REGISTER that has bound it first, escapes resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisteredUser {
    owner: Owner,
    name: Box<str>,
}

impl RegisteredUser {
    /// Of the URI in the To of a REGISTER.
    pub(crate) fn of(aor: &Uri<'_>) -> Self {
        let mut buffer = [0; 253];
        let user = aor.plain_name();
        let host = aor.host.lower(&mut buffer).unwrap_or_default();
        let user = String::from_utf8_lossy(&user);
        let name = format!("{user}@{host}");
        Self {
            owner: Owner::of(aor),
            name: name.chars().take(LONGEST).collect(),
        }
    }

    /// What tells it apart from other users.
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    /// Its name, `alice@contoso.test`. A remote has written it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether an operator means this one by `alice`, `alice@contoso.test` or `sip:alice@contoso.test`.
    pub fn is_called(&self, wanted: &str) -> bool {
        is_called(&self.name, wanted)
    }
}

/// The same of a name. Its case does not matter: many servers take it so, and an operator means the person.
fn is_called(name: &str, wanted: &str) -> bool {
    let scheme = ["sips:", "sip:"];
    let bare = scheme.iter().find_map(|it| wanted.strip_prefix(it));
    let wanted = bare.unwrap_or(wanted);
    let parts = |text: &'_ str| {
        text.rsplit_once('@')
            .map(|(u, d)| (u.to_owned(), d.to_owned()))
    };
    match (parts(name), parts(wanted)) {
        (Some((user, domain)), Some((other, of))) => {
            user.eq_ignore_ascii_case(&other) && domain.eq_ignore_ascii_case(&of)
        }
        (Some((user, _)), None) => user.eq_ignore_ascii_case(wanted),
        (None, _) => name.eq_ignore_ascii_case(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(aor: &str) -> RegisteredUser {
        RegisteredUser::of(&Uri::parse(aor.as_bytes()).unwrap())
    }

    #[test]
    fn a_user_is_found_by_its_name_alone_or_with_its_domain() {
        let alice = user("sips:%61lice:secret@Contoso.test;x=y");
        assert_eq!(alice.name(), "alice@contoso.test");
        for wanted in [
            "alice",
            "Alice",
            "alice@CONTOSO.test",
            "sip:alice@contoso.test",
        ] {
            assert!(alice.is_called(wanted), "{wanted}");
        }
        for wanted in ["ali", "", "alice@", "alice@fabrikam.test", "contoso.test"] {
            assert!(!alice.is_called(wanted), "{wanted}");
        }
    }

    #[test]
    fn a_name_has_a_bound() {
        let long = format!("sip:{}@contoso.test", "a".repeat(5_000));
        assert_eq!(user(&long).name().len(), LONGEST);
    }
}
