//! `[tokens]`: the file with the keys that sign Record-Route and Path URIs.
use super::loading::Loading;
use crate::topology::keys::Text;
use crate::topology::keys::tokens::RawTokens;
use crate::topology::pin::bytes_of_hex;
use crate::topology::{TokenSettings, TopologyReason};

const REMEDY: &str =
    "write `<id 0-255> <64 hex digits>`, for example: echo \"1 $(openssl rand -hex 32)\"";

/// Reads the key file, if there is one.
///
/// Without keys everything works until the first restart, which is why it is a warning; it should not
/// be found out by the calls that break then.
pub(super) fn load(raw: Option<&RawTokens>, loading: &mut Loading<'_, '_>) -> TokenSettings {
    let Some(file) = raw.and_then(|raw| raw.key_file.as_ref()) else {
        // A section without `key_file` was reported as missing a key.
        if raw.is_none() {
            let what =
                "there is no [tokens] key_file: routes are signed with a random key of this run";
            let remedy = "dialogs do not outlive a restart, and no second node can check their routes; make a file with: echo \"1 $(openssl rand -hex 32)\", mode 0600, and name it in [tokens] key_file";
            loading
                .found
                .add_whole(TopologyReason::TokenKeysMissing, what, remedy);
        }
        // A random key is made for the run where the tokens are made.
        return TokenSettings::default();
    };
    // Whoever reads the file can forge routes of this node.
    loading.check_secret(file, "the token key file");
    let keys = match loading.read(file, "the token key file") {
        Some(bytes) => keys(&bytes, file, loading),
        None => Vec::new(),
    };
    TokenSettings {
        key_file: Some(loading.path(file)),
        keys,
    }
}

/// Two keys at most: the one that signs and the one before it, so that a rotation takes two reloads,
/// with the longest dialog between them.
fn keys(bytes: &[u8], file: &Text, loading: &mut Loading<'_, '_>) -> Vec<(u8, [u8; 32])> {
    let path = loading.path(file);
    let mut keys: Vec<(u8, [u8; 32])> = Vec::new();
    // A file that is no text has no line that is a key; that is found below.
    let text = String::from_utf8_lossy(bytes);
    // About the key file, with its own line numbers.
    let mut fault = |line: usize, what: String, remedy: &str| {
        let (line, remedy) = (u32::try_from(line).ok(), remedy.to_owned());
        let code = TopologyReason::TokenKeyMalformed;
        loading.found.add_in(path.clone(), code, line, what, remedy);
    };
    // No part of a line is ever shown: it may be a key. `#` opens a comment, so that a key can have
    // its date beside it.
    for (number, line) in (1..).zip(text.lines()) {
        // Comments may follow a key on its line.
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((id, key)) = key(line) else {
            fault(number, "this line is not a token key".to_owned(), REMEDY);
            continue;
        };
        // Two keys with one id could not be kept apart in a token.
        if keys.iter().any(|(known, _)| *known == id) {
            let what = format!("the key id {id} is there twice");
            let remedy = "give each key an id of its own";
            fault(number, what, remedy);
        } else if keys.len() == 2 {
            let what = "there are more than two keys".to_owned();
            let remedy = "keep the one that signs, first, and the one before it";
            fault(number, what, remedy);
        } else {
            keys.push((id, key));
        }
    }
    // Only if nothing else was found: a file whose only line is broken holds no key either.
    if keys.is_empty() && !loading.found.is_fatal() {
        let (what, remedy) = ("there is no key in it".to_owned(), REMEDY.to_owned());
        let code = TopologyReason::TokenKeyMalformed;
        loading.found.add_in(path, code, None, what, remedy);
    }
    keys
}

/// The id goes into each token, so that the right key is tried first. 64 digits are 32 bytes, the size
/// of the MAC's key.
fn key(line: &str) -> Option<(u8, [u8; 32])> {
    let mut fields = line.split_ascii_whitespace();
    let id = fields.next()?.parse().ok()?;
    let key = bytes_of_hex(fields.next()?)?;
    fields.next().is_none().then_some((id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_id_and_64_hex_digits() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let expected: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(key(&format!("7 {hex}")), Some((7, expected)));
        assert_eq!(key(&format!("255\t{hex}")), Some((255, expected)));
        for line in ["7", "", "7 00", "x 00"] {
            assert_eq!(key(line), None, "{line}");
        }
        assert_eq!(key(&format!("256 {hex}")), None);
        assert_eq!(key(&format!("-1 {hex}")), None);
        assert_eq!(key(&format!("7 {hex}00")), None);
        assert_eq!(key(&format!("7 {hex} x")), None);
        assert_eq!(key(&format!("7 +{}", &hex[1..])), None);
    }
}
