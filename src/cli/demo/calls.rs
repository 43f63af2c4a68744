//! The scenarios in which sipward relays: registrations, calls in every direction, a MESSAGE, a failover.
//!
//! Each waits for every message on both sides, so that a ladder shows all of them and a missing one fails the
//! scenario.
use super::failure::ScenarioFailure;
use super::scenario::{Scenario, Steps, titled};
use super::setup::DemoSetup;
use serde_json::Value;
use sipward_lab::{Dialog, End, LabError, LiveLog};

/// The columns between two clients of the home domain.
const AT_HOME: &[&str] = &["alice", "edge", "fe01", "bob"];

/// In this order: clients that the first one registers are called by the others, and the last one stops a
/// server.
pub(super) const SCENARIOS: &[Scenario] = &[
    titled("Two clients register through the edge").among(AT_HOME, register),
    titled("A call: client, home server, client").among(AT_HOME, client_calls_client),
    titled("A call: partner, home server, client")
        .among(&["partner", "edge", "fe01", "bob"], partner_calls_client),
    titled("A call: client, home server, partner")
        .among(&["alice", "edge", "fe01", "partner"], client_calls_partner),
    titled("A MESSAGE").among(AT_HOME, message),
    titled("A home server is killed, the other takes over")
        .among(&["alice", "edge", "fe01", "fe02", "bob"], failover),
];

/// Bob's registration must carry the edge's Path (RFC 3327): by it the home servers reach him later.
fn register(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        // One after the other, so that the ladder reads as two registrations and not as one tangle.
        for client in [&setup.alice, &setup.bob] {
            let sent = client.register().send().await?;
            client.answer(&sent, 200).await?;
        }
        relayed(setup, mark, "REGISTER").await?;
        // What makes a client reachable is not the 200 but the Path that the registrar has stored.
        // fe01 is first in the pool, and the registrar is shared: it knows both registrations.
        let path = setup.fe01.registrar().path("bob@contoso.test");
        match path.as_deref() {
            Some([path]) => Ok(format!("the registrar has Path {path}")),
            Some(_) | None => Err(ScenarioFailure::NotRefused {
                what: "a registration without the edge's Path",
            }),
        }
    })
}

/// Both clients hang on the edge, the home server is between them: each message passes the edge twice.
fn client_calls_client(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        let (mut dialog, _) = call(&setup.alice, "sip:bob@contoso.test", &setup.bob).await?;
        hang_up(&setup.alice, &mut dialog, &setup.bob).await?;
        relayed(setup, mark, "BYE").await?;
        Ok("answered, hung up by the caller".to_owned())
    })
}

/// The BYE comes from the called side, by the route that the edge recorded.
fn partner_calls_client(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        let (_, mut dialog) = call(&setup.partner, "sip:bob@contoso.test", &setup.bob).await?;
        hang_up(&setup.bob, &mut dialog, &setup.partner).await?;
        relayed(setup, mark, "BYE").await?;
        Ok("answered, hung up by the called client".to_owned())
    })
}

/// The home server sends the call back to the edge, because the domain is not its own.
fn client_calls_partner(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        let (_, mut dialog) = call(&setup.alice, "sip:carol@fabrikam.test", &setup.partner).await?;
        hang_up(&setup.partner, &mut dialog, &setup.alice).await?;
        relayed(setup, mark, "BYE").await?;
        Ok("answered, hung up by the partner".to_owned())
    })
}

/// A request that makes no dialog.
fn message(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        send_message(&setup.alice, "sip:bob@contoso.test", &setup.bob).await?;
        relayed(setup, mark, "MESSAGE").await?;
        Ok("delivered".to_owned())
    })
}

/// The pool's other server takes over at once, for new requests and for what is registered already.
fn failover(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let mark = setup.log.mark();
        // Without close_notify and without a word to the registrar, as when a machine loses power.
        setup.fe01.kill();
        send_message(&setup.alice, "sip:bob@contoso.test", &setup.bob).await?;
        let (mut dialog, _) = call(&setup.alice, "sip:bob@contoso.test", &setup.bob).await?;
        hang_up(&setup.alice, &mut dialog, &setup.bob).await?;
        // The health check, or the failed request, must have noticed as well.
        let gone = setup.log.wait_after(mark, "peer_disconnected", |_| true);
        gone.await?;
        relayed(setup, mark, "BYE").await?;
        Ok("fe01 is gone; a MESSAGE and a call went through fe02".to_owned())
    })
}

/// A call from INVITE to ACK; returns the caller's and the callee's side of the dialog.
pub(super) async fn call(
    caller: &End,
    uri: &str,
    callee: &End,
) -> Result<(Dialog, Dialog), LabError> {
    let sent = caller.invite(uri).send().await?;
    // An INVITE that has come through the edge, and the home server where there is one between.
    let invite = callee.expect("INVITE").await?;
    callee.reply(&invite, 180).await?;
    // The edge's 100 stays in the inbox: it may come or not, since it is sent only when the 180 takes longer.
    caller.answer(&sent, 180).await?;
    let callee_side = callee.accept(&invite).await?;
    let ok = caller.answer(&sent, 200).await?;
    let caller_side = caller.ack(&sent, &ok).await?;
    // The ACK of a 2xx goes from end to end (RFC 3261 §13.2.2.4): the dialog stands only when it has arrived.
    callee.expect("ACK").await?;
    Ok((caller_side, callee_side))
}

/// A BYE and its 200, from either side: the route set of the dialog brings it to the other one.
async fn hang_up(from: &End, dialog: &mut Dialog, to: &End) -> Result<(), LabError> {
    // Sent to the other end's Contact over the recorded route, not by a look at the domain.
    let sent = from.bye(dialog).await?;
    let bye = to.expect("BYE").await?;
    to.reply(&bye, 200).await?;
    from.answer(&sent, 200).await?;
    Ok(())
}

/// A MESSAGE and its 200. It needs no dialog and no Contact (RFC 3428 §4), so the request's route is all that
/// is tried.
async fn send_message(from: &End, uri: &str, to: &End) -> Result<(), LabError> {
    let sent = from.message(uri, "good morning").send().await?;
    let got = to.expect("MESSAGE").await?;
    to.reply(&got, 200).await?;
    from.answer(&sent, 200).await?;
    Ok(())
}

/// Waits until the log says that a request of this method was relayed.
async fn relayed(setup: &DemoSetup, mark: usize, method: &str) -> Result<(), LabError> {
    logged(&setup.log, mark, "request_relayed", "method", method).await
}

/// Waits until an event with this field stands in the log. The log is written by a thread of its own, so without this the line
/// could appear below the next scenario.
pub(super) async fn logged(
    log: &LiveLog,
    mark: usize,
    event: &str,
    key: &str,
    value: &str,
) -> Result<(), LabError> {
    let wanted = |event: &Value| event.get(key).is_some_and(|it| it == value);
    log.wait_after(mark, event, wanted).await.map(drop)
}
