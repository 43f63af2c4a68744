//! The end of a process in which a thread has panicked: one line, and nothing limps on.
//!
//! A shard that is gone would take its connections along and leave those that are handed to it without an answer, and in a build
//! that unwinds a task that is gone may leave others waiting for ever. So the process ends whichever thread it was, by a
//! signal, which a service manager takes for a failure (`Restart=on-failure`).
use crate::observe::{Event, Log};
use std::panic::PanicHookInfo;

/// From now on a panic of any thread is the event `crashed` and the end of the process.
pub(super) fn on_panic(log: &Log) {
    let log = log.clone();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !log.last(crashed(info)) {
            // Nobody takes lines any more; standard error may still be read.
            usual(info);
        }
        std::process::abort();
    }));
}

/// What is known of it: which thread, where, and what it says.
fn crashed(info: &PanicHookInfo<'_>) -> Event {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed").to_owned();
    // What `panic!` with and without arguments leaves (std::panic::PanicHookInfo).
    let said = info.payload();
    let said = said.downcast_ref::<&str>().copied().map(str::to_owned);
    let said = said.or_else(|| info.payload().downcast_ref::<String>().cloned());
    let said = said.unwrap_or_default();
    let at = info
        .location()
        .map(|at| format!("{}:{}", at.file(), at.line()));
    Event::Crashed {
        thread,
        detail: Some(format!("{said} ({})", at.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Sink;
    use crate::topology::LogSettings;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    /// Set for the process that is to end.
    const CHOSEN: &str = "SIPWARD_TEST_PANICS";

    #[test]
    fn a_shard_that_panics_ends_the_process_with_a_line_of_the_log() {
        if std::env::var_os(CHOSEN).is_some() {
            let (log, _guard) = Log::start(&LogSettings::default(), 16, Sink::standard());
            on_panic(&log);
            let shard = std::thread::Builder::new().name("sipward-shard-1".to_owned());
            let shard = shard
                .spawn(|| panic!("a table has lost its entry"))
                .unwrap();
            // The process ends before this does: no thread is left that limps.
            let _ = shard.join();
            std::thread::sleep(std::time::Duration::from_secs(60));
            return;
        }
        let own = std::env::current_exe().unwrap();
        let name = "daemon::last_words::tests::a_shard_that_panics_ends_the_process_with_a_line_of_the_log";
        let ended = Command::new(own)
            .args(["--exact", name, "--nocapture"])
            .env(CHOSEN, "1")
            .env_remove("JOURNAL_STREAM")
            .output()
            .unwrap();
        // By a signal: `Restart=on-failure` starts the service anew.
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{ended:?}");
        let said = String::from_utf8(ended.stderr).unwrap();
        let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "crashed");
        assert_eq!(last["thread"], "sipward-shard-1");
        let detail = last["detail"].as_str().unwrap();
        assert!(detail.starts_with("a table has lost its entry (src/daemon/last_words.rs:"));
    }
}
