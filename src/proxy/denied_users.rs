//! The users whose clients are refused for a time, at an operator's word: read by every core, changed by none.
use crate::sip::{Uri, plain_user};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The users, by `alice` or `alice@contoso.test`, and until when: in Unix seconds.
///
/// Nearly always there is none, and then a request of a client costs one load.
#[derive(Debug, Default)]
pub struct DeniedUsers {
    any: AtomicBool,
    users: ArcSwap<HashMap<String, u64>>,
}

impl DeniedUsers {
    /// From now on these.
    ///
    /// The table first: who sees that there is any must find it.
    pub fn set(&self, users: HashMap<String, u64>) {
        let any = !users.is_empty();
        self.users.store(users.into());
        self.any.store(any, Relaxed);
    }

    /// The user's name as the table has it: without a scheme, the domain in lower case.
    pub fn key(name: &str) -> String {
        let bare = ["sips:", "sip:"]
            .iter()
            .find_map(|it| name.strip_prefix(it));
        let bare = bare.unwrap_or(name);
        match bare.rsplit_once('@') {
            Some((user, domain)) => format!("{user}@{}", domain.to_ascii_lowercase()),
            None => bare.to_owned(),
        }
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Whether this user is refused at this time.
    pub(crate) fn denies(&self, uri: &Uri<'_>, now: u64) -> bool {
        let mut buffer = [0; 253];
        let user = plain_user(uri.user.unwrap_or_default());
        let user = String::from_utf8_lossy(&user);
        let host = uri.host.lower(&mut buffer).unwrap_or_default();
        // Both spellings are looked up, however many there are.
        let users = self.users.load();
        let denies = |key: &str| users.get(key).is_some_and(|until| *until > now);
        denies(&user) || denies(&format!("{user}@{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_denied_by_name_or_in_one_domain_until_the_time_is_over() {
        let denied = DeniedUsers::default();
        let names = [("sip:alice", 100), ("bob@Contoso.test", 100)];
        denied.set(
            names
                .map(|(name, until)| (DeniedUsers::key(name), until))
                .into(),
        );
        let at = |uri: &str, now| denied.denies(&Uri::parse(uri.as_bytes()).unwrap(), now);
        assert!(at("sip:%61lice@fabrikam.test;x", 99) && at("sips:bob@CONTOSO.test", 99));
        assert!(!at("sip:alice@fabrikam.test", 100), "the time is over");
        for other in [
            "sip:bob@fabrikam.test",
            "sip:Alice@a",
            "sip:contoso.test",
            "sip:alic@a",
        ] {
            assert!(!at(other, 0), "{other}");
        }
    }
}
