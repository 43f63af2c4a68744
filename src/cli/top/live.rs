//! The terminal: takes it over, draws, waits for keys and readings, and leaves it as it was.
//!
//! The alternate screen is used, so that what was in the terminal before is there again afterwards. A panic restores it too:
//! ratatui puts that in front of the panic's own message.
use super::asking::Asking;
use super::reading::WatchedDaemon;
use super::screen;
use super::view::View;
use crate::cli::Exit;
use ratatui::crossterm::event::{self, Event};
use rustls_pki_types::UnixTime;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest time in which nothing is looked for: a key is seen at once, a reading or a signal within this.
const TURN: Duration = Duration::from_millis(200);

/// Watches until a key or a signal ends it.
///
/// # Errors
/// No daemon answers the first question; the terminal fails.
pub(super) fn watch(daemon: WatchedDaemon) -> Result<(), Exit> {
    // Before the terminal is taken: a daemon that is not there at all is said as every other command says it.
    let first = daemon.read().map_err(|why| why.print())?;
    let mut view = View::default();
    view.take(Ok(Box::new(first)), now());
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        // A terminal that is left as it is now would be of no use to the shell.
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    let asking = Asking::begin(daemon);
    // Raw from here on: no line of another command may be printed before it is restored.
    let mut terminal = ratatui::try_init()?;
    let outcome = turns(&mut view, &asking, &ended, &mut terminal);
    ratatui::restore();
    Ok(outcome?)
}

/// Draws and waits, until it has ended.
///
/// A turn without news costs nothing on the terminal: only cells that have changed are written.
fn turns(
    view: &mut View,
    asking: &Asking,
    ended: &AtomicBool,
    terminal: &mut ratatui::DefaultTerminal,
) -> io::Result<()> {
    while !view.has_ended && !ended.load(Ordering::Relaxed) {
        // It is as large as the terminal is now, and only what has changed is written.
        terminal.draw(|frame| screen::draw(view, now(), frame))?;
        // A resize is an event as well: it ends the wait, and the next drawing has the new size.
        if event::poll(TURN)?
            && let Event::Key(key) = event::read()?
        {
            view.press(key);
        }
        // An empty channel and a thread that is gone are the same here: nothing new has come.
        while let Ok(answer) = asking.answers.try_recv() {
            view.take(answer, now());
        }
    }
    Ok(())
}

/// Unix seconds.
fn now() -> u64 {
    UnixTime::now().as_secs()
}
