//! What the table of events in `event` is made of: the columns of a row, and the macro that makes everything from it.
use super::prefix::level_word;
use super::value::{EventField, LinePart};
use tracing::Level;

/// Who can bring an event about, and so how many lines of it there are at most. Every one is counted, whether it has a
/// line or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Nobody from outside: every one has a line.
    Never,
    /// An operator, by a command or a reload: every one has a line.
    Operator,
    /// Anybody who can connect. The few first of an event and reason have a line; those that name a peer are counted
    /// apart, because a flood of strangers must not hide what happens to a listed peer.
    Stranger,
    /// A client, or a peer: a client's are limited like a stranger's, a peer's like [`Self::Peer`].
    Client,
    /// A request that was relayed: limited for each connection of a client, never for a peer.
    Request,
    /// A client or a peer, by calls: those that nobody has answered are limited like [`Self::Client`], no other is.
    Call,
    /// A peer: limited for each of them, so that one cannot drown another.
    Peer,
}

impl Limited {
    /// As docs/events.md has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "no",
            Self::Operator => "no (operator)",
            Self::Stranger => "stranger",
            Self::Client => "client or peer",
            Self::Request => "client's connection",
            Self::Call => "unanswered calls",
            Self::Peer => "peer",
        }
    }

    /// Who that is, for whoever has no table before them.
    pub fn who(self) -> &'static str {
        match self {
            Self::Never => "nobody outside this node",
            Self::Operator => "an operator",
            Self::Stranger => "anybody who can connect",
            Self::Client | Self::Request | Self::Call => "a client or a peer",
            Self::Peer => "a peer",
        }
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct EventRow {
    /// The stable name.
    pub name: &'static str,
    /// What it was called before the names became stable.
    pub former: &'static [&'static str],
    /// How serious it is.
    pub level: Level,
    /// Another level, and what makes it so.
    pub otherwise: Option<(Level, &'static str)>,
    /// When it is written.
    pub when: &'static str,
    /// Who can cause it.
    pub limited: Limited,
    /// What its counter counts.
    pub counts: &'static str,
    /// What its line is made of.
    pub(super) parts: &'static [LinePart],
}

impl EventRow {
    /// The fields of a line, in order.
    pub fn fields(&self) -> impl Iterator<Item = EventField> + use<> {
        self.parts.iter().flat_map(LinePart::fields)
    }

    /// Its level as docs/events.md has it, with the other one and what makes it so.
    pub fn levels(&self) -> String {
        let usual = level_word(self.level);
        match self.otherwise {
            None => usual.to_owned(),
            Some((other, condition)) => format!("{usual}; {}: {condition}", level_word(other)),
        }
    }
}

/// Makes from one table: the enum [`super::Event`] with its documentation, [`super::EventKind`], the rows, the level of
/// an event, the walk over its fields, and what the limits of the log go by.
///
/// One row:
///
/// ```text
/// /// when it is written: documentation of the variant, and the column `when` of docs/events.md
/// name [formerly "other"] => Variant {
///     LEVEL [, OTHER_LEVEL if |field| condition, "condition in words"];
///     Limited; "what the counter counts";
///     field: Type => key,      // `..`: a group with keys of its own; `()`: not written
/// }
/// ```
macro_rules! events {
    ($(
        $(#[doc = $when:literal])+
        $name:ident $([ formerly $($former:literal)+ ])? => $variant:ident {
            $level:ident $(, $other:ident if |$used:ident| $is_other:expr, $condition:literal)?;
            $limited:ident; $counts:literal;
            $( $field:ident : $type:ty => $key:tt, )*
        }
    )*) => {
        /// One event of the log.
        #[derive(Clone, Debug)]
        pub enum Event {
            $(
                #[doc = concat!("`", stringify!($name), "`: ", $($when),+)]
                $variant {
                    $( #[doc = meaning!($key)] $field: $type, )*
                },
            )*
        }

        /// Which event, without its values: an index of counters and limits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $( #[doc = concat!("`", stringify!($name), "`")] $variant, )*
        }

        /// One field for each row, so that a kind finds its row without a search.
        struct Rows {
            $( $name: EventRow, )*
        }

        static ROWS: Rows = Rows {
            $( $name: EventRow {
                name: stringify!($name),
                former: &[ $($($former),+)? ],
                level: Level::$level,
                otherwise: events!(@otherwise $($other $condition)?),
                when: concat!($($when),+).trim_ascii(),
                limited: Limited::$limited,
                counts: $counts,
                parts: &[ $( events!(@part $key $type), )* ],
            }, )*
        };

        impl EventKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its row.
            pub fn row(self) -> &'static EventRow {
                match self {
                    $( Self::$variant => &ROWS.$name, )*
                }
            }
        }

        impl Event {
            /// Which event this is.
            pub fn kind(&self) -> EventKind {
                match self {
                    $( Self::$variant { .. } => EventKind::$variant, )*
                }
            }

            /// One of each, filled in.
            #[cfg(test)]
            pub(super) fn samples(with: &$crate::observe::tests::sample::Filling<'_>) -> Vec<Self> {
                use $crate::observe::tests::sample::Sample;
                vec![ $( Self::$variant { $( $field: Sample::sample(with), )* }, )* ]
            }

            /// Whether this one has the other level of its row.
            fn is_other(&self) -> bool {
                match self {
                    $( Self::$variant { $( $used, )? .. } => false $( || $is_other )?, )*
                }
            }

            /// Hands over every field that this event has, in the order of its row. What is absent is left out.
            pub(super) fn fields(&self, take: &mut Take<'_>) {
                match self {
                    $( Self::$variant { $( $field, )* } => { $( events!(@write $key $field take); )* } )*
                }
            }

            /// The reason code, of an event that has one.
            pub fn reason(&self) -> Option<Reason> {
                match self {
                    $( Self::$variant { $( $field, )* } => None $( .or(events!(@reason $key $field)) )*, )*
                }
            }

            /// The name of the peer whose limit counts: the one that it is about, or that has sent it.
            pub(crate) fn peer(&self) -> Option<&str> {
                match self {
                    $( Self::$variant { $( $field, )* } => None $( .or(events!(@peer $key $field)) )*, )*
                }
            }
        }
    };

    (@otherwise) => { None };
    (@otherwise $other:ident $condition:literal) => { Some((Level::$other, $condition)) };

    (@part .. $type:ty) => { LinePart::group::<$type>() };
    (@part () $type:ty) => { LinePart::Unwritten };
    (@part $key:ident $type:ty) => { LinePart::One(EventField::of::<$type>(&KEYS.$key)) };

    (@write .. $field:ident $take:ident) => { $field.write_all($take) };
    (@write () $field:ident $take:ident) => { let _ = $field; };
    (@write $key:ident $field:ident $take:ident) => { $field.write(&KEYS.$key, $take) };

    (@reason reason $field:ident) => { $field.reason() };
    (@reason $key:tt $field:ident) => {{ let _ = $field; None }};

    (@peer peer $field:ident) => { $field.text() };
    (@peer .. $field:ident) => { $field.peer() };
    (@peer $key:tt $field:ident) => {{ let _ = $field; None }};
}
pub(super) use events;
