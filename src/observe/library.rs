//! What libraries report through `tracing` or `log`, turned into events: warnings and errors only.
use super::event::Event;
use super::log::Log;
use super::text::{CUT, FIELD_BYTES};
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

impl Log {
    /// Gathers what libraries report in this process into this log, from now to the end. Returns whether it does: another
    /// subscriber may have been first, in a process that embeds the daemon.
    pub fn gather_library_logs(&self) -> bool {
        let layer = LibraryLayer { log: self.clone() };
        // What libraries say below a warning is for their developers; it is dropped before it is formatted.
        tracing_subscriber::registry()
            .with(layer.with_filter(LevelFilter::WARN))
            .try_init()
            .is_ok()
    }
}

/// The layer that makes events of what libraries report.
///
/// It formats before the log's limits are asked. That is affordable: a message is bounded by [`Bounded`], and what makes a
/// TLS library warn costs it more than these words.
pub(super) struct LibraryLayer {
    log: Log,
}

impl<S: tracing::Subscriber> Layer<S> for LibraryLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut message = LibraryMessage {
            target: String::new(),
            message: Bounded(String::new()),
        };
        event.record(&mut message);
        // What comes through `log` names its module in a field, since there the call site is the bridge's.
        let target = match message.target {
            target if target.is_empty() => event.metadata().target().to_owned(),
            target => target,
        };
        self.log.record(Event::Library {
            level: *event.metadata().level(),
            target,
            message: message.message.0,
        });
    }
}

/// The message and, for what comes through `log`, the module that spoke.
struct LibraryMessage {
    target: String,
    message: Bounded,
}

impl Visit for LibraryMessage {
    // The bridge from `log` adds `log.file`, `log.line` and others: where in a library it was does not help an operator.
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => value.clone_into(&mut self.target),
            "message" => self.add(format_args!("{value}")),
            name if name.starts_with("log.") => {}
            name => self.add(format_args!(" {name}={value}")),
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.add(format_args!("{value:?}")),
            name if name.starts_with("log.") => {}
            name => self.add(format_args!(" {name}={value:?}")),
        }
    }
}

impl LibraryMessage {
    /// Appends to the message.
    fn add(&mut self, words: fmt::Arguments<'_>) {
        // Full is the only failure, and the mark of a cut shows it in the text.
        let _ = self.message.write_fmt(words);
    }
}

/// Text that takes no more than a field may hold: a library may print a whole certificate, which is cut here and not after
/// it was copied.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // An error ends the formatting, but not that of the next field.
        if self.0.ends_with(CUT) {
            return Err(fmt::Error);
        }
        for c in text.chars() {
            if self.0.len() >= FIELD_BYTES {
                self.0.push(CUT);
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(speak: impl FnOnce()) -> Vec<Event> {
        let (log, memory) = Log::memory();
        let subscriber = tracing_subscriber::registry()
            .with(LibraryLayer { log }.with_filter(LevelFilter::WARN));
        tracing::subscriber::with_default(subscriber, speak);
        memory.events()
    }

    #[test]
    fn a_librarys_warning_becomes_an_event_and_its_chatter_does_not() {
        let events = heard(|| {
            tracing::warn!(target: "some::library", attempts = 3, "it \n smells");
            tracing::info!("all is well");
        });
        assert_eq!(events.len(), 1);
        assert!(matches!(&events[0], Event::Library { target, message, .. }
            if target == "some::library" && message.contains("it \n smells") && message.contains("attempts=3")));
    }

    #[test]
    fn an_error_keeps_its_level() {
        let events = heard(|| tracing::error!("it burns"));
        assert_eq!(events[0].level(), tracing::Level::ERROR);
    }

    #[test]
    fn a_long_message_is_cut_before_it_is_kept() {
        let events = heard(|| tracing::warn!("{}", "x".repeat(100_000)));
        assert!(
            matches!(&events[0], Event::Library { message, .. } if message.len() < FIELD_BYTES + 8)
        );
    }

    #[test]
    fn what_libraries_repeat_is_counted_after_a_few_lines() {
        let (log, memory) = Log::memory();
        let subscriber = tracing_subscriber::registry().with(LibraryLayer { log: log.clone() });
        tracing::subscriber::with_default(subscriber, || {
            (0..100).for_each(|_| tracing::warn!("the same again"));
        });
        log.finish();
        let sums = memory.events().into_iter().filter_map(|event| {
            if let Event::EventsSuppressed { count, .. } = event {
                Some(count)
            } else {
                None
            }
        });
        let sums: u64 = sums.sum();
        let lines = memory
            .events()
            .iter()
            .filter(|e| e.name() == "library")
            .count();
        assert_eq!(lines as u64 + sums, 100);
        // Two windows at most, if the clock turns in between.
        assert!((20..=40).contains(&lines), "{lines} lines");
    }
}
