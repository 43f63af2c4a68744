//! The proposal for people: what was shown, what to compare, which files to make, and last the sections to paste.
use super::issuer::{Issuer, Source};
use super::sections::{crl_file, crl_points, stem};
use super::{Newcomer, Outcome};
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
        for (at, certificate) in self.chain.iter().enumerate() {
            let label = if at == 0 { "certificate" } else { "issued by" };
            writeln!(out, "  {label:<12}  {}", plain(&certificate.subject))?;
            writeln!(out, "  {:<12}  sha256 {}", "", certificate.sha256)?;
            let until = show_time(certificate.not_after);
            writeln!(out, "  {:<12}  until {until}", "")?;
        }
        writeln!(out, "  {:<12}  {}", "names", plain(&listed(&self.names)))?;
        self.show_issuer(out)?;
        self.show_outcome(out)?;
        let directory = self.file.parent().unwrap_or(Path::new(""));
        let place = |name: &str| directory.join(name).display().to_string();
        writeln!(
            out,
            "\nThe network proves nothing: first compare the fingerprints with what the other side tells you by another way."
        )?;
        let stem = stem(fqdn);
        if let Issuer::New { pem, .. } = &self.issuer {
            let anchors = place(&format!("{stem}.pem"));
            writeln!(out, "Then make the file of anchors:\n")?;
            writeln!(out, "cat >'{anchors}' <<'PEM'\n{pem}PEM")?;
            let facts: Vec<_> = chain
                .iter()
                .map_while(|der| CertificateFacts::read(der))
                .collect();
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
        out.write_all(self.sections.as_bytes())
    }

    fn show_issuer(&self, out: &mut dyn Write) -> io::Result<()> {
        let said = match &self.issuer {
            Issuer::Listed { set } => format!("the trust set {set} of the file"),
            Issuer::New {
                source, subject, ..
            } => {
                let from = match source {
                    Source::SentRoot => "the root that it sends",
                    Source::PublicRoot => "a public root, as this system has it",
                    Source::SentAuthority => "a CA that it sends; the root above is not sent",
                };
                format!("{} ({from})", plain(subject))
            }
            Issuer::Unknown { name } => {
                format!("{}, whose certificate is not sent: ask for it", plain(name))
            }
        };
        writeln!(out, "  {:<12}  {said}", "vouched by")
    }

    fn show_outcome(&self, out: &mut dyn Write) -> io::Result<()> {
        let label = "would be";
        match &self.outcome {
            Outcome::Decided { accepted: true, .. } => {
                writeln!(
                    out,
                    "  {label:<12}  accepted with the sections below; revocation not looked at"
                )
            }
            Outcome::Decided { reason, text, .. } => {
                writeln!(
                    out,
                    "  {label:<12}  refused with the sections below too: {reason}"
                )?;
                text.lines()
                    .try_for_each(|line| writeln!(out, "    {}", plain(line)))
            }
            Outcome::Faults(faults) => {
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
            Outcome::Unknown(why) => writeln!(out, "  {label:<12}  not known: {}", plain(why)),
        }
    }
}
