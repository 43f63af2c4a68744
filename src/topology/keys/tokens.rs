//! The keys of `[tokens]`.
use super::key::TEXT;
use super::{Text, keys};

keys! {
    /// `[tokens]` as it is written. A key is never shown, so the diff of two generations shows ids only.
    pub(crate) struct RawTokens {
        key_file: Option<Text> = required, TEXT, reload,
            "File with at most two lines `<id 0-255> <64 hex digits>`; `#` opens a comment. The first key signs, both verify. Mode \
             0600. With systemd credentials: `/run/credentials/sipward.service/NAME`.";
    }
}
