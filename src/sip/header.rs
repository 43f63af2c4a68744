//! Header field names: one table with long and compact forms (RFC 3261 §7.3.3 and the extension RFCs).
//!
//! Nothing outside of this folder compares header names as text, so no rule can miss the compact form or another spelling.

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
            /// Every known name, in the order of the table. The look-up and the tests walk it.
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

// A name is in this table if some code asks for it; all others are relayed as they are. At most 64 fit: a set of names is
// one word. `PrivateP` and `PrivateMs` stand for families of names and are spelled so that no real field is named like them.
header_names! {
    Via "Via" b'v';
    From "From" b'f';
    To "To" b't';
    CallId "Call-ID" b'i';
    CSeq "CSeq";
    MaxForwards "Max-Forwards";
    Contact "Contact" b'm';
    // The framer reads this one before there is a message (RFC 3261 §20.14).
    ContentLength "Content-Length" b'l';
    ContentType "Content-Type" b'c';
    // What decides where a message goes: RFC 3261, RFC 3327 (Path), RFC 3608 (Service-Route).
    Route "Route";
    RecordRoute "Record-Route";
    Path "Path";
    ServiceRoute "Service-Route";
    // Extensions that a message asks for (RFC 3261 §19.2).
    ProxyRequire "Proxy-Require";
    Require "Require";
    Supported "Supported" b'k';
    Unsupported "Unsupported";
    // What a registrar and a notifier read; Contact and these tell a proxy nothing about where to send.
    Expires "Expires";
    Event "Event" b'o';
    // URIs and dialogs that a message refers to: topology hiding looks into these (RFC 3515, RFC 3892, RFC 3891, RFC 3911,
    // RFC 4538).
    ReferTo "Refer-To" b'r';
    ReferredBy "Referred-By" b'b';
    ReplyTo "Reply-To";
    Replaces "Replaces";
    Join "Join";
    TargetDialog "Target-Dialog";
    InReplyTo "In-Reply-To";
    // What is asserted about a caller, and private fields of operators: these do not cross the trust boundary by
    // themselves (RFC 3323, RFC 3325, RFC 6050, RFC 7315, RFC 7044, RFC 5806).
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
    // Drafts that never became RFCs, and what diverts a call.
    RemotePartyId "Remote-Party-ID";
    HistoryInfo "History-Info";
    Diversion "Diversion";
    // What a proxy counts, copies into its own responses or answers with.
    MaxBreadth "Max-Breadth";
    Timestamp "Timestamp";
    Warning "Warning";
    RetryAfter "Retry-After";
    Reason "Reason";
    // Credentials: relayed to who asked for them, never logged (RFC 3261 §22).
    WwwAuthenticate "WWW-Authenticate";
    ProxyAuthenticate "Proxy-Authenticate";
    Authorization "Authorization";
    ProxyAuthorization "Proxy-Authorization";
    // More private fields of operators, which came later: the order of this table is no interface.
    PCalledPartyId "P-Called-Party-ID";
    PAssociatedUri "P-Associated-URI";
    PUserDatabase "P-User-Database";
    PEarlyMedia "P-Early-Media";
    // Of this proxy, of Lync (MS-CONMGMT), and the families of all private fields that no row names.
    PeerName "X-Sipward-Peer";
    ClientAddress "X-Sipward-Client";
    SiblingOrigin "X-Sipward-Origin";
    MsKeepAlive "ms-keep-alive";
    // How long a session lasts without a refresh (RFC 4028), and what a program says that it is, for the log.
    SessionExpires "Session-Expires" b'x';
    UserAgent "User-Agent";
    PrivateP "P-*";
    PrivateMs "ms-*";
}

impl HeaderName {
    /// One bit for each known name, none for `Other`: a set that contains `Other` would claim to know names that it does
    /// not.
    pub(super) const fn bit(self) -> u64 {
        if matches!(self, Self::Other) {
            0
        } else {
            1 << self as u8
        }
    }

    /// Whether RFC 3261 §20 lets this field stand without a value. For those that it does not, an empty line would count as
    /// no value at all to one parser and as one empty value to another, so it is a fault.
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
