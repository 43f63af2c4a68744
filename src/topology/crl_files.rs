//! The files behind `crls`: read within bounds, and parsed once for each content, whoever asks again.
use super::crl::sha256;
use super::pem_error::PemError;
use super::{Crl, CrlReason, LARGEST_FILE, open_regular, pem};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of all files of one trust set; each of them has at most [`LARGEST_FILE`].
///
/// Both bounds are for files that somebody else writes: a CRL comes from a CA, by whatever route.
const LARGEST_SET: u64 = 256 * 1024 * 1024;
/// CRL files of one trust set.
const MOST_FILES: usize = 256;
/// CRLs of one file: as many as one trust set takes in all.
const MOST_IN_FILE: usize = 1_024;
/// CRLs of one answer of a distribution point, which is one CRL in DER (RFC 5280 §4.2.1.13); some servers send a few as PEM.
const MOST_IN_ANSWER: usize = 8;

/// An entry of `crls`: a file, or a directory whose files hold CRLs.
///
/// Kept in the trust set, since a refresh reads it again while the topology stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlSource {
    /// The path, relative ones from the topology file's directory.
    pub path: PathBuf,
    /// Line in the topology file, from 1.
    pub line: u32,
}

/// A CRL with the file that it came from.
///
/// The list is shared: two trust sets, or two generations, that hold the same CRL hold one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldCrl {
    /// The file.
    pub file: Arc<Path>,
    /// Whether it was fetched: it stays until another is fetched or the set does not fetch any more.
    pub fetched: bool,
    /// Its content.
    pub list: Arc<Crl>,
}

impl std::ops::Deref for HeldCrl {
    type Target = Crl;
    fn deref(&self) -> &Crl {
        &self.list
    }
}

/// Bytes that may be fetched for one trust set, when some are held already.
///
/// So that fetched CRLs are under the same bounds as files are.
pub(crate) fn room(held: u64) -> u64 {
    LARGEST_FILE.min(LARGEST_SET.saturating_sub(held))
}

/// What was fetched from a URI, as if it were a file: those CRLs of it that `signer` finds the key of, from the DER and
/// the key that is known to have signed the same. Of the others nothing else is read, and nothing is kept.
///
/// From here on nothing needs to know whether a CRL came over HTTP.
///
/// # Errors
/// Why there is none that can be used, and what the parser or `signer` reported.
pub(crate) fn fetched_crls<'k, R: From<CrlReason>>(
    uri: &str,
    line: u32,
    octets: Vec<u8>,
    signer: impl Fn(&[u8], Option<&[u8]>) -> Result<&'k [u8], R>,
) -> Result<CrlFile, (R, String)> {
    let digest = sha256(&octets);
    let found = pem::crls(octets, MOST_IN_ANSWER).map_err(|error| {
        let (reason, detail) = unread(error);
        (R::from(reason), detail)
    })?;
    let count = found.len();
    let mut crls = Vec::new();
    let mut refused = None;
    for (der, number) in found.into_iter().zip(1..) {
        let detail = || format!("CRL {number} of {count}");
        // What somebody holds is neither proven nor read again.
        let known = recall(&sha256(&der)).and_then(|held| held.into_iter().next());
        let proven = known.as_ref().and_then(|known| known.proven_by());
        match signer(&der, proven) {
            Ok(key) => {
                let crl = match known {
                    Some(known) => known,
                    None => one_of(Crl::read(der).map_err(|reason| (R::from(reason), detail()))?),
                };
                crl.prove(key);
                crls.push(crl);
            }
            Err(reason) => refused = Some((reason, detail())),
        }
    }
    if let Some(refused) = refused.filter(|_| crls.is_empty()) {
        return Err(refused);
    }
    Ok(CrlFile {
        file: Path::new(uri).into(),
        fetched: true,
        line,
        digest,
        content: Ok(crls),
    })
}

/// One file of a source, as it is now.
///
/// A file that cannot be used is an entry as well: at a refresh what was held before stays in force,
/// and the caller must know which file it is about.
#[derive(Clone, Debug)]
pub struct CrlFile {
    /// The file.
    pub file: Arc<Path>,
    /// Whether it is no file but was fetched from the URI in its place.
    pub fetched: bool,
    /// The line of its source in the topology file.
    pub line: u32,
    /// SHA-256 of the content; of what could not be read: zeros.
    pub digest: [u8; 32],
    /// Its CRLs, or why they cannot be used and what the system or the parser reported.
    pub content: Result<Vec<Arc<Crl>>, (CrlReason, String)>,
}

/// Reads every file of some sources, those of directories in the order of their names.
///
/// A directory's files whose names begin with a dot or end with `.tmp` or `~` are on their way to be something else,
/// and are passed over.
/// Never fails as a whole: one file that cannot be read must not keep the others from being renewed.
pub fn read_crls(sources: &[CrlSource]) -> Vec<CrlFile> {
    let mut files = Vec::new();
    // What is left of the set's bound goes down with each file.
    let mut left = LARGEST_SET;
    for source in sources {
        // A source that cannot be read costs only itself.
        let listed = match list(&source.path) {
            Ok(listed) => listed,
            Err(error) => {
                files.push(failed(
                    &source.path,
                    source.line,
                    CrlReason::Unreadable,
                    error.to_string(),
                ));
                continue;
            }
        };
        for path in listed {
            // One entry for all that is left out, or the report would be as long as the directory.
            if files.len() >= MOST_FILES || left == 0 {
                let detail = format!("after {} files", files.len());
                files.push(failed(&path, source.line, CrlReason::TooMany, detail));
                return files;
            }
            files.push(read_file(&path, source.line, &mut left));
        }
    }
    files
}

/// The file itself, or a directory's files.
///
/// Sorted, because the order of a directory is not defined, and a report should be the same each time.
fn list(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let passing = name.starts_with(b".") || name.ends_with(b".tmp") || name.ends_with(b"~");
        // Through symbolic links: some tools swap a link to put a whole directory in place at once. What is there and is
        // no regular file (a directory, a FIFO, a socket) holds no CRL. Nor does a link that leads nowhere: its target may be
        // on its way, and nobody has named it. What cannot be looked at for another reason is a fault.
        let holds_none = match std::fs::metadata(&path) {
            Ok(data) => !data.is_file(),
            Err(error) => leads_nowhere(&error),
        };
        if !passing && !holds_none {
            files.push(path);
        }
        // One more than is read is enough to know that there are too many.
        if files.len() > MOST_FILES {
            break;
        }
    }
    files.sort();
    Ok(files)
}

/// Whether nothing is at the end of a path: it is not there, or its links lead through a file or in a circle.
fn leads_nowhere(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

/// With a digest that no content has, so that it counts as changed when it can be read again.
fn failed(path: &Path, line: u32, refusal: CrlReason, detail: String) -> CrlFile {
    CrlFile {
        file: path.into(),
        fetched: false,
        line,
        digest: [0; 32],
        content: Err((refusal, detail)),
    }
}

/// Reads one byte more than is allowed, since the length that a file had a moment ago proves nothing.
fn read_file(path: &Path, line: u32, left: &mut u64) -> CrlFile {
    let mut octets = Vec::new();
    // The smaller of the two bounds; the message names both.
    let most = LARGEST_FILE.min(*left);
    let read = open_regular(path).and_then(|file| file.take(most + 1).read_to_end(&mut octets));
    match read {
        Err(error) => return failed(path, line, CrlReason::Unreadable, error.to_string()),
        Ok(length) if length as u64 > most => {
            let detail = "it is larger than 64 MiB, or the set than 256 MiB".to_owned();
            return failed(path, line, CrlReason::Unreadable, detail);
        }
        Ok(length) => *left -= length as u64,
    }
    of_content(path, line, octets)
}

fn of_content(path: &Path, line: u32, octets: Vec<u8>) -> CrlFile {
    CrlFile {
        file: path.into(),
        fetched: false,
        line,
        digest: sha256(&octets),
        content: parse_crls(octets),
    }
}

/// The CRLs of a file's content, PEM or DER.
///
/// # Errors
/// Why one of them cannot be used, with what the parser reported.
/// An unchanged file costs a digest and no parsing: the timer reads all of them every few minutes.
pub fn parse_crls(octets: Vec<u8>) -> Result<Vec<Arc<Crl>>, (CrlReason, String)> {
    let digest = sha256(&octets);
    if let Some(known) = recall(&digest) {
        return Ok(known);
    }
    let found = pem::crls(octets, MOST_IN_FILE).map_err(unread)?;
    // Messages name a CRL by its number in the file, since nothing else in it can be found by eye.
    let count = found.len();
    let crls = found
        .into_iter()
        .zip(1..)
        .map(|(der, number)| {
            Crl::read(der)
                .map(one_of)
                .map_err(|refusal| (refusal, format!("CRL {number} of {count}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    remember(digest, &crls);
    Ok(crls)
}

/// Why no CRLs were found, for the log.
fn unread(error: PemError) -> (CrlReason, String) {
    let reason = if matches!(error, PemError::TooMany(..)) {
        CrlReason::TooMany
    } else {
        CrlReason::Malformed
    };
    (reason, format!("{error}; {}", error.remedy()))
}

/// The one that somebody holds already, if its DER is the same: what was found out about its signature stays.
///
/// Also for CRLs that came by another route, so that a signature that was proven once need not be
/// proven again.
pub(crate) fn one_of(crl: Crl) -> Arc<Crl> {
    if let Some([known]) = recall(crl.digest()).as_deref() {
        return Arc::clone(known);
    }
    let digest = *crl.digest();
    let crl = Arc::new(crl);
    remember(digest, std::slice::from_ref(&crl));
    crl
}

/// Files' contents whose CRLs are still in use, by SHA-256: a reload of an unchanged file of millions of bytes costs
/// reading it, and two generations share one copy. A CRL in DER is a file's content, too.
static KNOWN: Mutex<Option<KnownContents>> = Mutex::new(None);

/// As many contents as are kept before those that nobody uses any more are looked for.
const LEAST_KNOWN: usize = 64;

/// Weak references: nothing stays alive only because it is known.
struct KnownContents {
    contents: HashMap<[u8; 32], Vec<Weak<Crl>>>,
    /// When to look for unused ones next: each look costs as much as the contents that came since the last.
    full: usize,
}

/// `None` as soon as one of the CRLs is gone; then all are parsed again, which is simpler than to
/// complete the list.
fn recall(digest: &[u8; 32]) -> Option<Vec<Arc<Crl>>> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let crls = known.as_ref()?.contents.get(digest)?;
    crls.iter().map(Weak::upgrade).collect()
}

/// The table is swept when it has doubled, so that the cost of sweeping is spread over what was added.
fn remember(digest: [u8; 32], crls: &[Arc<Crl>]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_with(|| KnownContents {
        contents: HashMap::new(),
        full: LEAST_KNOWN,
    });
    if known.contents.len() >= known.full {
        known
            .contents
            .retain(|_, crls| crls.iter().any(|crl| crl.strong_count() > 0));
        known.full = LEAST_KNOWN.max(known.contents.len() * 2);
    }
    let crls = crls.iter().map(Arc::downgrade).collect();
    known.contents.insert(digest, crls);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipward_lab::pki::{Authority, CrlSpec};

    #[test]
    fn the_same_content_is_parsed_once_while_somebody_holds_it() {
        let der = Authority::root("Contoso Root")
            .unwrap()
            .crl(&CrlSpec::default())
            .unwrap();
        let first = parse_crls(der.to_vec()).unwrap();
        let second = parse_crls(der.to_vec()).unwrap();
        assert!(Arc::ptr_eq(&first[0], &second[0]));
        let address = Arc::downgrade(&first[0]);
        drop((first, second));
        assert!(address.upgrade().is_none());
        assert_eq!(parse_crls(der.to_vec()).unwrap().len(), 1);
    }

    #[test]
    fn a_directory_has_its_files_in_order_without_those_on_their_way() {
        let dir = tempfile::tempdir().unwrap();
        let crl = Authority::root("Contoso Root")
            .unwrap()
            .crl(&CrlSpec::default())
            .unwrap();
        for name in ["b.crl", "a.crl", ".c.crl", "d.crl.tmp", "e~"] {
            std::fs::write(dir.path().join(name), &crl).unwrap();
        }
        std::fs::create_dir(dir.path().join("deeper")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(dir.path().join("f.crl"))
            .status()
            .unwrap();
        assert!(fifo.success());
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        };
        link("nowhere", "g.crl");
        link("h.crl", "h.crl");
        link("a.crl/deeper", "i.crl");
        link("a.crl", "y.crl");
        std::fs::write(dir.path().join("z.crl"), "nothing").unwrap();
        let source = CrlSource {
            path: dir.path().to_owned(),
            line: 3,
        };
        // One that is named itself must be there.
        let named = |name: &str, line| CrlSource {
            path: dir.path().join(name),
            line,
        };
        let files = read_crls(&[
            source,
            named("none", 4),
            named("g.crl", 5),
            named("h.crl", 6),
        ]);
        let shown: Vec<_> = files
            .iter()
            .map(|f| {
                let name = f.file.file_name().unwrap().to_str().unwrap();
                let outcome = f.content.as_ref().map(Vec::len).map_err(|(r, _)| *r);
                (name, f.line, outcome)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a.crl", 3, Ok(1)),
                ("b.crl", 3, Ok(1)),
                ("y.crl", 3, Ok(1)),
                ("z.crl", 3, Err(CrlReason::Malformed)),
                ("none", 4, Err(CrlReason::Unreadable)),
                ("g.crl", 5, Err(CrlReason::Unreadable)),
                ("h.crl", 6, Err(CrlReason::Unreadable)),
            ]
        );
    }
}
