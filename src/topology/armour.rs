//! The sections of a PEM file (RFC 7468): every one comes out, and what looks like one and is none has a line.
//!
//! rustls-pemfile decodes each section, but passes over what it does not take for one: a section that begins behind
//! another on one line, behind a byte order mark, or with a label that it does not know. What an operator put into a
//! file must count or be complained of, so the markers are found here.
use super::pem_error::PemError;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The length of a line of base64 in what programs write (RFC 7468 §2).
const WIDTH: usize = 64;

/// One section.
#[derive(Debug)]
pub(super) struct Section {
    /// What stands behind BEGIN.
    pub(super) label: String,
    /// The line of its BEGIN, from 1.
    pub(super) line: usize,
    /// Whether its headers say that it is encrypted (RFC 1421 §4.6.1.1).
    pub(super) encrypted: bool,
    /// Its base64 without line ends.
    base64: Vec<u8>,
}

impl Section {
    /// The object, decoded as if the section had this label.
    pub(super) fn decode(&self, label: &str) -> Result<Option<rustls_pemfile::Item>, PemError> {
        // Octets that are missing at the end are not always missed by who decodes.
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
    pub(super) fn broken(&self, what: &str) -> PemError {
        PemError::broken(
            self.line,
            format!("the {} that begins there: {what}", self.label),
        )
    }
}

/// All sections of a text, in its order.
pub(super) fn sections(text: &[u8]) -> Result<Vec<Section>, PemError> {
    let mut scan = Scan::default();
    for (line, number) in lines(text).zip(1..) {
        scan.line(line, number)?;
    }
    scan.end()
}

/// Lines that end with LF, CR LF, or CR alone.
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

#[derive(Default)]
struct Scan {
    found: Vec<Section>,
    open: Option<Open>,
}

/// The section that is being read.
struct Open {
    section: Section,
    /// Whether headers may still come, or go on.
    headers: Headers,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Headers {
    /// Nothing has come yet.
    MayCome,
    /// A header has come, and the blank line has not.
    Here,
    /// They are over, or there are none.
    Past,
}

impl Scan {
    /// Reads one line, in which several sections may begin and end.
    fn line(&mut self, line: &[u8], number: usize) -> Result<(), PemError> {
        let mut rest = line;
        loop {
            let next = match &mut self.open {
                None => self.outside(rest, number)?,
                Some(open) => match open.read(rest, number)? {
                    None => None,
                    Some(after) => {
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
    fn outside<'l>(&mut self, text: &'l [u8], number: usize) -> Result<Option<&'l [u8]>, PemError> {
        let Some(at) = memchr::memmem::find(text, BEGIN) else {
            no_marker(text, number)?;
            return Ok(None);
        };
        let (before, marker) = text.split_at(at);
        no_marker(before, number)?;
        let (label, after) = label(marker, BEGIN)
            .ok_or_else(|| PemError::broken(number, "its BEGIN is damaged".to_owned()))?;
        self.open = Some(Open {
            section: Section {
                label,
                line: number,
                encrypted: false,
                base64: Vec::new(),
            },
            headers: Headers::MayCome,
        });
        Ok(Some(after))
    }

    fn end(self) -> Result<Vec<Section>, PemError> {
        match self.open {
            Some(open) => Err(open.section.broken("it is cut off, there is no END")),
            None => Ok(self.found),
        }
    }
}

impl Open {
    /// Reads a line of the section; returns what follows its END on the line.
    fn read<'l>(&mut self, line: &'l [u8], number: usize) -> Result<Option<&'l [u8]>, PemError> {
        let Some(at) = memchr::memmem::find(line, END) else {
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
    fn content(&mut self, line: &[u8], number: usize) -> Result<(), PemError> {
        let text = line.trim_ascii();
        if text.is_empty() {
            // RFC 7468 §2 lets blank lines stand around the base64; one of them ends the headers.
            if self.headers == Headers::Here {
                self.headers = Headers::Past;
            }
            return Ok(());
        }
        let goes_on = line.first().is_some_and(u8::is_ascii_whitespace);
        match self.headers {
            Headers::MayCome | Headers::Here if text.contains(&b':') => {
                self.headers = Headers::Here;
                let says = |word: &[u8]| memchr::memmem::find(text, word).is_some();
                self.section.encrypted |= text.starts_with(b"Proc-Type") && says(b"ENCRYPTED");
                return Ok(());
            }
            Headers::Here if goes_on => return Ok(()),
            Headers::MayCome | Headers::Here | Headers::Past => self.headers = Headers::Past,
        }
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
const TWICE: &[u8] = b"LS0tLS1CRUdJTi";

/// What the labels of sections that can matter hold.
const OBJECTS: &[&[u8]] = &[b"CERTIFICATE", b"CRL", b"KEY", b"PKCS", b"CMS"];

/// Refuses text between sections that was meant as part of one: a damaged marker, or base64 that lost its BEGIN.
fn no_marker(text: &[u8], number: usize) -> Result<(), PemError> {
    // DER and UTF-16 always hold octets that no text has; MS-DOS ended files with 0x1a.
    let steers = |octet: &u8| octet.is_ascii_control() && !b"\t\x0b\x0c\x1a\x1b".contains(octet);
    if text.iter().any(steers) {
        let what = "there is something that is no text, such as DER or UTF-16: a file holds either that or PEM";
        return Err(PemError::broken(number, what.to_owned()));
    }
    let text = text.trim_ascii();
    if text.len() >= WIDTH && text.starts_with(b"MI") && text.iter().all(u8::is_ascii_graphic) {
        let what = "there is base64 without a BEGIN before it";
        return Err(PemError::broken(number, what.to_owned()));
    }
    if text.starts_with(TWICE) {
        let what = "this is PEM in base64 once more: base64 -d FILE writes it plainly";
        return Err(PemError::broken(number, what.to_owned()));
    }
    if !text.contains(&b'-') && text.is_ascii() {
        return Ok(());
    }
    let upper = text.to_ascii_uppercase();
    if [&b"BEGIN"[..], b"END"]
        .iter()
        .any(|word| marks(&upper, word))
    {
        let what = "there is a damaged BEGIN or END: five dashes stand on both sides, and all is upper case";
        return Err(PemError::broken(number, what.to_owned()));
    }
    Ok(())
}

/// Whether the word stands there as in a marker: beside four dashes, or beside two with the name of an object.
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
