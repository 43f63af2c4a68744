//! What will break and when: of the file itself, and of what peers have shown to the daemon that runs, judged by the file.
//!
//! Certificates, CRLs and windows end at known times, and an end that nobody has noticed is the most frequent reason why a
//! partner cannot connect. Both lists are sorted by time.
use crate::cli::output::{Page, because};
use crate::cli::target::{Target, Unanswered};
use crate::daemon::control::{Reply, Request};
use crate::topology::Topology;
use crate::trust::{Foreseen, Generation, PeerOutlook};
use rustls_pki_types::UnixTime;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long the daemon may take to tell what it has seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many ends are listed: what ends next is what an operator can act on, and a large file has thousands.
const SHOWN: usize = 12;

/// What ends of the file itself.
pub(super) fn of_the_file(ends: &[Foreseen], page: &mut Page<'_>) -> io::Result<()> {
    // Nothing in the file ends: no title without content.
    if ends.is_empty() {
        return Ok(());
    }
    page.title("Forecast: what ends, and when")?;
    next(ends, page)
}

/// The next ends with the lines of the file that they come from.
fn next(ends: &[Foreseen], page: &mut Page<'_>) -> io::Result<()> {
    for end in ends.iter().take(SHOWN) {
        let until = page.until(i64::try_from(end.at).unwrap_or(i64::MAX));
        page.item(&until, &format!("{} (line {})", end.what, end.line))?;
    }
    // The rest is in `--json`, and in the daily event `forecast`.
    if let Some(more @ 1..) = ends.len().checked_sub(SHOWN) {
        page.line(&format!("{more} more later"))?;
    }
    Ok(())
}

/// What peers showed last, judged by the file that is checked. The file alone cannot know it: certificates of peers are in
/// no file of this node.
#[derive(Debug, Serialize)]
pub(super) struct PeersSeen {
    /// Where the daemon was asked.
    socket: PathBuf,
    /// What it has seen, if it answered.
    seen: Option<Seen>,
    /// Why nothing was looked at.
    not_looked_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Seen {
    /// The topology that the daemon serves.
    topology: PathBuf,
    /// Its generation.
    generation: u64,
    #[serde(flatten)]
    outlook: PeerOutlook,
}

impl PeersSeen {
    /// Asks the daemon, and judges by `generation` what it has seen.
    pub(super) fn ask(target: &Target, generation: &Generation, at: UnixTime) -> Self {
        let (seen, not_looked_at) = match seen(target, generation, at) {
            Ok(seen) => (Some(seen), None),
            Err(why) => (None, Some(why.to_string())),
        };
        Self {
            socket: target.socket(),
            seen,
            not_looked_at,
        }
    }

    /// The page of it. That no daemon was asked is shown, or an empty list would look like good news.
    pub(super) fn show(&self, topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
        page.title("Peers' certificates last seen: what ends, and what rests on a relaxed policy")?;
        let Some(seen) = &self.seen else {
            let why = self.not_looked_at.as_deref().unwrap_or_default();
            page.item("not looked at:", why)?;
            return page.line("only a running daemon knows them; --socket PATH names one");
        };
        let (socket, served) = (self.socket.display(), seen.topology.display());
        let generation = seen.generation;
        let by = format!("{socket} (generation {generation} of {served}), judged by this file");
        page.item("seen by the daemon at", &by)?;
        let outlook = &seen.outlook;
        let (ends, relaxed, refused) = (&outlook.ends, &outlook.relaxed, &outlook.refused);
        // What was accepted when it connected and would not be any more: it goes at the next evaluation.
        for lapsed in refused {
            let (peer, direction) = (&lapsed.peer, lapsed.direction);
            let why = because(lapsed.reason, lapsed.detail.as_deref(), lapsed.line);
            let what = format!("what peer {peer} showed last ({direction}): {why}");
            page.item("refused now:", &what)?;
        }
        next(ends, page)?;
        // These peers would be refused if their policy became `strict`: worth fixing before that is wanted.
        for name in relaxed {
            let line = topology.peer_by_name(name).map(|r| topology.peer(r).line);
            let why = because("its purpose is not \"strict\"", None, line);
            let what = format!("peer {name} gets in only because {why}");
            page.item("relaxed purpose:", &what)?;
        }
        if ends.is_empty() && relaxed.is_empty() && refused.is_empty() {
            page.line("no peer of this file has connected since its start")?;
        }
        Ok(())
    }
}

/// The chains that the daemon keeps, judged here: the daemon's own judgement is by the file that it serves, not by this one.
fn seen(target: &Target, generation: &Generation, at: UnixTime) -> Result<Seen, Unanswered> {
    let reply = target.try_ask(&Request::Inventory {}, PATIENCE)?;
    let Reply::Inventory(held) = reply else {
        return Err(Unanswered::Unexpected);
    };
    Ok(Seen {
        outlook: generation.outlook(held.accepted(), at),
        topology: held.topology,
        generation: held.generation,
    })
}
