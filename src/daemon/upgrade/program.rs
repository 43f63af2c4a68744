//! The program that an upgrade starts when none is named: the one that this process was started as.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// By the path that stood on the command line, since a package replaces the file there, or the link; if it stood without a
/// directory, by the file that runs. Asked at the start: later that file may have been replaced, and its path is none any more.
pub(in crate::daemon) fn own_program() -> Option<PathBuf> {
    named(std::env::args_os().next()).or_else(|| std::env::current_exe().ok())
}

/// A path that leads to the same file wherever the process goes.
fn named(argument: Option<OsString>) -> Option<PathBuf> {
    let path = PathBuf::from(argument?);
    if path.is_absolute() {
        return Some(path);
    }
    let has_directory = path.parent() != Some(Path::new(""));
    std::env::current_dir()
        .ok()
        .filter(|_| has_directory)
        .map(|directory| directory.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_looked_up_is_no_path() {
        let absolute = named(Some("/usr/bin/sipward".into()));
        assert_eq!(absolute, Some(PathBuf::from("/usr/bin/sipward")));
        let relative = named(Some("target/sipward".into())).unwrap();
        assert!(relative.is_absolute() && relative.ends_with("target/sipward"));
        assert_eq!(named(Some("sipward".into())), None);
        assert_eq!(named(None), None);
    }
}
