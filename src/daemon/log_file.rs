//! `[log] file`: the log in a file of its own, which SIGUSR1 opens anew.
//!
//! A program that rotates it moves it away and sends the signal: from then on lines go to a file of the old name.
//! SIGHUP, which other daemons take for this, is the reload here.
use super::upgrade::FormerHandle;
use crate::observe::{Event, Log, Sink};
use crate::reason::DaemonReason;
use crate::topology::LogSettings;
use std::io;
use std::path::{Path, PathBuf};
use tokio::signal::unix::Signal;

/// Where the lines go.
///
/// # Errors
/// The file that the topology names cannot be had.
pub(super) fn sink(settings: &LogSettings) -> io::Result<Sink> {
    let Some(path) = &settings.file else {
        return Ok(Sink::standard());
    };
    Sink::file(path).map_err(|error| {
        let what = format!("[log] file {}: {error}", path.display());
        io::Error::new(error.kind(), what)
    })
}

/// Opens the file anew at each signal; runs for ever. Without a file the signal does nothing.
///
/// A former process of this node writes there as well, while it lets its clients go.
pub(super) async fn reopen_at(
    mut signal: Signal,
    file: Option<PathBuf>,
    former: Option<FormerHandle>,
    log: Log,
) {
    while signal.recv().await.is_some() {
        if let Some(former) = &former {
            former.reopen_log();
        }
        if let Some(path) = &file {
            let detail = reopen(path, &log).err();
            log.record(Event::LogReopened {
                file: path.clone(),
                reason: detail.as_ref().map(|_| DaemonReason::LogFileFailed.into()),
                detail,
            });
        }
    }
}

/// # Errors
/// What keeps it from being opened; lines go on where they went.
fn reopen(path: &Path, log: &Log) -> Result<(), String> {
    let sink = Sink::file(path).map_err(|error| error.to_string())?;
    match log.continue_in(sink) {
        true => Ok(()),
        false => Err("too many lines wait for the writer".to_owned()),
    }
}
