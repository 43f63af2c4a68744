//! What the keys change: which table is shown, in which order, filtered by what, from which row on, and whether it stands still.
use super::rates::{ConnectionRates, PeerRates, Rates, RefusalRate};
use super::reading::{DaemonReading, ReadingAnswer};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::Ordering;

/// Characters of a filter: more than any name that is looked for.
///
/// What is pasted by mistake must not fill the line.
const LONGEST_FILTER: usize = 64;

/// The table that has most of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MainTable {
    /// The peers of the topology.
    #[default]
    Peers,
    /// The live connections.
    Connections,
    /// What was refused, by reason.
    Refusals,
}

impl MainTable {
    /// In the order in which Tab goes through them.
    const ALL: [Self; 3] = [Self::Peers, Self::Connections, Self::Refusals];

    /// What its rows can be ordered by; the first is how it begins.
    pub(super) fn orders(self) -> &'static [&'static str] {
        match self {
            Self::Peers => &["state", "messages", "in flight", "name"],
            Self::Connections => &["messages", "queued", "age", "who"],
            Self::Refusals => &["rate", "count", "reason"],
        }
    }

    /// Its heading.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Connections => "connections",
            Self::Refusals => "refusals",
        }
    }
}

/// Why nothing new comes.
///
/// What was read before stays on the screen: an operator wants to see how the node was when it went.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    /// What the last question met.
    pub(super) why: String,
    /// Since when, Unix seconds.
    pub(super) since: u64,
}

/// What is shown, and how.
#[derive(Default)]
pub(super) struct View {
    /// The figures; `None` before the first reading.
    pub(super) rates: Option<Rates>,
    /// When they were read, Unix seconds.
    pub(super) at: u64,
    /// The daemon does not answer.
    pub(super) gone: Option<Gone>,
    /// The table that has most of the screen.
    pub(super) shown: MainTable,
    /// The place of its order among those that it has.
    order: usize,
    /// The other way round.
    pub(super) is_reversed: bool,
    /// Only rows with this text in them, in whatever case.
    pub(super) filter: String,
    /// Keys go into the filter.
    pub(super) is_typing: bool,
    /// What is shown stands still.
    pub(super) is_paused: bool,
    /// Rows that are above the first one.
    pub(super) scrolled: usize,
    /// A key has ended it.
    pub(super) has_ended: bool,
    /// What the next reading is compared with.
    // Kept while the view stands still, too.
    latest: Option<DaemonReading>,
}

impl View {
    /// Takes what the thread that asks has found.
    pub(super) fn take(&mut self, answer: ReadingAnswer, now: u64) {
        match answer {
            Ok(reading) => {
                self.gone = None;
                // Readings go on meanwhile, so that the rates behind a pause are those of one interval.
                if !self.is_paused {
                    self.rates = Some(Rates::between(self.latest.as_ref(), &reading));
                    self.at = now;
                }
                self.latest = Some(*reading);
            }
            Err(why) => {
                let since = self.gone.as_ref().map_or(now, |gone| gone.since);
                self.gone = Some(Gone { why, since });
            }
        }
    }

    /// What a key does; one that means nothing does nothing.
    pub(super) fn press(&mut self, key: KeyEvent) {
        // Raw mode makes no signal of it.
        let is_interrupt = key.modifiers.contains(KeyModifiers::CONTROL)
            && [KeyCode::Char('c'), KeyCode::Char('d')].contains(&key.code);
        if is_interrupt {
            self.has_ended = true;
        } else if self.is_typing {
            self.type_filter(key.code);
        } else {
            self.command(key.code);
        }
        // The last row stays in sight, and the way back begins there.
        self.scrolled = self.scrolled.min(self.rows().saturating_sub(1));
    }

    /// Rows of the table that is shown.
    fn rows(&self) -> usize {
        match self.shown {
            MainTable::Peers => self.peers().len(),
            MainTable::Connections => self.connections().len(),
            MainTable::Refusals => self.refusals().len(),
        }
    }

    /// A key while the filter is written.
    fn type_filter(&mut self, key: KeyCode) {
        // What is shown follows each character.
        self.scrolled = 0;
        if let KeyCode::Char(c) = key {
            if self.filter.chars().count() < LONGEST_FILTER && !c.is_control() {
                self.filter.push(c);
            }
        } else if key == KeyCode::Backspace {
            self.filter.pop();
        } else if key == KeyCode::Enter {
            self.is_typing = false;
        } else if key == KeyCode::Esc {
            self.is_typing = false;
            self.filter.clear();
        }
    }

    /// A key otherwise. Those of less and top, as far as they have one for it.
    fn command(&mut self, key: KeyCode) {
        // Rows of a page: as many as a small terminal shows.
        const PAGE: usize = 10;
        if let KeyCode::Char(c) = key {
            match c {
                'q' => self.has_ended = true,
                's' => self.order = (self.order + 1) % self.shown.orders().len(),
                'r' => self.is_reversed = !self.is_reversed,
                'p' | ' ' => self.is_paused = !self.is_paused,
                '/' => self.is_typing = true,
                _ => {}
            }
        } else if key == KeyCode::Esc {
            self.filter.clear();
        } else if key == KeyCode::Tab {
            self.turn_to(1);
        } else if key == KeyCode::BackTab {
            self.turn_to(MainTable::ALL.len() - 1);
        } else if key == KeyCode::Down {
            self.scrolled = self.scrolled.saturating_add(1);
        } else if key == KeyCode::Up {
            self.scrolled = self.scrolled.saturating_sub(1);
        } else if key == KeyCode::PageDown {
            self.scrolled = self.scrolled.saturating_add(PAGE);
        } else if key == KeyCode::PageUp {
            self.scrolled = self.scrolled.saturating_sub(PAGE);
        } else if key == KeyCode::Home {
            self.scrolled = 0;
        }
    }

    /// The table that is so many further on.
    fn turn_to(&mut self, further: usize) {
        let all = MainTable::ALL;
        let at = all.iter().position(|it| *it == self.shown).unwrap_or(0);
        let next = all.get((at + further) % all.len());
        self.shown = next.copied().unwrap_or_default();
        // What was chosen for the other one means nothing here; the filter stays, since it is in sight.
        (self.order, self.scrolled, self.is_reversed) = (0, 0, false);
    }

    /// What the rows are ordered by.
    pub(super) fn order(&self) -> &'static str {
        self.shown.orders().get(self.order).copied().unwrap_or("")
    }

    /// Whether a row with these texts passes the filter.
    // Any of them: who looks for `down` finds states and reasons alike.
    fn takes(&self, texts: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        let has = |text: &&str| text.to_lowercase().contains(&wanted);
        self.filter.is_empty() || texts.iter().any(has)
    }

    /// The peers that pass, in their order.
    pub(super) fn peers(&self) -> Vec<&PeerRates> {
        let all = self.rates.iter().flat_map(|it| &it.peers);
        let passes = |it: &&PeerRates| {
            let of = &it.figures;
            let why = of.reason.as_deref().unwrap_or_default();
            self.takes(&[&of.peer, &of.kind, &of.state, why])
        };
        let mut rows: Vec<_> = all.filter(passes).collect();
        match self.order() {
            "messages" => rows.sort_by(|a, b| more(messages(b), messages(a))),
            "in flight" => rows.sort_by_key(|it| std::cmp::Reverse(it.figures.in_flight)),
            "name" => rows.sort_by(|a, b| a.figures.peer.cmp(&b.figures.peer)),
            // As the daemon has them: what takes nothing stands on top.
            _ => {}
        }
        self.turned(rows)
    }

    /// The connections that pass, in their order.
    pub(super) fn connections(&self) -> Vec<&ConnectionRates> {
        let all = self.rates.iter().flat_map(|it| &it.connections);
        let passes = |it: &&ConnectionRates| {
            // A number from the log finds its connection.
            let number = it.connection.to_string();
            self.takes(&[&it.who, &it.remote, &it.through, &number])
        };
        let mut rows: Vec<_> = all.filter(passes).collect();
        match self.order() {
            "queued" => rows.sort_by_key(|it| std::cmp::Reverse(it.queued)),
            "who" => rows.sort_by(|a, b| a.who.cmp(&b.who)),
            "messages" => rows.sort_by(|a, b| {
                let rates = (sum(b.in_per_s, b.out_per_s), sum(a.in_per_s, a.out_per_s));
                more(rates.0, rates.1).then(b.messages.cmp(&a.messages))
            }),
            // By their numbers, which are times.
            _ => {}
        }
        self.turned(rows)
    }

    /// The refusals that pass, in their order.
    pub(super) fn refusals(&self) -> Vec<&RefusalRate> {
        let all = self.rates.iter().flat_map(|it| &it.refusals);
        let passes = |it: &&RefusalRate| self.takes(&[&it.reason, &it.event]);
        let mut rows: Vec<_> = all.filter(passes).collect();
        match self.order() {
            "count" => rows.sort_by_key(|it| std::cmp::Reverse(it.count)),
            "reason" => rows.sort_by(|a, b| a.reason.cmp(&b.reason)),
            // They come by their rate.
            _ => {}
        }
        self.turned(rows)
    }

    /// The other way round, if that is wanted. The orders begin with what is looked for most: much before little.
    fn turned<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.is_reversed {
            rows.reverse();
        }
        rows
    }
}

/// Messages of a peer, both ways.
fn messages(peer: &PeerRates) -> f64 {
    sum(peer.in_per_s, peer.out_per_s)
}

/// Both ways as one; nothing counts as zero, as of a first reading.
fn sum(a: Option<f64>, b: Option<f64>) -> f64 {
    a.unwrap_or_default() + b.unwrap_or_default()
}

/// The order of two rates, none of which is without a value.
fn more(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// A rate as people read it: three digits, which is more than two readings are worth, and a dash where there are not two readings.
pub(super) fn rate(per_s: Option<f64>) -> String {
    match per_s {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(rate) if rate < 10.0 => format!("{rate:.2}"),
        Some(rate) if rate < 100.0 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

/// A time as people read it. Tenths of a millisecond tell a server next door from one across the street.
pub(super) fn latency(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 1_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1_000.0),
    }
}
