//! Request methods, compared byte by byte (RFC 3261 §7.1).

macro_rules! methods {
    ($($variant:ident $text:literal;)+) => {
        /// A request method; compared as bytes (RFC 3261 §7.1).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[expect(missing_docs, reason = "each variant is the method of that spelling")]
        pub enum Method<'a> {
            $($variant,)+
            /// Any other token.
            Other(&'a [u8]),
        }

        impl<'a> Method<'a> {
            /// The names of those that have a variant, in their order.
            pub const KNOWN: &'static [&'static str] = &[$(match str::from_utf8($text) {
                Ok(text) => text,
                Err(_) => "",
            }),+];

            /// Its place in [`Self::KNOWN`]; that of any other token is behind them.
            pub fn index(self) -> usize {
                enum KnownMethod { $($variant,)+ Other }
                (match self {
                    $(Self::$variant => KnownMethod::$variant,)+
                    Self::Other(_) => KnownMethod::Other,
                }) as usize
            }

            /// From the wire. Case matters: `invite` is another method than `INVITE`.
            pub fn from_bytes(b: &'a [u8]) -> Self {
                $(if b == $text {
                    return Self::$variant;
                })+
                Self::Other(b)
            }
            /// As on the wire, to write it into CSeq.
            pub fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }
    };
}

// Questions that depend on a method alone, so that no other folder lists methods by itself.
impl Method<'_> {
    /// Whether requests of this method are never answered: ACK (RFC 3261 §17.1), and BENOTIFY, Lync's NOTIFY whose
    /// answer is ignored should one come (MS-SIP §3.5.5.3).
    pub fn is_unanswered(self) -> bool {
        self == Self::Ack || self.is_best_effort()
    }

    /// Whether it is BENOTIFY: relayed without a transaction, since nothing is expected back.
    pub fn is_best_effort(self) -> bool {
        self == Method::Other(b"BENOTIFY")
    }
}

// Methods that some rule of the proxy names, and the other usual ones, so that they are compared as numbers.
methods! {
    Invite b"INVITE";
    Ack b"ACK";
    Bye b"BYE";
    Cancel b"CANCEL";
    Options b"OPTIONS";
    Register b"REGISTER";
    Prack b"PRACK";
    Subscribe b"SUBSCRIBE";
    Notify b"NOTIFY";
    Publish b"PUBLISH";
    Info b"INFO";
    Refer b"REFER";
    Message b"MESSAGE";
    Update b"UPDATE";
}
