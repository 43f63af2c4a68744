//! Where lines go: standard error, or anything that can be written to.
use std::io::{self, IsTerminal as _, Write};

/// Where lines go.
pub enum Sink {
    /// Standard error.
    Stderr,
    /// Anything else that can be written to (tests, the demo).
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// Whether a person reads there: what `auto` goes by.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Writer(_) => false,
        }
    }

    /// Writes all of it; returns how many bytes were taken before it failed, if it did.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Locked for each write only: another thread's panic message must come through between two batches.
            let taken = match self {
                Self::Stderr => io::stderr().write(rest),
                Self::Writer(writer) => writer.write(rest),
            };
            // A signal is no failure. Everything else is: what is left is counted as lost, and the next flush tries again.
            match taken {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return bytes.len() - rest.len(),
            }
        }
        if let Self::Writer(writer) = self {
            // What a writer keeps after a failed flush it may still write: not counted as lost.
            let _ = writer.flush();
        }
        bytes.len()
    }
}
