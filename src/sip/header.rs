//! Header field names: one table with long and compact forms (RFC 3261 §7.3.3 and the extension RFCs).
use super::grammar;

macro_rules! header_names {
    (@compact) => { None };
    (@compact $letter:literal) => { Some($letter) };
    ($($variant:ident $long:literal $($compact:literal)?;)+) => {
        /// A header field name that this proxy knows; everything else is [`HeaderName::Other`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        #[expect(
            missing_docs,
            reason = "each variant is the field name of that spelling"
        )]
        pub enum HeaderName {
            $($variant,)+
            Other,
        }

        impl HeaderName {
            /// Every known name.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The long form; empty for [`HeaderName::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $long,)+
                    Self::Other => "",
                }
            }

            /// The compact form (RFC 3261 §7.3.3), if there is one.
            pub const fn compact(self) -> Option<u8> {
                match self {
                    $(Self::$variant => header_names!(@compact $($compact)?),)+
                    Self::Other => None,
                }
            }
        }
    };
}

header_names! {
    Via "Via" b'v';
    From "From" b'f';
    To "To" b't';
    CallId "Call-ID" b'i';
    CSeq "CSeq";
    MaxForwards "Max-Forwards";
    Contact "Contact" b'm';
    ContentLength "Content-Length" b'l';
    ContentType "Content-Type" b'c';
    Route "Route";
    RecordRoute "Record-Route";
    Path "Path";
    ServiceRoute "Service-Route";
    ProxyRequire "Proxy-Require";
    Require "Require";
    Supported "Supported" b'k';
    Unsupported "Unsupported";
    Expires "Expires";
    Event "Event" b'o';
    ReferTo "Refer-To" b'r';
    ReferredBy "Referred-By" b'b';
    ReplyTo "Reply-To";
    Replaces "Replaces";
    Join "Join";
    TargetDialog "Target-Dialog";
    InReplyTo "In-Reply-To";
    Privacy "Privacy";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    PAssertedService "P-Asserted-Service";
    PPreferredService "P-Preferred-Service";
    PServedUser "P-Served-User";
    PProfileKey "P-Profile-Key";
    PChargingVector "P-Charging-Vector";
    PChargingFunctionAddresses "P-Charging-Function-Addresses";
    PAccessNetworkInfo "P-Access-Network-Info";
    PVisitedNetworkId "P-Visited-Network-ID";
    RemotePartyId "Remote-Party-ID";
    HistoryInfo "History-Info";
    Diversion "Diversion";
    MaxBreadth "Max-Breadth";
    Timestamp "Timestamp";
    Warning "Warning";
    RetryAfter "Retry-After";
    Reason "Reason";
    WwwAuthenticate "WWW-Authenticate";
    ProxyAuthenticate "Proxy-Authenticate";
    Authorization "Authorization";
    ProxyAuthorization "Proxy-Authorization";
    PCalledPartyId "P-Called-Party-ID";
    PAssociatedUri "P-Associated-URI";
    PUserDatabase "P-User-Database";
    PEarlyMedia "P-Early-Media";
    PeerName "X-Sipward-Peer";
    MsKeepAlive "ms-keep-alive";
    PrivateP "P-*";
    PrivateMs "ms-*";
}

/// Longest known name.
const LONGEST: usize = 29;

/// A name's octets in lower case, filled up with blanks, eight to a word.
type Words = [u64; 4];
const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);

/// A known name as it is looked for.
#[derive(Clone, Copy)]
struct Known {
    words: Words,
    name: HeaderName,
}

/// Known names in the order of their lengths, and compact forms by letter.
struct Table {
    known: [Known; HeaderName::KNOWN.len()],
    /// How many known names are shorter than so many octets.
    shorter: [u8; LONGEST + 2],
    by_letter: [HeaderName; 26],
}

static TABLE: Table = table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time: a name that does not fit fails the build"
)]
const fn table() -> Table {
    let none = Known {
        words: [0; 4],
        name: HeaderName::Other,
    };
    let mut table = Table {
        known: [none; HeaderName::KNOWN.len()],
        shorter: [0; LONGEST + 2],
        by_letter: [HeaderName::Other; 26],
    };
    let mut filled = 0;
    let mut length = 0;
    while length <= LONGEST {
        table.shorter[length] = filled as u8;
        let mut i = 0;
        while i < HeaderName::KNOWN.len() {
            let name = HeaderName::KNOWN[i];
            if name.as_str().len() == length {
                table.known[filled] = Known {
                    words: words(name.as_str().as_bytes()),
                    name,
                };
                filled += 1;
            }
            i += 1;
        }
        length += 1;
    }
    table.shorter[length] = filled as u8;
    assert!(filled == HeaderName::KNOWN.len(), "a name is too long");
    let mut i = 0;
    while i < HeaderName::KNOWN.len() {
        if let Some(letter) = HeaderName::KNOWN[i].compact() {
            table.by_letter[(letter - b'a') as usize] = HeaderName::KNOWN[i];
        }
        i += 1;
    }
    table
}

/// The words of a name of at most [`LONGEST`] octets.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, as its caller"
)]
const fn words(name: &[u8]) -> Words {
    let mut words = [BLANKS; 4];
    let mut i = 0;
    while i < name.len() {
        // A blank has only the bit in which lower case differs from upper, and every lower-case letter has it.
        words[i / 8] |= (name[i].to_ascii_lowercase() as u64) << (i % 8 * 8);
        i += 1;
    }
    words
}

impl HeaderName {
    /// From the wire, in any case, long or compact.
    pub fn from_bytes(text: &[u8]) -> Self {
        let mut octets = [b' '; 32];
        let Some(place) = octets.get_mut(..text.len()) else {
            return Self::family(text);
        };
        place.copy_from_slice(text);
        octets.make_ascii_lowercase();
        let mut words = [0; 4];
        for (word, octets) in words.iter_mut().zip(octets.as_chunks().0) {
            *word = u64::from_le_bytes(*octets);
        }
        Self::find(&words, text.len()).unwrap_or_else(|| Self::family(text))
    }

    /// The name that a header line of that length begins with, and the name's length, if a colon follows at once. `None`
    /// says nothing: white space may stand before the colon.
    ///
    /// The octets may go on behind the line, which holds neither CR nor LF.
    pub(super) fn before_colon(octets: &[u8], line: usize) -> Option<(Self, usize)> {
        let mut words = [BLANKS; 4];
        let mut length = 0;
        for word in &mut words {
            let next = u64::from_le_bytes(*octets.get(length..)?.first_chunk()?);
            // No octet but a letter becomes one of a known name by the bit of lower case, save CR and LF.
            let Some(place) = grammar::place_of(b':', next) else {
                *word |= next;
                length += 8;
                continue;
            };
            *word |= next & ((1 << (8 * place)) - 1);
            length += place;
            if length >= line {
                return None;
            }
            return match Self::find(&words, length) {
                Some(name) => Some((name, length)),
                None => {
                    let name = grammar::cut(octets, 0, length);
                    grammar::is_token(name).then(|| (Self::family(name), length))
                }
            };
        }
        None
    }

    /// A known name by its words and its length.
    fn find(words: &Words, length: usize) -> Option<Self> {
        if length == 1 {
            let [letter, ..] = words[0].to_le_bytes();
            let row = usize::from(letter.wrapping_sub(b'a'));
            return TABLE
                .by_letter
                .get(row)
                .copied()
                .filter(|&name| name != Self::Other);
        }
        let (from, to) = (TABLE.shorter.get(length)?, TABLE.shorter.get(length + 1)?);
        let known = TABLE.known.get(usize::from(*from)..usize::from(*to))?;
        let found = known.iter().find(|known| known.words == *words)?;
        Some(found.name)
    }

    /// The family of a name that the table does not list: other private `P-` fields (RFC 3427 §4.1), and Microsoft's
    /// `ms-` and `X-MS-`.
    fn family(text: &[u8]) -> Self {
        let begins = |with: &[u8]| matches!(text.split_at_checked(with.len()), Some((head, _)) if head.eq_ignore_ascii_case(with));
        if begins(b"P-") {
            Self::PrivateP
        } else if begins(b"ms-") || begins(b"X-MS-") {
            Self::PrivateMs
        } else {
            Self::Other
        }
    }

    /// One bit for each known name, none for `Other`.
    pub(super) const fn bit(self) -> u64 {
        if matches!(self, Self::Other) {
            0
        } else {
            1 << self as u8
        }
    }

    /// Whether RFC 3261 §20 lets this field stand without a value.
    pub(super) const fn may_be_empty(self) -> bool {
        !matches!(
            self,
            Self::Via
                | Self::Route
                | Self::RecordRoute
                | Self::Path
                | Self::ServiceRoute
                | Self::Contact
                | Self::Require
                | Self::ProxyRequire
        )
    }
}

/// A set of known header names; `Other` is in none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HeaderSet(pub(super) u64);

impl HeaderSet {
    /// No name.
    pub const EMPTY: Self = Self(0);

    /// One name.
    pub const fn of(name: HeaderName) -> Self {
        Self(name.bit())
    }
    /// Names of either set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Names of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Names of both sets.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Whether the name is in it.
    pub const fn has(self, name: HeaderName) -> bool {
        self.0 & name.bit() != 0
    }
    /// Whether no name is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its names in the table's order.
    pub fn names(self) -> impl Iterator<Item = HeaderName> {
        HeaderName::KNOWN
            .iter()
            .copied()
            .filter(move |name| self.has(*name))
    }
}

impl std::fmt::Debug for HeaderSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderName, HeaderSet};

    #[test]
    fn every_name_is_found_in_any_case_and_compact() {
        for &name in HeaderName::KNOWN {
            let text = name.as_str();
            for spelling in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
                assert_eq!(HeaderName::from_bytes(spelling.as_bytes()), name);
            }
            if let Some(letter) = name.compact() {
                assert_eq!(HeaderName::from_bytes(&[letter]), name);
                assert_eq!(HeaderName::from_bytes(&[letter.to_ascii_uppercase()]), name);
            }
        }
    }

    #[test]
    fn a_name_before_its_colon_is_the_name_alone() {
        for &name in HeaderName::KNOWN {
            for spelling in [name.as_str().to_owned(), name.as_str().to_uppercase()] {
                let line = format!("{spelling}: a b c d");
                let found = HeaderName::before_colon(line.as_bytes(), line.len());
                assert_eq!(found, Some((name, spelling.len())), "{line}");
            }
        }
        let other = |text: &str| HeaderName::before_colon(text.as_bytes(), text.len());
        assert_eq!(other("User-Agent: a b c"), Some((HeaderName::Other, 10)));
        assert_eq!(
            other("P-Something-New: a"),
            Some((HeaderName::PrivateP, 15))
        );
        for text in [
            "To : a b c d e",
            ": a b c d e f",
            "Via",
            "Fr\u{e9}: a b c d e",
            "a b: a b c d e",
            "no colon at all in any of the words of the name: a b c d",
        ] {
            assert_eq!(other(text), None, "{text}");
        }
        // The colon of the next line.
        assert_eq!(HeaderName::before_colon(b"To\r\nVia: a b c d", 2), None);
    }

    #[test]
    fn what_is_nearly_a_name_is_another_name() {
        for text in [
            &b"Vias"[..],
            b"Vi",
            b"",
            b"C%6Fntact",
            b"Content_Length",
            b"z",
            b"s",
            b"{",
            b"\0",
            b"X-Sipward-Peer2",
            b"X-M-Foo",
            b"ms",
            b"P",
            b"Content-Length ",
        ] {
            assert_eq!(HeaderName::from_bytes(text), HeaderName::Other, "{text:?}");
        }
    }

    #[test]
    fn private_names_that_are_not_listed_belong_to_their_family() {
        for (text, family) in [
            (&b"p-charging-function-addresses2"[..], HeaderName::PrivateP),
            (b"P-DCS-Billing-Info", HeaderName::PrivateP),
            (b"P-", HeaderName::PrivateP),
            (b"Ms-Keep-Alive2", HeaderName::PrivateMs),
            (b"x-ms-skypechain", HeaderName::PrivateMs),
            (b"MS-Conversation-ID", HeaderName::PrivateMs),
        ] {
            assert_eq!(HeaderName::from_bytes(text), family);
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = HeaderSet::of(HeaderName::Via).with(HeaderSet::of(HeaderName::PrivateMs));
        assert!(
            set.has(HeaderName::Via) && !set.has(HeaderName::To) && !set.has(HeaderName::Other)
        );
        assert_eq!(
            set.without(HeaderSet::of(HeaderName::Via)),
            HeaderSet::of(HeaderName::PrivateMs)
        );
        assert_eq!(
            set.both(HeaderSet::of(HeaderName::Via)),
            HeaderSet::of(HeaderName::Via)
        );
        assert_eq!(
            set.names().collect::<Vec<_>>(),
            [HeaderName::Via, HeaderName::PrivateMs]
        );
        assert!(HeaderSet::of(HeaderName::Other).is_empty());
    }

    #[test]
    fn bits_are_distinct() {
        let all = HeaderName::KNOWN.iter().fold(0_u64, |mask, name| {
            assert_eq!(mask & name.bit(), 0);
            mask | name.bit()
        });
        assert_eq!(all.count_ones() as usize, HeaderName::KNOWN.len());
        assert_eq!(HeaderName::Other.bit(), 0);
    }
}
