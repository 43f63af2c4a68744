//! `sipward demo`: the main job on throw-away certificates, embedded on loopback, drawn as ladders.
mod calls;
mod failure;
mod refusals;
mod scene;
mod stage;

use super::Exit;
use failure::SceneFailure;
use scene::Scene;
use serde_json::Value;
use sipward_lab::{Ladder, TranscriptEntry};
use stage::Stage;
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct DemoCommand {
    /// Leave everything up after the scenes, until Ctrl-C.
    pub stay: bool,
}

/// How one scene ended.
struct Outcome {
    title: &'static str,
    result: Result<String, SceneFailure>,
}

impl DemoCommand {
    /// Sets the stage, plays every scene, prints ladders and a summary.
    ///
    /// # Errors
    /// [`Exit::Internal`] when the stage could not be set, [`Exit::Refused`] when a scene did not go as it must.
    pub fn run(self) -> Result<(), Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| Exit::Internal)?;
        let mut out = io::stdout();
        match runtime.block_on(self.play(&mut out)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Exit::Refused),
            Err(e) => {
                let _ = writeln!(out, "the demo cannot go on: {e}");
                Err(Exit::Internal)
            }
        }
    }

    /// Whether every scene went as it must.
    async fn play(self, out: &mut impl Write) -> Result<bool, SceneFailure> {
        writeln!(
            out,
            "sipward demo: a throw-away PKI, an edge, two home servers, a partner, two clients\n"
        )?;
        let mut stage = Stage::set().await?;
        let mut outcomes = Vec::new();
        for scene in calls::SCENES.iter().chain(refusals::SCENES) {
            outcomes.push(perform(scene, &mut stage, out).await?);
        }
        let all_well = summary(&outcomes, out)?;
        if self.stay {
            stage.invite_visitors(out)?;
            tokio::signal::ctrl_c().await?;
        }
        stage.strike().await?;
        Ok(all_well)
    }
}

async fn perform(
    scene: &Scene,
    stage: &mut Stage,
    out: &mut impl Write,
) -> Result<Outcome, SceneFailure> {
    let (told, logged) = (stage.transcript.mark(), stage.log.mark());
    let result = (scene.play)(stage).await;
    writeln!(out, "== {}\n", scene.title)?;
    let entries: Vec<TranscriptEntry> = stage.transcript.since(told);
    writeln!(out, "{}", Ladder::new(scene.columns).draw(&entries))?;
    for event in stage.log.since(logged) {
        if let Some(line) = event_line(&event) {
            writeln!(out, "     {line}")?;
        }
    }
    match &result {
        Ok(sentence) => writeln!(out, "\n  ok: {sentence}\n")?,
        Err(e) => writeln!(out, "\n  FAILED: {e}\n")?,
    }
    Ok(Outcome {
        title: scene.title,
        result,
    })
}

/// Fields of an event that a reader of the demo wants, in this order.
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
    "by",
];

/// One event in one line; `None` for what only repeats the ladder's business.
fn event_line(event: &Value) -> Option<String> {
    let name = event.get("event")?.as_str()?;
    let fields: String = SHOWN
        .iter()
        .filter_map(|key| Some((key, event.get(*key)?)))
        .filter(|(_, value)| **value != Value::Bool(false))
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!(" {key}={text}"),
            None => format!(" {key}={value}"),
        })
        .collect();
    Some(format!("{name}{fields}"))
}

fn summary(outcomes: &[Outcome], out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "== Summary\n")?;
    for outcome in outcomes {
        let (mark, sentence) = match &outcome.result {
            Ok(sentence) => ("ok    ", sentence.clone()),
            Err(e) => {
                let text = e.to_string();
                ("FAILED", text.lines().next().unwrap_or_default().to_owned())
            }
        };
        writeln!(out, "  {mark}  {:<52} {sentence}", outcome.title)?;
    }
    let failed = outcomes.iter().filter(|o| o.result.is_err()).count();
    writeln!(out, "\n  {} scenes, {failed} failed", outcomes.len())?;
    Ok(failed == 0)
}
