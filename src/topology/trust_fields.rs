//! The fields of a trust domain (RFC 3324, RFC 3325 §5 and its companions), and which of them pass by default.
use super::NamedFields;
use super::field_list::FieldList;
use crate::sip::{HeaderName, HeaderSet, ProductTexts};

/// Which fields of a trust domain pass between this node and one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FieldRules {
    /// Removed from what it sends.
    pub strip_in: HeaderSet,
    /// A request of its own that lacks one of these is refused.
    pub require_in: HeaderSet,
    /// Removed from what is sent to it.
    pub strip_out: HeaderSet,
    /// Removed from what is sent to it when the sender asks for `Privacy: id` (RFC 3325 §7).
    pub strip_private: HeaderSet,
    /// Removed from what is sent to it when the sender asks for `Privacy: history` (RFC 7044 §10.1.2).
    pub strip_history: HeaderSet,
}

/// How far a party belongs to the trust domain (RFC 3324 §2.3: by configuration, never by a certificate alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTrust {
    /// A client.
    Client,
    /// A peer without `assert_identity`.
    Outside,
    /// A peer with it.
    Inside,
}

impl FieldTrust {
    /// Of a peer.
    pub fn of_peer(assert_identity: bool) -> Self {
        if assert_identity {
            Self::Inside
        } else {
            Self::Outside
        }
    }
}

/// What happens to a field in one direction.
///
/// What Privacy asks for is a case of its own, as it depends on the single message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldHandling {
    Keep,
    Strip,
    /// Stripped when privacy of the identity is asked for.
    Private,
    /// Stripped when privacy of the history is asked for.
    History,
}

/// A field and what happens to it by default, outside the trust domain.
struct FieldRow {
    field: HeaderName,
    from_client: FieldHandling,
    from_outside: FieldHandling,
    to_client: FieldHandling,
    to_outside: FieldHandling,
}

macro_rules! rows {
    ($($field:ident $from_client:ident $from_outside:ident $to_client:ident $to_outside:ident;)+) => {
        /// The fields of a trust domain: from a client, from a peer outside, to a client, to a peer outside. Inside,
        /// all are kept.
        const TABLE: &[FieldRow] = &[$(FieldRow {
            field: HeaderName::$field,
            from_client: FieldHandling::$from_client,
            from_outside: FieldHandling::$from_outside,
            to_client: FieldHandling::$to_client,
            to_outside: FieldHandling::$to_outside,
        }),+];
        /// Their names, as the topology file writes them: the words of the lists of fields.
        pub(crate) const FIELD_NAMES: &[&str] = &[$(HeaderName::$field.as_str()),+];
    };
}

rows! {
    // RFC 3325 §5, §7 and its precursor.
    PAssertedIdentity         Strip Strip Private Private;
    RemotePartyId             Strip Strip Private Private;
    // RFC 3325 §9.2, RFC 6050 §4.2: a wish to the home servers, which drop it when they have used it.
    PPreferredIdentity        Keep  Strip Strip   Strip;
    PPreferredService         Keep  Strip Strip   Strip;
    // RFC 6050 §4.1, RFC 5502 §6, RFC 5002 §6, RFC 4457 §5.
    PAssertedService          Strip Strip Strip   Strip;
    PServedUser               Strip Strip Strip   Strip;
    PProfileKey               Strip Strip Strip   Strip;
    PUserDatabase             Strip Strip Strip   Strip;
    // RFC 7315 §4. Only a client knows its access network; the called and associated identities are meant for it.
    PChargingVector           Strip Strip Strip   Strip;
    PChargingFunctionAddresses Strip Strip Strip  Strip;
    PVisitedNetworkId         Strip Strip Strip   Strip;
    PAccessNetworkInfo        Keep  Strip Strip   Strip;
    PCalledPartyId            Strip Strip Keep    Strip;
    PAssociatedUri            Strip Strip Keep    Strip;
    // RFC 5009 §8.
    PEarlyMedia               Strip Strip Keep    Strip;
    // RFC 7044 §10.1.2, RFC 5806 §11.
    HistoryInfo               Strip Strip History History;
    Diversion                 Strip Strip Private Private;
    // Whatever else is private: the names show who uses it.
    PrivateP                  Strip Strip Keep    Strip;
    PrivateMs                 Strip Strip Keep    Strip;
}

/// The table of docs/topology.md, which a test compares with that file.
#[cfg(test)]
pub(super) fn docs() -> String {
    let word = |way: FieldHandling| match way {
        FieldHandling::Keep => "kept",
        FieldHandling::Strip => "stripped",
        FieldHandling::Private => "`id`",
        FieldHandling::History => "`history`",
    };
    let mut table = String::from(
        "| field | from a client | from outside | to a client | to outside |\n|---|---|---|---|---|\n",
    );
    for row in TABLE {
        let ways = [
            row.from_client,
            row.from_outside,
            row.to_client,
            row.to_outside,
        ];
        let ways = ways.map(word).join(" | ");
        table.push_str(&format!("| {} | {ways} |\n", row.field.as_str()));
    }
    table
}

impl FieldRules {
    /// The defaults.
    ///
    /// Made from the table, so that the docs and the rules cannot differ.
    pub fn standard(trust: FieldTrust) -> Self {
        // Only this node writes the sender's name and address and what siblings tell each other, and what is agreed on a connection is for its two ends (MS-CONMGMT).
        let mut rules = Self {
            strip_in: HeaderSet::of(HeaderName::PeerName)
                .with(HeaderSet::of(HeaderName::ClientAddress))
                .with(HeaderSet::of(HeaderName::SiblingOrigin))
                .with(HeaderSet::of(HeaderName::MsKeepAlive)),
            ..Self::default()
        };
        // Every field of the table is looked at for each direction.
        for row in TABLE {
            let field = HeaderSet::of(row.field);
            let (from, to) = match trust {
                FieldTrust::Client => (row.from_client, row.to_client),
                FieldTrust::Outside => (row.from_outside, row.to_outside),
                FieldTrust::Inside => (FieldHandling::Keep, FieldHandling::Keep),
            };
            if from == FieldHandling::Strip {
                rules.strip_in = rules.strip_in.with(field);
            }
            let set = match to {
                FieldHandling::Keep => continue,
                FieldHandling::Strip => &mut rules.strip_out,
                FieldHandling::Private => &mut rules.strip_private,
                FieldHandling::History => &mut rules.strip_history,
            };
            *set = set.with(field);
        }
        rules
    }

    /// These rules with the changes of one table; those about fields without a bit go behind `named`.
    pub(super) fn changed(mut self, by: &FieldChanges, named: &mut NamedFields) -> Self {
        let (strip, keep) = (&by.strip_in, &by.keep_in);
        self.strip_in = self.strip_in.without(keep.set).with(strip.set);
        FieldList::extend(strip, keep, (&mut self.strip_in, &mut named.strip_in));
        self.require_in = self.require_in.with(by.require_in);
        // `strip_private` and `strip_history` stay: what a sender asks for by Privacy stands above `keep_out` (RFC 3325 §7).
        let (strip, keep) = (&by.strip_out, &by.keep_out);
        self.strip_out = self.strip_out.without(keep.set).with(strip.set);
        FieldList::extend(strip, keep, (&mut self.strip_out, &mut named.strip_out));
        // The narrower table has the last word.
        let products = &mut named.products;
        let (user_agent, server) = (&by.products.user_agent, &by.products.server);
        products.user_agent = user_agent.clone().or(products.user_agent.take());
        products.server = server.clone().or(products.server.take());
        self
    }
}

/// What one table of the file changes.
#[derive(Clone, Default)]
pub(super) struct FieldChanges {
    pub(super) strip_in: FieldList,
    pub(super) keep_in: FieldList,
    pub(super) require_in: HeaderSet,
    pub(super) strip_out: FieldList,
    pub(super) keep_out: FieldList,
    pub(super) products: ProductTexts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_the_name_of_a_known_field() {
        for (word, row) in FIELD_NAMES.iter().zip(TABLE) {
            assert_eq!(HeaderName::from_bytes(word.as_bytes()), row.field);
        }
    }

    #[test]
    fn nobody_else_may_write_the_peers_name_or_what_another_connection_has_agreed_on() {
        let own = HeaderSet::of(HeaderName::PeerName)
            .with(HeaderSet::of(HeaderName::ClientAddress))
            .with(HeaderSet::of(HeaderName::SiblingOrigin))
            .with(HeaderSet::of(HeaderName::MsKeepAlive));
        for trust in [FieldTrust::Client, FieldTrust::Outside, FieldTrust::Inside] {
            let rules = FieldRules::standard(trust);
            assert_eq!(rules.strip_in.both(own), own);
        }
        let inside = FieldRules::standard(FieldTrust::Inside);
        assert_eq!(inside.strip_in, own);
        assert!(inside.strip_out.is_empty() && inside.strip_private.is_empty());
    }
}
