//! `crls_forget`: drops what is known of a series of CRLs.
use super::context::ControlContext;
use super::refusal::{ControlRefusal, busy, stopping};
use crate::daemon::crl_timer::{Forget, Forgotten, Unforgotten};
use crate::reason::DaemonReason;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

/// A series that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenCrls {
    /// Its id.
    pub id: String,
    /// The CRLs' issuer.
    pub issuer: String,
    /// The highest CRL number that was known.
    pub number: Option<String>,
    /// The generation that serves without it.
    pub generation: u64,
}

impl ControlContext {
    /// Carries out `crls_forget`. The timer of CRLs does it: the series and what the next look finds are its own.
    pub(super) async fn forget_crls(&self, id: &str) -> Result<ForgottenCrls, ControlRefusal> {
        let (reply, answer) = oneshot::channel();
        let forget = Forget {
            id: id.to_owned(),
            reply,
        };
        self.sinks
            .forgets
            .try_send(forget)
            .map_err(|error| match error {
                TrySendError::Full(_) => busy(),
                TrySendError::Closed(_) => stopping(),
            })?;
        // The timer may be in the middle of a look; the server's own bound for a reply ends this wait.
        let outcome = answer.await.map_err(|_| stopping())?;
        match outcome {
            // The reply is the log's event too.
            Ok(Forgotten {
                id,
                issuer,
                number,
                generation,
            }) => Ok(ForgottenCrls {
                id: id.to_string(),
                issuer,
                number,
                generation,
            }),
            // Nothing was changed.
            Err(error @ (Unforgotten::Unknown | Unforgotten::Ambiguous)) => {
                Err(DaemonReason::UnknownCrls.because(error.to_string()))
            }
            // It may be in force no more and still come back: the operator must look.
            Err(error @ (Unforgotten::Kept(_) | Unforgotten::NoAnswer)) => {
                Err(DaemonReason::ShardSilent.because(error.to_string()))
            }
        }
    }
}
