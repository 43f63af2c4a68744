//! The scenes in which sipward relays: registrations, calls in every direction, a MESSAGE, a failover.
use super::failure::SceneFailure;
use super::scene::{Play, Scene};
use super::stage::Stage;
use sipward_lab::{Dialog, End, EventLog, LabError};

const AT_HOME: &[&str] = &["alice", "edge", "fe01", "bob"];

/// In this order: what is registered first is called later.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "Two clients register through the edge",
        columns: AT_HOME,
        play: register,
    },
    Scene {
        title: "A call: client, home server, client",
        columns: AT_HOME,
        play: client_calls_client,
    },
    Scene {
        title: "A call: partner, home server, client",
        columns: &["partner", "edge", "fe01", "bob"],
        play: partner_calls_client,
    },
    Scene {
        title: "A call: client, home server, partner",
        columns: &["alice", "edge", "fe01", "partner"],
        play: client_calls_partner,
    },
    Scene {
        title: "A MESSAGE",
        columns: AT_HOME,
        play: message,
    },
    Scene {
        title: "A home server is killed, the other takes over",
        columns: &["alice", "edge", "fe01", "fe02", "bob"],
        play: failover,
    },
];

fn register(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        for client in [&stage.alice, &stage.bob] {
            let sent = client.register().send().await?;
            client.answer(&sent, 200).await?;
        }
        logged(&stage.log, mark, "REGISTER").await?;
        let path = stage.fe01.registrar().path("bob@contoso.test");
        match path.as_deref() {
            Some([path]) => Ok(format!("the registrar has Path {path}")),
            Some(_) | None => Err(SceneFailure::NotRefused {
                what: "a registration without the edge's Path",
            }),
        }
    })
}

fn client_calls_client(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        let (mut dialog, _) = call(&stage.alice, "sip:bob@contoso.test", &stage.bob).await?;
        hang_up(&stage.alice, &mut dialog, &stage.bob).await?;
        logged(&stage.log, mark, "BYE").await?;
        Ok("answered, hung up by the caller".to_owned())
    })
}

fn partner_calls_client(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        let (_, mut dialog) = call(&stage.partner, "sip:bob@contoso.test", &stage.bob).await?;
        hang_up(&stage.bob, &mut dialog, &stage.partner).await?;
        logged(&stage.log, mark, "BYE").await?;
        Ok("answered, hung up by the called client".to_owned())
    })
}

fn client_calls_partner(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        let (_, mut dialog) = call(&stage.alice, "sip:carol@fabrikam.test", &stage.partner).await?;
        hang_up(&stage.partner, &mut dialog, &stage.alice).await?;
        logged(&stage.log, mark, "BYE").await?;
        Ok("answered, hung up by the partner".to_owned())
    })
}

fn message(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        tell(&stage.alice, "sip:bob@contoso.test", &stage.bob).await?;
        logged(&stage.log, mark, "MESSAGE").await?;
        Ok("delivered".to_owned())
    })
}

fn failover(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let mark = stage.log.mark();
        stage.fe01.kill();
        tell(&stage.alice, "sip:bob@contoso.test", &stage.bob).await?;
        let (mut dialog, _) = call(&stage.alice, "sip:bob@contoso.test", &stage.bob).await?;
        hang_up(&stage.alice, &mut dialog, &stage.bob).await?;
        stage.log.wait_after(mark, "peer_down", |_| true).await?;
        logged(&stage.log, mark, "BYE").await?;
        Ok("fe01 is gone; a MESSAGE and a call went through fe02".to_owned())
    })
}

/// A call from INVITE to ACK; gives the caller's and the callee's side of the dialog.
pub(super) async fn call(
    caller: &End,
    uri: &str,
    callee: &End,
) -> Result<(Dialog, Dialog), LabError> {
    let sent = caller.invite(uri).send().await?;
    let invite = callee.expect("INVITE").await?;
    callee.reply(&invite, 180).await?;
    caller.answer(&sent, 180).await?;
    let theirs = callee.accept(&invite).await?;
    let ok = caller.answer(&sent, 200).await?;
    let ours = caller.ack(&sent, &ok).await?;
    callee.expect("ACK").await?;
    Ok((ours, theirs))
}

/// A BYE and its 200.
async fn hang_up(from: &End, dialog: &mut Dialog, to: &End) -> Result<(), LabError> {
    let sent = from.bye(dialog).await?;
    let bye = to.expect("BYE").await?;
    to.reply(&bye, 200).await?;
    from.answer(&sent, 200).await?;
    Ok(())
}

/// A MESSAGE and its 200.
async fn tell(from: &End, uri: &str, to: &End) -> Result<(), LabError> {
    let sent = from.message(uri, "good morning").send().await?;
    let got = to.expect("MESSAGE").await?;
    to.reply(&got, 200).await?;
    from.answer(&sent, 200).await?;
    Ok(())
}

/// Waits until the log, which is written off the message path, has told of this method.
async fn logged(log: &EventLog, mark: usize, method: &str) -> Result<(), LabError> {
    log.wait_after(mark, "request_relayed", |e| {
        e.get("method").is_some_and(|m| m == method)
    })
    .await
    .map(|_| ())
}
