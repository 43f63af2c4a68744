//! The load by which a release is optimised (packaging/program): what phones and servers send most, for a build that counts
//! where it goes.
use super::beside::Crowd;
use super::tls::{self, Dialler, Hello};
use super::{Options, Outcome, crowd};
use std::fs;
use std::path::{Path, PathBuf};

/// Requests of each kind: enough that what comes once in a start counts for nothing.
const EACH: u64 = 20_000;
/// Handshakes of each kind.
const HANDSHAKES: usize = 300;
/// Of each crowd, partners of the topology included.
const CROWD: usize = 100;

/// Where a daemon writes its counts when it ends. Beside the control socket it may write even when it has confined itself.
fn file(directory: &Path) -> PathBuf {
    directory.join("counts.profraw")
}

/// The words to start a daemon under that writes into this directory.
fn words(directory: &Path) -> Vec<String> {
    let out = format!("LLVM_PROFILE_FILE={}", file(directory).display());
    vec!["env".to_owned(), out]
}

/// Has one daemon after the other carry all kinds of messages, and keeps what each has counted in the directory of `--keep`.
///
/// # Errors
/// A message was refused or lost, or the program counts nothing: it was not built with `-Cprofile-generate`.
pub(crate) async fn train(options: &Options) -> Outcome<()> {
    let directory = options.keep.as_ref();
    let directory = Path::new(directory.ok_or("--keep names no directory for the counts")?);
    fs::create_dir_all(directory)?;
    let options = Options {
        partners: CROWD,
        ..options.clone()
    };
    for (name, crowd) in Crowd::ALL {
        let mut beside = crowd.start(CROWD, words, &options).await?;
        for lane in &mut beside.lanes {
            lane.send(EACH).await?;
        }
        let fe01 = tls::home_identity(&beside.site)?;
        for hello in [Hello::Full, Hello::Hybrid, Hello::Mutual] {
            let dialler = Dialler::new(&beside.site, hello, &fe01)?;
            crowd::handshakes(&beside.target, &dialler, HANDSHAKES).await?;
        }
        beside.end()?;
        let counts = directory.join(format!("{name}.profraw"));
        fs::copy(file(beside.site.path()), counts)
            .map_err(|error| format!("the program has written no counts: {error}"))?;
    }
    Ok(())
}
