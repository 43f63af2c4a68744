//! A client without a registration that comes back over another connection in the middle of a dialog.
//!
//! Its token names its old connection. The value of the token that only this client has seen, in a
//! request of that very dialog, proves that it is the client of before; and the old connection must be
//! gone, so that nothing is ever taken from a connection that lives. The leg then is its new
//! connection's, in the shard that the old one belonged to, where the requests of the far side look for
//! it.
use super::environment::Environment;
use super::inbound::{InboundRequest, Routed};
use super::leg::Leg;
use super::link_id::LinkId;
use super::token::{Token, TokenSide};
use crate::reason::MessageReason;

/// Whether a request moves its client's leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientMove {
    /// It does not.
    No,
    /// It does, once policy has let it pass.
    Here {
        /// The connection that the token names.
        old: LinkId,
        /// Hash of the dialog's Call-ID.
        call: u64,
        /// The connection that it came on.
        new: LinkId,
    },
    /// The connection that the token names belonged to this shard, which must decide.
    Elsewhere(u8),
}

/// Looks at the token of a request. If the leg moves, it is the sender's from here on, so that policy
/// judges the request as that of any client in its dialog.
///
/// # Errors
/// The connection was one of an earlier run, which looks like another of that number.
pub(crate) fn look(
    request: &InboundRequest<'_, '_>,
    routed: &mut Routed<'_>,
    env: &Environment,
) -> Result<ClientMove, MessageReason> {
    let (
        Leg::Client(new),
        Some(Token::Dialog {
            caller,
            callee,
            side,
            ..
        }),
    ) = (request.inbound.leg, &mut routed.token)
    else {
        return Ok(ClientMove::No);
    };
    let leg = if matches!(caller, Leg::Client(_)) {
        caller
    } else {
        callee
    };
    let Leg::Client(old) = *leg else {
        return Ok(ClientMove::No);
    };
    if old == new || *side == TokenSide::Far {
        return Ok(ClientMove::No);
    }
    if old.shard() >= env.shards {
        return Err(MessageReason::FlowGone);
    }
    if old.shard() != env.shard {
        // Handed over once: a shard that is asked and does not own it has nothing to say.
        let is_asked = request.inbound.origin.asked > 0;
        return Ok(if is_asked {
            ClientMove::No
        } else {
            ClientMove::Elsewhere(old.shard())
        });
    }
    // Asked before anything is entered: policy may still refuse the request.
    let call = env.call_hash(request.call_id);
    let holder = env.moved.get(old, call);
    if env.links.get(old).is_some() || holder.is_some_and(|holder| holder != new) {
        return Ok(ClientMove::No);
    }
    *leg = Leg::Client(new);
    Ok(ClientMove::Here { old, call, new })
}

/// Moves the leg of a request that may pass.
///
/// # Errors
/// The connection has as many as one client may move.
pub(crate) fn enter(moved: ClientMove, env: &mut Environment) -> Result<(), MessageReason> {
    match moved {
        ClientMove::Here { old, call, new } if !env.moved.enter(old, call, new) => {
            Err(MessageReason::ClientBudget)
        }
        ClientMove::Here { .. } | ClientMove::No | ClientMove::Elsewhere(_) => Ok(()),
    }
}
