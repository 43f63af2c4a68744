//! Carrying out a request: here, and by the process before this one while that lets its clients go.
use super::both::{concerns_both, joined, of_former};
use super::context::ControlContext;
use super::peer_word;
use super::protocol::{Reply, Request};
use super::refusal::ControlRefusal;
use crate::edge::{BindingSelection, Selection};
use crate::reason::DaemonReason;
use std::time::Duration;

impl ControlContext {
    /// Carries out a request. An operator sees one node, whichever of its processes has a connection. `uid`: who asks;
    /// `None`: another process of this node, which has logged it.
    pub(in crate::daemon) async fn carry_out(
        &self,
        request: &Request,
        uid: Option<u32>,
    ) -> Result<Reply, ControlRefusal> {
        let own = self.carry_out_here(request, uid).await;
        // The usual case: there is one process.
        if !concerns_both(request, own.is_ok()) {
            return own;
        }
        match self.ask_former(request).await {
            Some(other) => {
                self.share(&own, &other, uid).await;
                joined(request, own, other)
            }
            None => own,
        }
    }

    /// What one process refuses since it has the connection that was named, the other refuses as well.
    async fn share(&self, own: &Result<Reply, ControlRefusal>, other: &Reply, uid: Option<u32>) {
        let (Ok(Reply::Kick(own)), Reply::Kick(other)) = (own, other) else {
            return;
        };
        match (&own.denied, &other.denied) {
            (None, Some(denial)) => {
                // Logged where it was entered only if an operator has asked there.
                self.note_denial(denial, uid);
                self.share_denial(denial.clone()).await;
            }
            // The connection was this process's, and the former one does not know whose it was.
            (Some(denial), None) => {
                let denial = denial.clone();
                // One that ends meanwhile has nobody to refuse.
                let _ = self.ask_former(&Request::ShareDenial { denial }).await;
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// What the process before this one says; `None`: there is none, or it does not answer as this version understands it.
    async fn ask_former(&self, request: &Request) -> Option<Reply> {
        let former = self.sinks.former.as_ref().filter(|former| former.lives())?;
        let mut reply = former.carry_out(request).await?;
        of_former(&mut reply, former.pid);
        Some(reply)
    }

    /// One line for each command: what it does stands in the command's own file.
    async fn carry_out_here(
        &self,
        request: &Request,
        uid: Option<u32>,
    ) -> Result<Reply, ControlRefusal> {
        Ok(match request {
            Request::Status {} => Reply::Status(self.status().await?),
            Request::Topology {} => Reply::Topology(self.topology()),
            Request::Reload {} => Reply::Reload(self.reload().await?),
            Request::Drain {} => Reply::Drain(self.drain().await?),
            Request::Connections {
                role,
                user,
                limit,
                after,
            } => {
                let selection = Selection {
                    role: *role,
                    user: user.as_deref().map(peer_word::user).transpose()?,
                    limit: *limit,
                    after: *after,
                };
                Reply::Connections(self.connections(&selection).await?)
            }
            Request::Bindings { user, limit, after } => {
                let selection = BindingSelection {
                    user: user.as_deref().map(peer_word::user).transpose()?,
                    limit: *limit,
                    after: after.clone(),
                };
                Reply::Bindings(self.bindings(&selection).await?)
            }
            Request::DrainClients { cancel } => {
                Reply::DrainClients(self.drain_clients(*cancel).await?)
            }
            Request::Upgrade { program } => Reply::Upgrade(self.upgrade(program.clone()).await?),
            Request::Calls { limit, after } => Reply::Calls(self.calls(*limit, *after).await?),
            Request::Pools { limit, after } => Reply::Pools(self.pools(*limit, after).await?),
            Request::Limits {} => Reply::Limits(self.limits().await?),
            Request::Figures { limit } => Reply::Figures(self.figures(*limit).await?),
            // Only the socket can write more than one line, and does so before it comes here.
            Request::Trace(_) => {
                return Err(DaemonReason::MalformedCommand.because("a trace is no reply"));
            }
            Request::LogLevel {
                requests,
                peer,
                client,
                for_s,
            } => {
                let party = (peer.as_deref(), client.as_deref());
                let time = Duration::from_secs(*for_s);
                Reply::LogLevel(self.log_level(requests, party, time, uid).await?)
            }
            Request::Refusals {} => Reply::Refusals(self.refusals().await?),
            Request::Kick { what, for_s } => {
                let time = for_s.map(Duration::from_secs);
                Reply::Kick(self.kick(what, time, uid).await?)
            }
            Request::Deny {
                network,
                for_s,
                reason,
            } => {
                let time = Duration::from_secs(*for_s);
                Reply::Deny(self.deny(network, time, reason.as_deref(), uid).await?)
            }
            Request::Denials {} => Reply::Denials(self.denials()),
            Request::ShareDenial { denial } => {
                // An operator says `deny`, which is judged and logged.
                if uid.is_some() {
                    let what = "share_denial is for another process of this node";
                    return Err(DaemonReason::MalformedCommand.because(what));
                }
                Reply::Denials(self.share_denial(denial.clone()).await)
            }
            Request::AdmitAgain { what } => Reply::AdmitAgain(self.admit_again(what, uid).await?),
            Request::Inventory {} => Reply::Inventory(self.inventory().await?),
            Request::Explain { decision } => Reply::Explain(self.explain(decision).await?),
            Request::Crls {} => Reply::Crls(self.crls()),
            Request::CrlsForget { id } => Reply::CrlsForget(self.forget_crls(id).await?),
        })
    }
}
