//! The old process after it has handed over: it serves who is connected, until its last client is gone.
use super::answers::{answer, say_answer};
use super::asked_traces::AskedTraces;
use super::conversation::Conversation;
use super::outcome::Upgraded;
use super::successor::Successor;
use super::words::Word;
use crate::daemon::clock::now;
use crate::daemon::control::{ControlContext, ControlRefusal, Request, SupervisorCommand};
use crate::daemon::node::Daemon;
use crate::daemon::signals::Stop;
use crate::reason::DaemonReason;
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
/// Questions of the new process that are answered at a time; more wait in its end of the conversation.
const QUESTIONS: usize = 64;

/// How it ends.
pub(in crate::daemon) enum Retired {
    /// Every connection is closed.
    Gone,
    /// The new process has ended: somebody must accept.
    Alone,
}

/// Answers that are found beside the loop, and said there.
type Answers = JoinSet<()>;

/// Until the last client is gone, or an end is asked for. An end waits for nothing that the new process may do or leave undone.
pub(in crate::daemon) async fn retire(
    daemon: &Arc<Daemon>,
    context: Arc<ControlContext>,
    successor: &mut Successor,
    commands: &mut mpsc::Receiver<SupervisorCommand>,
    (hang_up, stop): (&mut Signal, &mut Stop),
) -> Retired {
    let mut answers = Answers::new();
    let conversation = &mut successor.conversation;
    let over = tokio::select! {
        biased;
        // Nothing that the loop waits for holds up a signal: a reload, a shard.
        () = stop.recv() => Retired::Gone,
        over = serve(daemon, context, conversation, &mut answers, commands, hang_up) => over,
    };
    if let Retired::Alone = over {
        return over;
    }
    // Who still waits for a reload learns that there is none.
    commands.close();
    while commands.try_recv().is_ok() {}
    // Who has asked for the end learns that it has begun: the reply is on its way in one of these tasks, and systemd ends what is
    // left of the unit soon after its main process. One that does not read is not waited for longer than for a transaction.
    let speaker = successor.conversation.speaker.clone();
    let last = async {
        while answers.join_next().await.is_some() {}
        speaker.said().await;
    };
    let bound = daemon.generation().topology().limits().drain;
    let end = async { tokio::join!(daemon.stop(), timeout(bound, last)) };
    tokio::select! {
        _ = end => {}
        () = stop.recv() => {}
    }
    Retired::Gone
}

/// Until the last client is gone, or the new process asks for the end.
async fn serve(
    daemon: &Arc<Daemon>,
    context: Arc<ControlContext>,
    conversation: &mut Conversation,
    answers: &mut Answers,
    commands: &mut mpsc::Receiver<SupervisorCommand>,
    hang_up: &mut Signal,
) -> Retired {
    // When its peers are left, and since when.
    let mut left: Option<(JoinHandle<()>, Instant)> = None;
    // The watchdog's pulses are the new process's to send.
    let mut look = tokio::time::interval(LOOK);
    let mut drains = false;
    // They end with the loop.
    let mut traces = AskedTraces::default();
    loop {
        tokio::select! {
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
                    return Retired::Gone;
                }
            },
            word = conversation.heard.recv(), if answers.len() < QUESTIONS => match word {
                Some(Word::Enough { number }) => traces.end(number),
                Some(Word::Ask { number, request }) => {
                    let request = match serde_json::from_value(request) {
                        Ok(Request::Trace(request)) => {
                            traces.begin(number, request, &context, &conversation.speaker);
                            continue;
                        }
                        other => other,
                    };
                    // Beside the loop: a reload comes back to it as a command.
                    drains |= matches!(request, Ok(Request::Drain {}));
                    let (context, speaker) = (Arc::clone(&context), conversation.speaker.clone());
                    answers.spawn(async move {
                        let reply = answer(&context, request).await;
                        say_answer(&speaker, number, reply).await;
                    });
                }
                Some(_) => {}
                // It may have had no time to wait for the answer.
                None if drains => return Retired::Gone,
                None => return Retired::Alone,
            },
            // Only counted.
            Some(_) = answers.join_next() => {}
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
                        return Retired::Gone;
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
}

/// Peers have other connections to the new process, or make them.
async fn leave_peers(daemon: Arc<Daemon>) {
    let bound = daemon.generation().topology().limits().drain;
    daemon.edge.leave_peers(bound).await;
}

/// It has handed over already.
fn refuse(reply: oneshot::Sender<Result<Upgraded, ControlRefusal>>) {
    let _ = reply.send(Err(ControlRefusal {
        code: DaemonReason::UpgradeRunning,
        what: "this process has handed over".to_owned(),
    }));
}
