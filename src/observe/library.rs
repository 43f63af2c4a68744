//! What libraries say through `tracing` or `log`, turned into events: warnings and errors only, a bounded number.
use super::text::{CUT, FIELD_OCTETS};
use super::{Event, Log};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Lines in one second: strangers can make a TLS library warn as often as they connect.
const LINES_PER_SECOND: u64 = 20;

impl Log {
    /// Gathers what libraries say in this process into this log, from now to the end; whether it does (another subscriber
    /// may have been first).
    pub fn gather_library_logs(&self) -> bool {
        let layer = LibraryLayer::new(self.clone());
        tracing_subscriber::registry()
            .with(layer.with_filter(LevelFilter::WARN))
            .try_init()
            .is_ok()
    }
}

pub(super) struct LibraryLayer {
    log: Log,
    rate: Rate,
}

impl LibraryLayer {
    pub(super) fn new(log: Log) -> Self {
        Self {
            log,
            rate: Rate::default(),
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for LibraryLayer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the layer is where a library's line gets its time"
    )]
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if !self.rate.admits(SystemTime::now()) {
            self.log.count_dropped();
            return;
        }
        let mut words = Words {
            target: String::new(),
            message: Bounded(String::new()),
        };
        event.record(&mut words);
        let target = match words.target {
            target if target.is_empty() => event.metadata().target().to_owned(),
            target => target,
        };
        self.log.record(Event::Library {
            level: *event.metadata().level(),
            target,
            message: words.message.0,
        });
    }
}

/// How many lines the current second has seen: the second in the upper bits, the count in the lower sixteen.
#[derive(Default)]
struct Rate(AtomicU64);

impl Rate {
    fn admits(&self, now: SystemTime) -> bool {
        let second = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs())
            << 16;
        let step = |seen: u64| match seen & !0xffff == second {
            true if seen & 0xffff >= LINES_PER_SECOND => None,
            true => Some(seen + 1),
            false => Some(second + 1),
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .is_ok()
    }
}

/// The message and, for what comes through `log`, the module that spoke.
struct Words {
    target: String,
    message: Bounded,
}

impl Visit for Words {
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

impl Words {
    fn add(&mut self, words: fmt::Arguments<'_>) {
        // Full is the only failure, and says itself in the text.
        let _ = self.message.write_fmt(words);
    }
}

/// Text that takes no more than a field may hold.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.ends_with(CUT) {
            return Err(fmt::Error);
        }
        for c in text.chars() {
            if self.0.len() >= FIELD_OCTETS {
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
    use std::time::Duration;

    fn heard(speak: impl FnOnce()) -> Vec<Event> {
        let (log, memory) = Log::memory();
        let subscriber = tracing_subscriber::registry()
            .with(LibraryLayer::new(log).with_filter(LevelFilter::WARN));
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
            matches!(&events[0], Event::Library { message, .. } if message.len() < FIELD_OCTETS + 8)
        );
    }

    #[test]
    fn a_second_has_room_for_a_few_lines_and_the_next_for_as_many() {
        let rate = Rate::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!((0..100).filter(|_| rate.admits(now)).count(), 20);
        assert!(rate.admits(now + Duration::from_secs(1)));
    }
}
