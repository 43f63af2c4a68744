//! The proposal for people: what was shown, what to compare, which files to make, and last the sections to paste.
//!
//! The order is that of the work: compare, make the files, paste. The sections come last and alone, so that whoever pipes the
//! page can cut at the one line that begins with `#`.
use super::sections::{crl_file, crl_points, stem};
use super::voucher::{AnchorSource, Voucher};
use super::{Newcomer, TrialOutcome};
use crate::cli::output::{listed, plain};
use crate::topology::{CertificateFacts, DnsName, show_time};
use rustls_pki_types::CertificateDer;
use std::io::{self, Write};
use std::path::Path;

impl Newcomer {
    /// Writes it; everything below the last comment line is TOML.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub(in crate::cli) fn show(
        &self,
        fqdn: &DnsName,
        chain: &[CertificateDer<'static>],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let file = self.file.display();
        writeln!(
            out,
            "\n{fqdn} is in no [[peer]] of {file}. What it shows:\n"
        )?;
        // The fingerprint has a line of its own: it is what is read aloud on the telephone.
        for (at, certificate) in self.chain.iter().enumerate() {
            let label = if at == 0 { "certificate" } else { "issued by" };
            writeln!(out, "  {label:<12}  {}", plain(&certificate.subject))?;
            writeln!(out, "  {:<12}  sha256 {}", "", certificate.sha256)?;
            let until = show_time(certificate.not_after);
            writeln!(out, "  {:<12}  until {until}", "")?;
        }
        writeln!(out, "  {:<12}  {}", "names", plain(&listed(&self.names)))?;
        // Who would vouch, and whether that will do: the two lines that most readers want.
        self.show_issuer(out)?;
        self.show_outcome(out)?;
        // Beside the topology, where its relative paths begin.
        let directory = self.file.parent().unwrap_or(Path::new(""));
        let place = |name: &str| directory.join(name).display().to_string();
        writeln!(
            out,
            "\nThe network proves nothing: first compare the fingerprints with what the other side tells you by another way."
        )?;
        let stem = stem(fqdn);
        // A set that is there has its files already.
        if let Voucher::New { pem, .. } = &self.issuer {
            let anchors = place(&format!("{stem}.pem"));
            writeln!(out, "Then make the file of anchors:\n")?;
            // The end of the text is a word that no PEM has, and quoted, so that the shell replaces nothing in it.
            writeln!(out, "cat >'{anchors}' <<'PEM'\n{pem}PEM")?;
            let facts: Vec<_> = chain
                .iter()
                .map_while(|der| CertificateFacts::read(der))
                .collect();
            // A URI is the certificate's word: between single quotes, and without any, it is one argument of curl.
            for (uri, number) in crl_points(&facts, chain).iter().zip(1..) {
                let crl = place(&crl_file(&stem, number));
                writeln!(out, "curl -fsSo '{crl}' '{}'", plain(uri).replace('\'', ""))?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "# Append what follows to {file}, and sipward check {file}"
        )?;
        // As data: what was escaped in the report is quoted here.
        out.write_all(self.sections.as_bytes())
    }

    /// Which anchor, and how it came here: what a server sends itself needs the closest look.
    fn show_issuer(&self, out: &mut dyn Write) -> io::Result<()> {
        // Three ways by which a certificate came here, each with another weight; and the one in which none did.
        let said = match &self.issuer {
            Voucher::Listed { set } => format!("the trust set {set} of the file"),
            Voucher::New {
                source, subject, ..
            } => {
                let from = match source {
                    AnchorSource::SentRoot => "the root that it sends",
                    AnchorSource::PublicRoot => "a public root, as this system has it",
                    AnchorSource::SentAuthority => "a CA that it sends; the root above is not sent",
                };
                format!("{} ({from})", plain(subject))
            }
            Voucher::Unknown { name } => {
                format!("{}, whose certificate is not sent: ask for it", plain(name))
            }
        };
        writeln!(out, "  {:<12}  {said}", "vouched by")
    }

    /// Whether pasting will do. A proposal that fails is printed too: its sections are a start, and the reason says the rest.
    fn show_outcome(&self, out: &mut dyn Write) -> io::Result<()> {
        // The tense says that nothing has been let in.
        let label = "would be";
        match &self.outcome {
            TrialOutcome::Decided { accepted: true, .. } => {
                writeln!(
                    out,
                    "  {label:<12}  accepted with the sections below; revocation not looked at"
                )
            }
            TrialOutcome::Decided { reason, text, .. } => {
                writeln!(
                    out,
                    "  {label:<12}  refused with the sections below too: {reason}"
                )?;
                text.lines()
                    .try_for_each(|line| writeln!(out, "    {}", plain(line)))
            }
            // Codes and remedies are those of `check`; lines would be of a file that does not exist.
            TrialOutcome::Faults(faults) => {
                writeln!(
                    out,
                    "  {label:<12}  refused: the sections below have to be changed first"
                )?;
                faults.iter().try_for_each(|fault| {
                    writeln!(
                        out,
                        "    {}: {}\n      {}",
                        fault.code, fault.what, fault.remedy
                    )
                })
            }
            TrialOutcome::Unknown(why) => writeln!(out, "  {label:<12}  not known: {}", plain(why)),
        }
    }
}
