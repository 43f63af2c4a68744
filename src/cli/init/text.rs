//! The text of a first topology. Its comments say what each part decides, and where to read on.
//!
//! Keys with a good default are left out: a file that repeats them all hides what an operator has decided. Values go through
//! the serializer of TOML, comments are fixed.
use super::answers::SiteAnswers;
use crate::cli::newcomer::quoted;
use crate::topology::DnsName;
use std::fmt::Write as _;

/// The name of a partner's trust set, and the stem of its files.
pub(super) fn partner_set(fqdn: &DnsName) -> String {
    format!("{fqdn}-ca")
}

/// The whole file.
pub(super) fn topology(answers: &SiteAnswers) -> String {
    let mut text = String::new();
    // Writing to memory cannot fail, here and below.
    let _ = text.write_str(
        "#:schema ./topology.schema.json
# Made by `sipward init`. All keys: sipward.toml(5), docs/topology.md. After each change: sipward check FILE, sipward reload.
",
    );
    // In the order of docs/topology.md: who this node is, whom it believes, who may come, where calls go.
    node(&mut text, answers);
    trust(&mut text, answers);
    listener(&mut text, answers);
    peers(&mut text, answers);
    let _ = text.write_str(
        "
# Signs the routes of calls, so that they outlive a restart; the same file on all nodes of a site.
[tokens]
key_file = \"token.keys\"

# A command finds the daemon by /run/sipward; [log], [limits], [boundary], [http] and [admin] have good defaults.
",
    );
    text
}

/// The node and its certificate.
fn node(text: &mut String, answers: &SiteAnswers) {
    let domains = list(answers.domains.iter().map(DnsName::as_str));
    let _ = write!(
        text,
        "
[node]
fqdn = {}    # in Via, Record-Route and Path: clients and peers must be able to resolve it
domains = [{domains}]    # what clients may say in From, and what partners may call

# What this node shows, to clients and to servers. The leaf first, then its issuers, without the root.
[[identity]]
name = \"edge\"
certificate = \"certs/edge.chain.pem\"
private_key = \"certs/edge.key.pem\"
",
        quoted(answers.fqdn.as_str())
    );
}

/// One set for the home side and one for each partner, so that no CA has a say about anybody else.
fn trust(text: &mut String, answers: &SiteAnswers) {
    let _ = text.write_str(
        "
# The CA of the home servers, with its CRL. Whoever is in it can vouch for every peer that names the set.
[[trust]]
name = \"enterprise-ca\"
anchors = \"certs/enterprise-ca.pem\"
crls = [\"certs/enterprise-ca.crl.pem\"]
# crl_fetch = true            # keeps CRLs current from the http:// points that certificates name
",
    );
    // Revocation stays as it is by default: who has no CRL must write that it is off.
    for (fqdn, _) in &answers.partners {
        let set = partner_set(fqdn);
        let _ = write!(
            text,
            "
[[trust]]
name = {}
anchors = {}
crls = [{}]
",
            quoted(&set),
            quoted(&format!("certs/{set}.pem")),
            quoted(&format!("certs/{set}.crl.pem")),
        );
    }
}

/// One port for clients and servers: few sites have a reason for two.
fn listener(text: &mut String, answers: &SiteAnswers) {
    let _ = write!(
        text,
        "
[[listener]]
name = \"edge\"
address = {}
accept = [\"client\", \"peer\"]    # phones by TLS, the servers below by mutual TLS
",
        quoted(&answers.listen)
    );
}

/// Who may connect as a server, and where the home domains go.
fn peers(text: &mut String, answers: &SiteAnswers) {
    for (fqdn, address) in &answers.home {
        let _ = write!(
            text,
            "
[[peer]]
fqdn = {}    # the name that its certificate must carry
kind = \"home\"
trust = [\"enterprise-ca\"]
",
            quoted(fqdn.as_str())
        );
        // Without one DNS is asked.
        // As it was written: a host name may be better than an address that moves.
        if let Some(address) = address {
            let _ = writeln!(text, "address = [{}]", quoted(address));
        }
    }
    // All home servers serve all home domains, until somebody says otherwise.
    // By name, as the entries above have them.
    let names = list(answers.home.iter().map(|(fqdn, _)| fqdn.as_str()));
    let domains = list(answers.domains.iter().map(DnsName::as_str));
    let _ = write!(
        text,
        "
# Who serves the home domains. \"call-id-hash\" spreads calls; \"ordered\" tries the first as long as it answers.
[[pool]]
name = \"home\"
domains = [{domains}]
peers = [{names}]
strategy = \"call-id-hash\"
"
    );
    // Partners need no pool: their domains lead to them by their entries.
    for (fqdn, domain) in &answers.partners {
        let _ = write!(
            text,
            "
[[peer]]
fqdn = {}
kind = \"federated\"
domains = [{}]    # what it may say in From, and what is routed to it
trust = [{}]
",
            quoted(fqdn.as_str()),
            quoted(domain.as_str()),
            quoted(&partner_set(fqdn)),
        );
    }
}

/// The inside of a list of TOML.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quoted).collect::<Vec<_>>().join(", ")
}
