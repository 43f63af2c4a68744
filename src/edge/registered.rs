//! The bindings of all shards, listed for an operator.
use super::clock;
use super::handle::Edge;
use super::page::{First, RowPage};
use super::shard::Shard;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBinding {
    /// The address of record.
    pub user: String,
    /// The process that has it, while there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The number of the connection that holds it.
    pub connection: u64,
    /// That connection's remote address.
    pub remote: SocketAddr,
    /// Seconds until it ends unless it is renewed; what the registrar has granted, and a margin.
    pub ends_in_s: u64,
}

/// Bindings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedBindings {
    /// Those that a connection holds.
    #[serde(flatten)]
    pub held: RowPage<ListedBinding>,
    /// How many there are whose connection is gone; they are kept for `limits.binding_grace`, without a name.
    pub away: usize,
}

/// Which bindings are wanted.
#[derive(Clone, Debug, Default)]
pub struct BindingSelection {
    /// Those of this user: `alice` or `alice@contoso.test`.
    pub user: Option<String>,
    /// At most so many rows, and never more than 10,000.
    pub limit: usize,
    /// Those of users that come behind this one.
    pub after: String,
}

impl Edge {
    /// Lists bindings, in the order of their users. `None`: a shard does not answer within `patience`.
    pub async fn list_bindings(
        &self,
        selection: &BindingSelection,
        patience: Duration,
    ) -> Option<ListedBindings> {
        let (selection, limit) = (selection.clone(), selection.limit);
        let shards = self.each(patience, move |shard| registered_in(shard, &selection));
        let (pages, away): (_, Vec<usize>) = shards.await?.into_iter().unzip();
        let order = |a: &ListedBinding, b: &ListedBinding| a.user.cmp(&b.user);
        Some(ListedBindings {
            held: RowPage::merged(pages, limit, order),
            away: away.iter().sum(),
        })
    }
}

/// Those of one shard, and how many of its directory are away.
fn registered_in(
    shard: &Rc<Shard>,
    selection: &BindingSelection,
) -> (RowPage<ListedBinding>, usize) {
    let (connections, core) = (shard.connections.borrow(), shard.core.borrow());
    let wanted = selection.user.as_deref();
    let mut first = First::new(selection.limit);
    for connection in connections.iter().filter(|it| it.is_client()) {
        for (user, ends) in core.bindings_of(connection.id) {
            if user.name() > selection.after.as_str()
                && wanted.is_none_or(|wanted| user.is_called(wanted))
            {
                first.offer(user.name(), (user.name(), ends, connection));
            }
        }
    }
    // Ends are instants; an operator wants to know how long.
    let now = clock::now();
    let page = first.page(|(user, ends, connection)| ListedBinding {
        user: user.to_owned(),
        process: None,
        connection: connection.number,
        remote: connection.remote(),
        ends_in_s: ends.saturating_duration_since(now).as_secs(),
    });
    (page, core.bindings_away())
}
