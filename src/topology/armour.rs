//! The sections of a PEM file (RFC 7468): every one comes out, and what only looks like one is reported with its line.
//!
//! rustls-pemfile decodes each section, but passes over what it does not take for one: a section that begins behind
//! another on one line, behind a byte order mark, or with a label that it does not know. What an operator put into a
//! file must count or be reported, so the markers are found here.
use super::pem_error::PemError;

// The markers are searched for anywhere in a line and not only at its start: files that were joined
// with `cat` often have an END and a BEGIN on one line.
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The length of a line of base64 in what programs write (RFC 7468 §2).
const WIDTH: usize = 64;

/// One section.
///
/// Not decoded yet: what the section is, and whether it matters, is for its reader to decide.
#[derive(Debug)]
pub(super) struct PemSection {
    /// What stands behind BEGIN.
    pub(super) label: String,
    /// The line of its BEGIN, from 1.
    pub(super) line: usize,
    /// Whether its headers state that it is encrypted (RFC 1421 §4.6.1.1).
    pub(super) encrypted: bool,
    /// Its base64 without line ends.
    base64: Vec<u8>,
}

impl PemSection {
    /// The object, decoded as if the section had this label.
    ///
    /// The section is written anew with the label under which it shall be read, and handed to the
    /// decoder alone. So the decoder sees one clean section and cannot pass anything over.
    pub(super) fn decode(&self, label: &str) -> Result<Option<rustls_pemfile::Item>, PemError> {
        // Bytes that are missing at the end are not always noticed by a decoder. A length that is
        // no multiple of four, or more than two `=`, is how a truncated file looks.
        let padding = self.base64.iter().rev().take_while(|octet| **octet == b'=');
        if !self.base64.len().is_multiple_of(4) || padding.count() > 2 {
            return Err(self.broken("its base64 is cut off"));
        }
        let mut text = Vec::with_capacity(self.base64.len() + 2 * (label.len() + 20));
        text.extend_from_slice(BEGIN);
        text.extend_from_slice(label.as_bytes());
        text.extend_from_slice(b"-----\n");
        text.extend_from_slice(&self.base64);
        text.extend_from_slice(b"\n-----END ");
        text.extend_from_slice(label.as_bytes());
        text.extend_from_slice(b"-----\n");
        match rustls_pemfile::read_one_from_slice(&text) {
            Ok(found) => Ok(found.map(|(item, _)| item)),
            Err(_) => Err(self.broken("its base64 does not decode")),
        }
    }

    /// What is wrong with it.
    ///
    /// With the line of its BEGIN: that is what can be found in the file.
    pub(super) fn broken(&self, what: &str) -> PemError {
        PemError::broken(
            self.line,
            format!("the {} that begins there: {what}", self.label),
        )
    }
}

/// Objects of one file that are read, whatever they are; the bundles of all public CAs have some hundred.
///
/// So that a file of millions of empty ones takes no more memory than its bytes.
pub(super) const MOST_OBJECTS: usize = 16_384;

/// All sections of a text, in its order, at most [`MOST_OBJECTS`].
///
/// The first thing that is wrong ends it. What follows a broken section cannot be trusted to be outside
/// of it.
pub(super) fn sections(text: &[u8]) -> Result<Vec<PemSection>, PemError> {
    let mut scan = ArmourScan::default();
    for (line, number) in lines(text).zip(1..) {
        scan.line(line, number)?;
    }
    scan.end()
}

/// Lines that end with LF, CR LF, or CR alone.
///
/// Old Macintosh programs and some terminals leave CR alone. A line number counts each of them once, as
/// editors do.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let Some(end) = memchr::memchr2(b'\n', b'\r', text) else {
            left = None;
            return Some(text);
        };
        let (line, rest) = text.split_at(end);
        left = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..));
        Some(line)
    })
}

/// Where the walk through the lines has come to.
#[derive(Default)]
struct ArmourScan {
    found: Vec<PemSection>,
    open: Option<OpenSection>,
}

/// The section that is being read.
///
/// Kept apart from those that are complete, so that one that never ends can be reported with its first
/// line.
struct OpenSection {
    section: PemSection,
    /// Whether headers may still come, or go on.
    headers: HeaderState,
}

/// Headers stand between BEGIN and the base64, and end with a blank line (RFC 1421 §4.4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeaderState {
    /// Nothing has come yet.
    MayCome,
    /// A header has come, and the blank line has not.
    Here,
    /// They are over, or there are none.
    Past,
}

impl ArmourScan {
    /// Reads one line, in which several sections may begin and end.
    ///
    /// A line may end a section and begin the next, so it is read until nothing of it is left.
    fn line(&mut self, line: &[u8], number: usize) -> Result<(), PemError> {
        let mut rest = line;
        loop {
            let next = match &mut self.open {
                None => self.outside(rest, number)?,
                Some(open) => match open.read(rest, number)? {
                    None => None,
                    Some(after) => {
                        if self.found.len() >= MOST_OBJECTS {
                            return Err(PemError::TooMany(MOST_OBJECTS, "objects"));
                        }
                        self.found.extend(self.open.take().map(|open| open.section));
                        Some(after)
                    }
                },
            };
            match next {
                Some(after) => rest = after,
                None => return Ok(()),
            }
        }
    }

    /// Looks for the next BEGIN; returns what follows it on the line.
    ///
    /// Text between sections is allowed (RFC 7468 §2): programs write subject and issuer there. What
    /// looks like a part of a section is not.
    fn outside<'l>(&mut self, text: &'l [u8], number: usize) -> Result<Option<&'l [u8]>, PemError> {
        let Some(at) = memchr::memmem::find(text, BEGIN) else {
            no_marker(text, number)?;
            return Ok(None);
        };
        let (before, marker) = text.split_at(at);
        no_marker(before, number)?;
        let (label, after) = label(marker, BEGIN)
            .ok_or_else(|| PemError::broken(number, "its BEGIN is damaged".to_owned()))?;
        self.open = Some(OpenSection {
            section: PemSection {
                label,
                line: number,
                encrypted: false,
                base64: Vec::new(),
            },
            headers: HeaderState::MayCome,
        });
        Ok(Some(after))
    }

    /// A file that was cut off in the middle of a section must not count for what came before: the
    /// section that is missing may be the one that revokes.
    fn end(self) -> Result<Vec<PemSection>, PemError> {
        match self.open {
            Some(open) => Err(open.section.broken("it is cut off, there is no END")),
            None => Ok(self.found),
        }
    }
}

impl OpenSection {
    /// Reads a line of the section; returns what follows its END on the line.
    ///
    /// END is looked for before the content is, since both may be on one line.
    fn read<'l>(&mut self, line: &'l [u8], number: usize) -> Result<Option<&'l [u8]>, PemError> {
        let Some(at) = memchr::memmem::find(line, END) else {
            // The END of the first section is missing. Reading on would join two objects into one.
            if memchr::memmem::find(line, BEGIN).is_some() {
                let what = format!("another begins in line {number} before it ends");
                return Err(self.section.broken(&what));
            }
            self.content(line, number)?;
            return Ok(None);
        };
        let (content, marker) = line.split_at(at);
        self.content(content, number)?;
        match label(marker, END) {
            Some((label, after)) if label == self.section.label => Ok(Some(after)),
            Some((other, _)) => {
                let what = format!("line {number} ends a {other} instead");
                Err(self.section.broken(&what))
            }
            None => Err(self
                .section
                .broken(&format!("its END in line {number} is damaged"))),
        }
    }

    /// A header, or base64.
    ///
    /// Headers are read only for the one fact that matters: whether a key is encrypted the old way.
    fn content(&mut self, line: &[u8], number: usize) -> Result<(), PemError> {
        let text = line.trim_ascii();
        if text.is_empty() {
            // RFC 7468 §2 lets blank lines stand around the base64; one of them ends the headers.
            if self.headers == HeaderState::Here {
                self.headers = HeaderState::Past;
            }
            return Ok(());
        }
        // RFC 822 continuation lines begin with white space.
        let goes_on = line.first().is_some_and(u8::is_ascii_whitespace);
        match self.headers {
            HeaderState::MayCome | HeaderState::Here if text.contains(&b':') => {
                self.headers = HeaderState::Here;
                let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
                self.section.encrypted |= text.starts_with(b"Proc-Type") && has(b"ENCRYPTED");
                return Ok(());
            }
            HeaderState::Here if goes_on => return Ok(()),
            HeaderState::MayCome | HeaderState::Here | HeaderState::Past => {
                self.headers = HeaderState::Past
            }
        }
        // Blanks within a line come from mails and are harmless.
        let base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/= \t".contains(octet);
        if !text.iter().all(base64) {
            let what = format!("line {number} is no base64");
            return Err(self.section.broken(&what));
        }
        let octets = text.iter().filter(|octet| !octet.is_ascii_whitespace());
        self.section.base64.extend(octets);
        Ok(())
    }
}

/// The label of a marker that begins with `start`, and what follows the marker.
///
/// Only upper case, digits and some signs: a label in lower case is a marker that somebody typed.
fn label<'l>(marker: &'l [u8], start: &[u8]) -> Option<(String, &'l [u8])> {
    let rest = marker.strip_prefix(start)?;
    let end = memchr::memmem::find(rest, DASHES)?;
    let (label, after) = rest.split_at(end);
    let allowed = |octet: &u8| {
        octet.is_ascii_uppercase() || octet.is_ascii_digit() || b" #.-".contains(octet)
    };
    if label.is_empty() || !label.iter().all(allowed) {
        return None;
    }
    let label = String::from_utf8(label.to_vec()).ok()?;
    Some((label, after.strip_prefix(DASHES)?))
}

/// `-----BEGIN ` in base64, as in the secrets of Kubernetes.
///
/// Whoever copies a secret out of a cluster without decoding it gets this.
const TWICE: &[u8] = b"LS0tLS1CRUdJTi";

/// What the labels of sections that can matter hold.
///
/// Needed where a marker is so damaged that only its words are left.
const OBJECTS: &[&[u8]] = &[b"CERTIFICATE", b"CRL", b"KEY", b"PKCS", b"CMS"];

/// Refuses text between sections that was meant as part of one: a damaged marker, or base64 that lost its BEGIN.
///
/// A damaged marker would make a whole section plain text, which is passed over: a revocation list, or
/// a CA, would be missing and nobody would notice.
fn no_marker(text: &[u8], number: usize) -> Result<(), PemError> {
    let damaged = |what: &str| Err(PemError::broken(number, what.to_owned()));
    // DER and UTF-16 always hold bytes that no text has; MS-DOS ended files with 0x1a.
    // Tabs, form feeds, escape sequences of terminals and MS-DOS's end-of-file are harmless.
    let steers = |octet: &u8| octet.is_ascii_control() && !b"\t\x0b\x0c\x1a\x1b".contains(octet);
    if text.iter().any(steers) {
        return damaged(
            "there is something that is no text, such as DER or UTF-16: a file holds either that or PEM",
        );
    }
    let text = text.trim_ascii();
    // `MI` is how the base64 of every certificate, key and CRL of a usual size begins.
    if text.len() >= WIDTH && text.starts_with(b"MI") && text.iter().all(u8::is_ascii_graphic) {
        return damaged("there is base64 without a BEGIN before it");
    }
    if text.starts_with(TWICE) {
        return damaged("this is PEM in base64 once more: base64 -d FILE writes it plainly");
    }
    if !text.contains(&b'-') && text.is_ascii() {
        return Ok(());
    }
    // From here on the text has a dash or is not ASCII; few lines between sections have.
    let upper = text.to_ascii_uppercase();
    if [&b"BEGIN"[..], b"END"]
        .iter()
        .any(|word| marks(&upper, word))
    {
        return damaged(
            "there is a damaged BEGIN or END: five dashes stand on both sides, and all is upper case",
        );
    }
    Ok(())
}

/// Whether the word stands there as in a marker: beside four dashes, or beside two with the name of an object.
///
/// Tuned to refuse what a hand or a word processor makes of a marker, and to let prose with the words
/// "begin" and "end" pass.
fn marks(text: &[u8], word: &[u8]) -> bool {
    let named = |name: &&[u8]| memchr::memmem::find(text, name).is_some();
    let object = OBJECTS.iter().any(named);
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + word.len()..).unwrap_or_default();
        let within = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
        if within(before.last()) || within(after.first()) {
            return false;
        }
        let before = before.trim_ascii_end();
        let in_label = |octet: &u8| *octet == b' ' || octet.is_ascii_alphanumeric();
        let label = after.iter().take(WIDTH);
        let label = label.take_while(|octet| in_label(octet)).count();
        let after = after.get(label..).unwrap_or_default();
        let any = |all: &[&str]| {
            let beside = |dashes: &&str| {
                before.ends_with(dashes.as_bytes()) || after.starts_with(dashes.as_bytes())
            };
            all.iter().any(beside)
        };
        // Word processors make one long dash of two.
        any(&["----"]) || any(&["--", "\u{2013}", "\u{2014}", "\u{2212}"]) && object
    })
}
