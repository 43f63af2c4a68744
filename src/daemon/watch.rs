//! The file watch: looks at the content of the topology and of every file that it names, on a timer of its own.
//!
//! Content, not inotify: files that come by an atomic exchange of a symbolic link or over a network file system give no
//! event for the path that the topology names.
use super::control::SupervisorCommand;
use super::node::Daemon;
use crate::topology::NamedFile;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long what was seen must stay the same: a file may be half written, or a key come a moment after its certificate,
/// and a reload of that would be refused.
const SETTLED: Duration = Duration::from_millis(250);

/// What the last look saw.
struct Watch {
    /// The generation whose files are looked at.
    generation: u64,
    /// Files with the content that was acted upon last.
    known: Vec<NamedFile>,
    /// Another content, seen once.
    fresh: Option<Vec<NamedFile>>,
}

/// Asks for a reload when files have changed and settled; ends with the daemon's runtime.
pub(super) async fn watch(daemon: Arc<Daemon>, commands: mpsc::Sender<SupervisorCommand>) {
    let mut serving = daemon.serving();
    let mut watch = Watch::over(&daemon);
    loop {
        let every = daemon.generation().topology().admin().watch;
        // A change is looked at again soon; otherwise the topology's interval counts, or nothing does.
        let pause = match (&watch.fresh, every) {
            (Some(_), _) => Some(SETTLED),
            (None, every) => every,
        };
        let due = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = serving.changed() => if changed.is_err() { return },
            () = due => {}
        }
        // Another generation serves, and its files are what counts now.
        if every.is_none() || watch.generation != daemon.generation().number() {
            watch = Watch::over(&daemon);
            continue;
        }
        // A full queue is waited for: the change is still there afterwards.
        if watch.look().await
            && commands
                .send(SupervisorCommand::reload("watch"))
                .await
                .is_err()
        {
            return;
        }
    }
}

impl Watch {
    /// Of the files of the generation that serves.
    fn over(daemon: &Daemon) -> Self {
        let generation = daemon.generation();
        Self {
            generation: generation.number(),
            known: generation.topology().files().to_vec(),
            fresh: None,
        }
    }

    /// Whether there is something new that has settled.
    async fn look(&mut self) -> bool {
        let known = self.known.clone();
        // A network file system may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            known
                .iter()
                .map(|file| file.again())
                .collect::<Option<Vec<_>>>()
        });
        // Without descriptors or memory nothing is known about the files: another look will do.
        let Ok(Some(seen)) = looked.await else {
            return false;
        };
        if seen == self.known {
            self.fresh = None;
        } else if self.fresh.as_ref() == Some(&seen) {
            // However the reload ends: the same content is not tried again.
            self.known = seen;
            self.fresh = None;
            return true;
        } else {
            self.fresh = Some(seen);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn looks(watch: &mut Watch) -> [bool; 3] {
        [watch.look().await, watch.look().await, watch.look().await]
    }

    #[tokio::test]
    async fn a_new_content_counts_once_and_when_it_has_settled() {
        let directory = tempfile::tempdir().unwrap();
        let (link, one, two) = (
            directory.path().join("link"),
            directory.path().join("one"),
            directory.path().join("two"),
        );
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&two, "2").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let mut watch = Watch {
            generation: 1,
            known: vec![NamedFile::read(&link).unwrap()],
            fresh: None,
        };
        assert_eq!(looks(&mut watch).await, [false; 3]);
        // The atomic exchange that certificate managers and Kubernetes do.
        let next = directory.path().join("next");
        std::os::unix::fs::symlink(&two, &next).unwrap();
        std::fs::rename(&next, &link).unwrap();
        assert_eq!(looks(&mut watch).await, [false, true, false]);
        std::fs::write(&two, "half").unwrap();
        assert!(!watch.look().await);
        std::fs::write(&two, "whole").unwrap();
        assert_eq!(looks(&mut watch).await, [false, true, false]);
        std::fs::remove_file(&two).unwrap();
        assert_eq!(looks(&mut watch).await, [false, true, false]);
    }

    #[tokio::test]
    async fn what_goes_back_to_what_it_was_is_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "1").unwrap();
        let mut watch = Watch {
            generation: 1,
            known: vec![NamedFile::read(&path).unwrap()],
            fresh: None,
        };
        std::fs::write(&path, "2").unwrap();
        assert!(!watch.look().await);
        std::fs::write(&path, "1").unwrap();
        assert_eq!(looks(&mut watch).await, [false; 3]);
    }
}
