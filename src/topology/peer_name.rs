//! The name of an entry: what pools, commands, logs, metrics and tokens know a peer by. Certificates are never held against it.
use super::{DnsName, NameError};
use std::sync::Arc;

/// The name of a `[[peer]]` or `[[sibling]]`, unique over both: its `name`, else its `fqdn`.
///
/// In the form of a host name in lower case, so that the two can be compared, and a name is the same however it is written.
/// Who must prove itself is another question: that is the entry's `fqdn`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// Normalises a name: lower case, one trailing dot removed.
    ///
    /// # Errors
    /// Whatever keeps the text from having the form of a host name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        DnsName::parse(text).map(Self::from)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl std::borrow::Borrow<str> for PeerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<DnsName> for PeerName {
    fn from(fqdn: DnsName) -> Self {
        Self(fqdn.0)
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
