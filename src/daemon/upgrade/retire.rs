//! The old process after it has handed over: it serves who is connected, until its last client is gone.
use super::outcome::Upgraded;
use super::successor::Successor;
use super::words::Word;
use crate::daemon::clock::now;
use crate::daemon::control::{ControlContext, ControlRefusal, Reply, Request, SupervisorCommand};
use crate::daemon::node::Daemon;
use crate::daemon::signals::Stop;
use crate::reason::DaemonReason;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// How often is looked whether the last client is gone.
const LOOK: Duration = Duration::from_millis(500);
/// What a shard may take to answer that.
const FOR_SHARDS: Duration = Duration::from_secs(5);
/// How long a call may ring on when everybody else has gone: as long as any call may (RFC 3261 §16.6, Timer C).
const LAST_CALLS: Duration = Duration::from_secs(200);
/// What a question of the new process may take when this one ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How it ends.
pub(in crate::daemon) enum Retired {
    /// Every connection is closed.
    Gone,
    /// The new process has ended: somebody must accept.
    Alone,
}

/// Answers that are found beside the loop.
type Answers = JoinSet<(u64, Value)>;

/// Until the last client is gone, or an end is asked for.
pub(in crate::daemon) async fn retire(
    daemon: &Arc<Daemon>,
    context: Arc<ControlContext>,
    successor: &mut Successor,
    commands: &mut mpsc::Receiver<SupervisorCommand>,
    (hang_up, stop): (&mut Signal, &mut Stop),
) -> Retired {
    let mut answers = Answers::new();
    // When its peers are left, and since when.
    let mut left: Option<(JoinHandle<()>, Instant)> = None;
    // The watchdog's pulses are the new process's to send.
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.recv() => break,
            _ = hang_up.recv() => drop(daemon.reload("signal").await),
            Some(command) = commands.recv() => match command {
                // The new process looks at the files as well, and asks for the reload.
                SupervisorCommand::Reload { trigger: "watch", .. } => {}
                SupervisorCommand::Reload { trigger, reply } => {
                    let report = daemon.reload(trigger).await;
                    if let Some(reply) = reply {
                        let _ = reply.send(report);
                    }
                }
                SupervisorCommand::Upgrade { reply, .. } => refuse(reply),
                SupervisorCommand::Drain { reply } => {
                    let _ = reply.send(());
                    break;
                }
            },
            word = successor.conversation.heard.recv() => match word {
                Some(Word::Ask { number, request }) => {
                    // Beside the loop: a reload comes back to it as a command.
                    let context = Arc::clone(&context);
                    answers.spawn(async move { (number, answer(&context, request).await) });
                }
                Some(_) => {}
                None => return Retired::Alone,
            },
            Some(Ok((number, reply))) = answers.join_next() => {
                let _ = successor.conversation.say(&Word::Answer { number, reply }).await;
            }
            _ = look.tick() => {
                daemon.edge.heed_calls(FOR_SHARDS).await;
                let Some(status) = daemon.status(FOR_SHARDS).await else {
                    continue;
                };
                // One after the other: a server has its answers before it is left, and what is for it then goes by the new process.
                match &left {
                    // Who still shakes hands will be a client, and is let go as one.
                    None if status.clients + status.handshakes == 0 => {
                        left = Some((tokio::spawn(leave_peers(Arc::clone(daemon))), now()));
                    }
                    // A call may ring at a phone that has gone to the new process.
                    Some((task, since))
                        if task.is_finished()
                            && (status.transactions == 0
                                || now().saturating_duration_since(*since) > LAST_CALLS) =>
                    {
                        break;
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
    // Who has asked for the end learns that it has begun: the reply is on its way in one of these tasks, and systemd ends what is
    // left of the unit soon after its main process.
    let last = async {
        while let Some(Ok((number, reply))) = answers.join_next().await {
            let _ = successor
                .conversation
                .say(&Word::Answer { number, reply })
                .await;
        }
    };
    let _ = timeout(LAST_ANSWERS, last).await;
    tokio::select! {
        _ = daemon.stop() => {}
        () = stop.recv() => {}
    }
    Retired::Gone
}

/// Peers have other connections to the new process, or make them.
async fn leave_peers(daemon: Arc<Daemon>) {
    let bound = daemon.generation().topology().limits().drain;
    daemon.edge.leave_peers(bound).await;
}

/// Carries out what an operator has asked the new process.
async fn answer(context: &ControlContext, request: Value) -> Value {
    let reply = match serde_json::from_value::<Request>(request) {
        // The new process has logged who asked.
        Ok(request) => context.carry_out(&request, None).await,
        Err(error) => Err(ControlRefusal {
            code: DaemonReason::MalformedCommand,
            what: error.to_string(),
        }),
    };
    // A refusal is a reply as well, and the new process shows it as its own.
    let reply = reply.unwrap_or_else(Reply::Error);
    // Types of this crate: that they can be written is tested.
    serde_json::to_value(reply).unwrap_or_default()
}

/// It has handed over already.
fn refuse(reply: oneshot::Sender<Result<Upgraded, ControlRefusal>>) {
    let _ = reply.send(Err(ControlRefusal {
        code: DaemonReason::UpgradeRunning,
        what: "this process has handed over".to_owned(),
    }));
}
