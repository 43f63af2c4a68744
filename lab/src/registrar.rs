//! The location service of home servers (RFC 3261 §10, RFC 3327): who is registered where.
use super::Wire;
use super::shared::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Where registered users are; the servers of one pool share it as they would share a database.
#[derive(Clone, Default)]
pub struct Registrar {
    /// By `user@domain`, as [`super::address::address_of_record`] writes it.
    bindings: Arc<Mutex<HashMap<String, Binding>>>,
}

/// One registered contact.
#[derive(Clone)]
pub(super) struct Binding {
    pub(super) contact: String,
    pub(super) path: Vec<String>,
    /// The server that took the REGISTER, and the connection it came on.
    pub(super) taken_by: String,
    pub(super) wire: Wire,
}

impl Registrar {
    /// The Path that came with the registration of a `user@domain`; `None` when it is not registered.
    pub fn path(&self, user: &str) -> Option<Vec<String>> {
        self.binding(user).map(|b| b.path)
    }

    /// The contact of a `user@domain`.
    pub fn contact(&self, user: &str) -> Option<String> {
        self.binding(user).map(|b| b.contact)
    }

    /// Everything that is known of a `user@domain`.
    pub(super) fn binding(&self, user: &str) -> Option<Binding> {
        lock(&self.bindings).get(user).cloned()
    }

    /// Replaces what was known of a `user@domain`.
    pub(super) fn bind(&self, user: String, binding: Binding) {
        lock(&self.bindings).insert(user, binding);
    }
}
