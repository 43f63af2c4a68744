//! Replies of two processes as one: an operator sees one node, and which rows are the former process's.
use super::calls::{ListedCalls, key_of};
use super::pools::ListedPool;
use super::protocol::{Reply, Request};
use super::refusal::ControlRefusal;
use crate::edge::{ListedBinding, ListedBindings, ListedConnection, RowPage};
use serde_json::Value;
use std::mem::take;

/// Marks the rows of a reply as those of the former process.
pub(super) fn of_former(reply: &mut Reply, pid: u32) {
    let mark = |rows: &mut Vec<Value>| {
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            row.insert("process".to_owned(), pid.into());
        }
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a reply without rows of this kind needs no mark"
    )]
    match reply {
        // Rows with a type have a place for it, lines of the log take a further field.
        Reply::Connections(page) => {
            page.rows.iter_mut().for_each(|row| row.process = Some(pid));
        }
        Reply::Bindings(listed) => {
            let rows = listed.held.rows.iter_mut();
            rows.for_each(|row| row.process = Some(pid));
        }
        Reply::Calls(listed) => mark(&mut listed.page.rows),
        Reply::Refusals(refusals) => mark(&mut refusals.latest),
        _ => {}
    }
}

/// What runs with the members of pools at the former process as well. How a member is, the process that accepts knows best.
fn add_loads(own: &mut [ListedPool], other: &[ListedPool]) {
    for pool in own {
        // A reload may lie between the two answers.
        let Some(same) = other.iter().find(|it| it.pool == pool.pool) else {
            continue;
        };
        // Summed, since either process has its own.
        for member in &mut pool.members {
            if let Some(it) = same.members.iter().find(|it| it.peer == member.peer) {
                member.connections += it.connections;
                member.in_flight += it.in_flight;
                member.waiting += it.waiting;
            }
        }
    }
}

/// Whether the other process is asked as well. What the supervisor does it hands on itself.
pub(super) fn concerns_both(request: &Request, is_done: bool) -> bool {
    match request {
        Request::Status {}
        | Request::Figures { .. }
        | Request::Connections { .. }
        | Request::Bindings { .. }
        | Request::Calls { .. }
        | Request::Kick { .. }
        | Request::Refusals {}
        | Request::Pools { .. }
        | Request::Limits {}
        | Request::Inventory {} => true,
        Request::CrlsForget { .. }
        | Request::Deny { .. }
        | Request::AdmitAgain { .. }
        | Request::DrainClients { .. }
        | Request::LogLevel { .. } => is_done,
        // It may have been decided there.
        Request::Explain { .. } => !is_done,
        Request::Reload {}
        | Request::Topology {}
        | Request::Drain {}
        | Request::Upgrade { .. }
        | Request::Denials {}
        | Request::Trace(_)
        | Request::ShareDenial { .. }
        | Request::Crls {} => false,
    }
}

/// Both replies as one.
pub(super) fn joined(
    request: &Request,
    own: Result<Reply, ControlRefusal>,
    other: Reply,
) -> Result<Reply, ControlRefusal> {
    let rows = match request {
        Request::Connections { limit, .. }
        | Request::Bindings { limit, .. }
        | Request::Calls { limit, .. } => *limit,
        Request::Status {}
        | Request::Topology {}
        | Request::Figures { .. }
        | Request::Reload {}
        | Request::Drain {}
        | Request::DrainClients { .. }
        | Request::Upgrade { .. }
        | Request::Refusals {}
        | Request::Pools { .. }
        | Request::Limits {}
        | Request::Trace(_)
        | Request::LogLevel { .. }
        | Request::Kick { .. }
        | Request::Deny { .. }
        | Request::Denials {}
        | Request::ShareDenial { .. }
        | Request::AdmitAgain { .. }
        | Request::Inventory {}
        | Request::Explain { .. }
        | Request::Crls {}
        | Request::CrlsForget { .. } => 0,
    };
    // What does not fit together is another version's: then the own reply is all that there is.
    match (own, other) {
        (Ok(Reply::Status(mut own)), Reply::Status(other)) => {
            own.former = Some(other);
            Ok(Reply::Status(own))
        }
        (Ok(Reply::Figures(mut own)), Reply::Figures(other)) => {
            own.add(*other);
            Ok(Reply::Figures(own))
        }
        (Ok(Reply::Kick(mut own)), Reply::Kick(other)) => {
            own.connections += other.connections;
            // Of a connection by its number only the process that has it knows whose it is.
            own.denied = own.denied.or(other.denied);
            Ok(Reply::Kick(own))
        }
        (Ok(Reply::Calls(own)), Reply::Calls(other)) => {
            let order = |a: &_, b: &_| key_of(a).cmp(&key_of(b));
            Ok(Reply::Calls(ListedCalls {
                page: RowPage::merged(vec![own.page, other.page], rows, order),
                up: own.up + other.up,
            }))
        }
        (Ok(Reply::Refusals(mut own)), Reply::Refusals(other)) => {
            own.add(other);
            Ok(Reply::Refusals(own))
        }
        // Each process lets its own go.
        (Ok(Reply::DrainClients(mut own)), Reply::DrainClients(other)) => {
            own.clients += other.clients;
            Ok(Reply::DrainClients(own))
        }
        (Ok(Reply::Deny(mut own)), Reply::Deny(other)) => {
            own.connections += other.connections;
            Ok(Reply::Deny(own))
        }
        // Two pages in one order, as of two shards.
        (Ok(Reply::Connections(own)), Reply::Connections(other)) => {
            let order =
                |a: &ListedConnection, b: &ListedConnection| a.connection.cmp(&b.connection);
            let all = RowPage::merged(vec![own, other], rows, order);
            Ok(Reply::Connections(all))
        }
        (Ok(Reply::Bindings(own)), Reply::Bindings(other)) => {
            let order = |a: &ListedBinding, b: &ListedBinding| a.user.cmp(&b.user);
            Ok(Reply::Bindings(ListedBindings {
                held: RowPage::merged(vec![own.held, other.held], rows, order),
                away: own.away + other.away,
            }))
        }
        (Ok(Reply::Pools(mut own)), Reply::Pools(other)) => {
            add_loads(&mut own.rows, &other.rows);
            Ok(Reply::Pools(own))
        }
        (Ok(Reply::Limits(mut own)), Reply::Limits(other)) => {
            // Not summed: a bound is one for each process.
            for limit in &mut own {
                let same = other.iter().find(|it| it.limit == limit.limit);
                limit.former_used = same.and_then(|it| it.used);
            }
            Ok(Reply::Limits(own))
        }
        (Ok(Reply::Inventory(mut own)), Reply::Inventory(mut other)) => {
            own.add(take(&mut *other));
            Ok(Reply::Inventory(own))
        }
        (Err(_), found @ Reply::Explain(_)) => Ok(found),
        (own, _) => own,
    }
}
