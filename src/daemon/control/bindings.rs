//! `bindings`: the registered clients, a bounded part of them at a time. It is looked at and never logged.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{BindingSelection, ListedBindings};

impl ControlContext {
    /// Carries out `bindings`.
    pub(super) async fn bindings(
        &self,
        selection: &BindingSelection,
    ) -> Result<ListedBindings, ControlRefusal> {
        let listed = self.daemon.edge.list_bindings(selection, FOR_SHARDS);
        listed.await.ok_or_else(no_answer)
    }
}
