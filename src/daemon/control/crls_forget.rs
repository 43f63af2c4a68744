//! `crls_forget`: drops what is known of a series of CRLs.
use super::context::ControlContext;
use super::refusal::ControlRefusal;
use crate::daemon::crl_timer::{Forget, ForgottenCrls, Unforgotten};
use crate::reason::DaemonReason;
use tokio::sync::oneshot;

impl ControlContext {
    /// Carries out `crls_forget`. The timer of CRLs does it: the series and what the next look finds are its own.
    pub(super) async fn forget_crls(&self, id: &str) -> Result<ForgottenCrls, ControlRefusal> {
        let (reply, answer) = oneshot::channel();
        let forget = Forget {
            id: id.to_owned(),
            reply,
        };
        // The timer may be in the middle of a look; the server's own bound for a reply ends this wait.
        let outcome = self.hand_over(&self.sinks.forgets, forget, answer).await?;
        outcome.map_err(|error| {
            let reason = match &error {
                // Nothing was changed.
                Unforgotten::Unknown | Unforgotten::TooShort | Unforgotten::Ambiguous => {
                    DaemonReason::UnknownCrls
                }
                // It may be in force no more and still come back: the operator must look.
                Unforgotten::Kept(_) | Unforgotten::NoAnswer => DaemonReason::ShardSilent,
            };
            reason.because(error.to_string())
        })
    }
}
