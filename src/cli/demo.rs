//! `sipward demo`: what sipward is for, shown on loopback with throw-away certificates and drawn as ladders.
//!
//! The daemon runs in this process, everybody else comes from the lab. No file outside of a temporary
//! directory is read or written, no port of the host is fixed, and nothing has to be installed.
mod calls;
mod failure;
mod refusals;
mod scenario;
mod setup;
mod stay;

use super::Exit;
use failure::ScenarioFailure;
use scenario::Scenario;
use serde_json::Value;
use setup::DemoSetup;
use sipward_lab::{Ladder, TranscriptEntry};
use std::io::{self, Write};
use std::pin::pin;
use tokio::signal::unix::{SignalKind, signal};

/// The command with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct DemoCommand {
    /// Leave everything up after the scenarios, until Ctrl-C or SIGTERM.
    pub stay: bool,
}

/// How one scenario ended.
struct ScenarioOutcome {
    title: &'static str,
    /// The sentence for the summary, or why it failed.
    result: Result<String, ScenarioFailure>,
}

impl DemoCommand {
    /// Starts everybody, runs every scenario, prints ladders and a summary.
    ///
    /// # Errors
    /// [`Exit::Internal`] when somebody could not be started, [`Exit::Refused`] when a scenario did not go as
    /// it must.
    pub fn run(self) -> Result<(), Exit> {
        // One thread for all ends, so that what they see keeps its order in the transcript. The daemon has
        // its own threads.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| Exit::Internal)?;
        let mut out = io::stdout();
        match runtime.block_on(self.run_scenarios(&mut out)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Exit::Refused),
            // The summary is never reached, so this line is the only one with the cause.
            Err(e) => {
                let _ = writeln!(out, "the demo cannot go on: {e}");
                Err(Exit::Internal)
            }
        }
    }

    /// Whether every scenario went as it must.
    async fn run_scenarios(self, out: &mut impl Write) -> Result<bool, ScenarioFailure> {
        writeln!(
            out,
            "sipward demo: a throw-away PKI, an edge, two home servers, a partner, two clients\n"
        )?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Whenever it comes, everything is dropped in order: private keys lie in the temporary directory.
        let mut ended = pin!(async {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        });
        // One setup for all: what the first scenarios register serves the later ones.
        let mut setup = tokio::select! {
            setup = DemoSetup::start() => setup?,
            () = &mut ended => return Ok(false),
        };
        let mut outcomes = Vec::new();
        for scenario in calls::SCENARIOS.iter().chain(refusals::SCENARIOS) {
            // One that fails does not keep the others from running: each prints what it has seen.
            outcomes.push(tokio::select! {
                outcome = run_one(scenario, &mut setup, out) => outcome?,
                () = &mut ended => return Ok(false),
            });
        }
        let all_well = summary(&outcomes, out)?;
        if self.stay {
            setup.stay(ended, out).await?;
        }
        // Even when a scenario failed: the temporary directory goes with the setup.
        setup.stop().await?;
        Ok(all_well)
    }
}

/// Runs one scenario and prints the messages and the log lines that came of it.
async fn run_one(
    scenario: &Scenario,
    setup: &mut DemoSetup,
    out: &mut impl Write,
) -> Result<ScenarioOutcome, ScenarioFailure> {
    // Marks, so that each scenario shows its messages and events and none of another one.
    let (seen, logged) = (setup.transcript.mark(), setup.log.mark());
    let result = (scenario.steps)(setup).await;
    writeln!(out, "== {}\n", scenario.title)?;
    let entries: Vec<TranscriptEntry> = setup.transcript.since(seen);
    writeln!(out, "{}", Ladder::new(scenario.columns).draw(&entries))?;
    // The daemon goes on, and its log is behind it. That is no harm where lines are shown and nothing is concluded from one
    // that is not there: each scenario has waited for the line that it is about.
    #[expect(clippy::disallowed_methods, reason = "shown and not judged")]
    let logged = setup.log.so_far().since(logged);
    for event in logged {
        if let Some(line) = event_line(&event) {
            writeln!(out, "     {line}")?;
        }
    }
    match &result {
        Ok(sentence) => writeln!(out, "\n  ok: {sentence}\n")?,
        Err(e) => writeln!(out, "\n  FAILED: {e}\n")?,
    }
    Ok(ScenarioOutcome {
        title: scenario.title,
        result,
    })
}

/// Fields of an event that explain a scenario, in this order. Addresses, numbers of connections and the like
/// differ from run to run and would hide them.
const SHOWN: [&str; 14] = [
    "reason",
    "direction",
    "method",
    "status",
    "from_peer",
    "to_peer",
    "to_client",
    "peer",
    "names",
    "trust",
    "purpose",
    "version",
    "group",
    "closed_by",
];

/// One event in one line; `None` for a line of the log that has no name.
fn event_line(event: &Value) -> Option<String> {
    let name = event.get("event")?.as_str()?;
    let fields: String = SHOWN
        .iter()
        .filter_map(|key| Some((key, event.get(*key)?)))
        // A flag that is not set adds nothing.
        .filter(|(_, value)| **value != Value::Bool(false))
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!(" {key}={text}"),
            None => format!(" {key}={value}"),
        })
        .collect();
    Some(format!("{name}{fields}"))
}

/// Prints a line for each scenario; whether all went as they must.
fn summary(outcomes: &[ScenarioOutcome], out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "== Summary\n")?;
    for outcome in outcomes {
        let (mark, sentence) = match &outcome.result {
            Ok(sentence) => ("ok    ", sentence.clone()),
            Err(e) => {
                // The lines below the first one are the transcript, which stands above already.
                let text = e.to_string();
                ("FAILED", text.lines().next().unwrap_or_default().to_owned())
            }
        };
        writeln!(out, "  {mark}  {:<52} {sentence}", outcome.title)?;
    }
    // The last line, for programs and for people in a hurry.
    let failed = outcomes.iter().filter(|o| o.result.is_err()).count();
    writeln!(out, "\n  {} scenarios, {failed} failed", outcomes.len())?;
    Ok(failed == 0)
}
