//! `connections` and `bindings`, which are looked at and never logged: what is connected and registered now, a bounded part of it at a time.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{BindingSelection, ListedBindings, ListedConnection, RowPage, Selection};

/// Rows of a listing unless a request says otherwise.
///
/// A few hundred kilobytes of JSON, and some milliseconds of a shard.
pub(super) fn usual_rows() -> usize {
    1_000
}

impl ControlContext {
    /// Carries out `connections`.
    pub(super) async fn connections(
        &self,
        selection: &Selection,
    ) -> Result<RowPage<ListedConnection>, ControlRefusal> {
        let listed = self.daemon.edge.list_connections(selection, FOR_SHARDS);
        listed.await.ok_or_else(no_answer)
    }

    /// Carries out `bindings`.
    pub(super) async fn bindings(
        &self,
        selection: &BindingSelection,
    ) -> Result<ListedBindings, ControlRefusal> {
        let listed = self.daemon.edge.list_bindings(selection, FOR_SHARDS);
        listed.await.ok_or_else(no_answer)
    }
}
