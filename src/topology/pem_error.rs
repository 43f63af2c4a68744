//! Why a PEM or DER file does not hold what it should, and what to do about it.

/// Why a file does not hold what it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The armour or its base64 is broken.
    #[error("line {line} of it: {what}")]
    Broken {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A section that is not read and might hold what is wanted.
    #[error("line {line} of it: a {label} is not read here")]
    NotRead {
        /// From 1.
        line: usize,
        /// What stands behind BEGIN.
        label: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is of a kind that is not read at all.
    #[error("it is {what}")]
    NotReadAtAll {
        /// With its article.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A key that only its passphrase opens.
    #[error("its private key has a passphrase, which nobody could type when the service starts")]
    Passphrase,
    /// None of the wanted objects.
    #[error("it holds no {0}")]
    Nothing(&'static str),
    /// More objects than are read.
    #[error("it holds more than {0} {1}")]
    TooMany(usize, &'static str),
    /// More than one where one is wanted.
    #[error("it holds more than one private key")]
    SeveralKeys,
}

impl PemError {
    pub(super) fn broken(line: usize, what: String) -> Self {
        Self::Broken { line, what }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::NotRead { remedy, .. } | Self::NotReadAtAll { remedy, .. } => remedy,
            Self::Passphrase => {
                "write it without: openssl pkey -in FILE -out NEW, readable by the service's user only"
            }
            Self::Broken { .. } => {
                "put the object in anew, from BEGIN to END, each on a line of its own; openssl x509, pkey or crl -in FILE -text shows what is there"
            }
            Self::TooMany(..) => "name files with fewer",
            Self::Nothing(_) | Self::SeveralKeys => {
                "name a PEM file with the right contents (openssl x509, pkey or crl -in FILE -text shows them)"
            }
        }
    }
}
