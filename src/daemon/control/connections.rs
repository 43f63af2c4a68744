//! `connections`: the live connections, a bounded part of them at a time. It is looked at and never logged.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{ListedConnection, RowPage, Selection};

impl ControlContext {
    /// Carries out `connections`.
    pub(super) async fn connections(
        &self,
        selection: &Selection,
    ) -> Result<RowPage<ListedConnection>, ControlRefusal> {
        let listed = self.daemon.edge.list_connections(selection, FOR_SHARDS);
        listed.await.ok_or_else(no_answer)
    }
}
