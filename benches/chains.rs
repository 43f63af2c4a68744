//! What the worst chains of a stranger cost: CPU of a decision as a listener makes it, and of its explanation.
//!
//! `cargo bench --bench chains` prints a row for each chain. Every one is made within the bounds of ten certificates and
//! 64 KiB, and for the name of a listed peer, so that nothing refuses it early. `smoke` asks for each chain once.

use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::topology::{self, Direction};
use sipward::trust::{Generation, Presented, decide_inbound, explain, explain_inbound};
use sipward_lab::forge::{self, CertificateFields, KeyKind, SigningKey, common_name, id, name};
use sipward_lab::pki::{CrlSpec, chain_pem};
use sipward_lab::site::{HOME, Site};
use std::error::Error;
use std::net::SocketAddr;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Chain = Vec<CertificateDer<'static>>;

/// CPU that one case is measured for, in milliseconds: the clock ticks every ten.
const MEASURED: u64 = 400;

fn main() -> Outcome<()> {
    let smoke = std::env::args().any(|arg| arg == "smoke");
    let stage = Stage::new()?;
    println!(
        "{:<58} {:>7} {:>9} {:>9}  reason",
        "chain", "octets", "decide ms", "explain ms"
    );
    for (says, chain) in stage.chains()? {
        stage.row(says, &chain, smoke)?;
    }
    Ok(())
}

/// The topology and the keys.
struct Stage {
    generation: Generation,
    at: UnixTime,
    host: String,
    root: Vec<u8>,
    root_key: SigningKey,
}

impl Stage {
    fn new() -> Outcome<Self> {
        let at = UnixTime::now();
        let site = Site::new()?;
        let host = format!("fe01.{HOME}");
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 5061));
        let root = common_name(0x0c, b"Forged Root");
        let root_key = SigningKey::new(KeyKind::P256)?;
        // Two anchors of one key, and forty of one name: a set as large as partners make it.
        let mut anchors =
            vec![root_key.sign(&CertificateFields::authority(&root, &root, &root_key))?];
        anchors.push(
            root_key.sign(&CertificateFields::authority(&root, &root, &root_key).numbered(2))?,
        );
        let same = common_name(0x0c, b"Same");
        for _ in 0..40 {
            let key = SigningKey::new(KeyKind::P256)?;
            anchors.push(key.sign(&CertificateFields::authority(&same, &same, &key))?);
        }
        site.write("forged.pem", &chain_pem(&anchors))?;
        let crl = site.enterprise.crl_as_pem(&CrlSpec::default())?;
        site.write("forged.crl.pem", &crl)?;
        let mut text = site.topology(&[(&host, anywhere)], Some(anywhere));
        for set in ["forged", "forged-too", "forged-others"] {
            text.add("[[trust]]")
                .text("name", set)
                .text("anchors", "forged.pem")
                .list("crls", &["forged.crl.pem"]);
        }
        let peer = text.find("[[peer]]", "fqdn", &host).ok_or("no peer")?;
        peer.list("trust", &["enterprise-ca", "forged", "forged-too"]);
        let file = site.write("topology.toml", &text.to_toml())?;
        let topology = topology::load(&file, at).map_err(|faults| format!("{faults:?}"))?;
        let generation = Generation::build(1, topology, at).map_err(|f| format!("{f:?}"))?;
        Ok(Self {
            generation,
            at,
            host,
            root,
            root_key,
        })
    }

    /// Every chain with what is bad about it.
    fn chains(&self) -> Outcome<Vec<(&'static str, Chain)>> {
        Ok(vec![
            ("a good leaf below a CA", self.usual()?),
            (
                "nine CAs of one name, padded, one of which ended in 1972",
                circle(&self.host, KeyKind::P256, 500)?,
            ),
            (
                "the same with P-384 keys",
                circle(&self.host, KeyKind::P384, 0)?,
            ),
            (
                "the same with P-521 keys",
                circle(&self.host, KeyKind::P521, 0)?,
            ),
            (
                "the same with RSA keys of 2048 bits, padded",
                circle(&self.host, KeyKind::Rsa2048, 300)?,
            ),
            ("27 paths to two anchors, without CRLs", self.layers(0)?),
            (
                "27 paths to two anchors, each certificate large",
                self.layers(240)?,
            ),
            (
                "3,500 extensions of the leaf",
                self.leaf(|form| form.padded(3_500))?,
            ),
            (
                "16,000 empty names of the leaf",
                self.leaf(|form| {
                    form.with(
                        id::ALTERNATIVE_NAME,
                        false,
                        &forge::names(&[(name::DNS, &b""[..]); 16_000]),
                    )
                })?,
            ),
            (
                "2,000 names below 1,500 constraints",
                self.bounded(name::DNS)?,
            ),
            (
                "2,000 URIs below 1,500 constraints",
                self.bounded(name::URI)?,
            ),
            (
                "a subject of 3,500 attributes",
                self.leaf(|mut form| {
                    let many: Vec<(u8, u8, &[u8])> = vec![(3, 0x0c, &b"a"[..]); 3_500];
                    form.subject = forge::distinguished_name(&many);
                    form
                })?,
            ),
            (
                "a subject of 50,000 characters",
                self.leaf(|mut form| {
                    form.subject = common_name(0x0c, &[b'a'; 50_000]);
                    form
                })?,
            ),
            (
                "10,000 distribution points",
                self.leaf(|form| {
                    let point = [0x30, 4, 0xa0, 2, 0xa0, 0];
                    let list = point.repeat(10_000);
                    let [high, low] = u16::try_from(list.len()).unwrap_or(0).to_be_bytes();
                    form.with(31, false, &[&[0x30, 0x82, high, low], &list[..]].concat())
                })?,
            ),
        ])
    }

    fn usual(&self) -> Outcome<Chain> {
        let (issuing, key) = (
            common_name(0x0c, b"Issuing"),
            SigningKey::new(KeyKind::P256)?,
        );
        let ca = CertificateFields::authority(&self.root, &issuing, &key);
        let leaf = CertificateFields::leaf(&issuing, &self.host, &key);
        Ok(vec![key.sign(&leaf)?, self.root_key.sign(&ca)?])
    }

    fn leaf(&self, change: impl Fn(CertificateFields) -> CertificateFields) -> Outcome<Chain> {
        let key = SigningKey::new(KeyKind::P256)?;
        let mut form = CertificateFields::leaf(&self.root, &self.host, &key);
        form = change(form);
        Ok(vec![self.root_key.sign(&form)?])
    }

    /// Three layers of three certificates of one key each.
    fn layers(&self, padding: u16) -> Outcome<Chain> {
        let keys = [
            SigningKey::new(KeyKind::P256)?,
            SigningKey::new(KeyKind::P256)?,
            SigningKey::new(KeyKind::P256)?,
        ];
        let [low, middle, high] = [b"Low", b"Mid", b"Top"].map(|text| common_name(0x0c, text));
        let leaf = CertificateFields::leaf(&low, &self.host, &keys[0]).padded(padding);
        let mut chain = vec![keys[0].sign(&leaf)?];
        for (key, subject, issuer, by) in [
            (&keys[0], &low, &middle, &keys[1]),
            (&keys[1], &middle, &high, &keys[2]),
            (&keys[2], &high, &self.root, &self.root_key),
        ] {
            for number in 0..3 {
                let ca = CertificateFields::authority(issuer, subject, key).numbered(number);
                chain.push(by.sign(&ca.padded(padding))?);
            }
        }
        Ok(chain)
    }

    fn bounded(&self, tag: u8) -> Outcome<Chain> {
        let (issuing, key) = (
            common_name(0x0c, b"Issuing"),
            SigningKey::new(KeyKind::P256)?,
        );
        let bases: Vec<String> = (0..1_500).map(|n| format!("b{n}.a")).collect();
        let bases: Vec<(u8, &[u8])> = bases.iter().map(|b| (tag, b.as_bytes())).collect();
        let hosts: Vec<String> = (0..1_990)
            .map(|n| match tag {
                name::URI => format!("x://h{n}.a"),
                _ => format!("h{n}.a"),
            })
            .collect();
        let mut hosts: Vec<(u8, &[u8])> = hosts.iter().map(|h| (tag, h.as_bytes())).collect();
        hosts.push((name::DNS, self.host.as_bytes()));
        let ca = CertificateFields::authority(&self.root, &issuing, &key);
        let ca = ca.with(id::NAME_CONSTRAINTS, true, &forge::constraints(&[], &bases));
        let leaf = CertificateFields::blank(&issuing, &common_name(0x0c, b"leaf"), &key);
        let leaf = leaf.with(id::ALTERNATIVE_NAME, false, &forge::names(&hosts));
        Ok(vec![key.sign(&leaf)?, self.root_key.sign(&ca)?])
    }

    fn row(&self, says: &str, chain: &[CertificateDer<'_>], smoke: bool) -> Outcome<()> {
        let octets: usize = chain.iter().map(|c| c.as_ref().len()).sum();
        let listener = self
            .generation
            .topology()
            .listeners()
            .first()
            .ok_or("no listener")?;
        let inbound = || match decide_inbound(
            &Presented::inbound(chain),
            listener,
            &self.generation,
            self.at,
        ) {
            Ok(admitted) => admitted.decision().reason.code(),
            Err(decision) => decision.reason.code(),
        };
        let reason = inbound();
        let decided = each(smoke, || {
            inbound();
        })?;
        let explained = each(smoke, || {
            let _ = explain_inbound(
                &Presented::inbound(chain),
                listener,
                &self.generation,
                self.at,
            );
        })?;
        let presented = Presented::inbound(chain);
        let plain = explain(&presented, Direction::Inbound, &self.generation, self.at);
        println!(
            "{says:<58} {octets:>7} {decided:>9.2} {explained:>9.2}  {reason} ({})",
            plain.reason
        );
        Ok(())
    }
}

/// Nine CAs of one name, each certified by the next.
fn circle(host: &str, kind: KeyKind, padding: u16) -> Outcome<Chain> {
    let same = common_name(0x0c, b"Same");
    let keys: Vec<SigningKey> = (0..9)
        .map(|_| SigningKey::new(kind))
        .collect::<Result<_, _>>()?;
    let by = |n: usize| keys.get(n % 9).ok_or("nine keys");
    let leaf = CertificateFields::leaf(&same, host, by(0)?).padded(padding);
    let mut chain = vec![by(0)?.sign(&leaf)?];
    for n in 0..9 {
        let mut ca = CertificateFields::authority(&same, &same, by(n)?).padded(padding);
        if n == 4 {
            ca.validity = (forge::moment(0), forge::moment(70_000_000));
        }
        chain.push(by(n + 1)?.sign(&ca)?);
    }
    // As many as the bound on octets admits.
    while chain.iter().map(|c| c.as_ref().len()).sum::<usize>() > 64 * 1024 {
        chain.pop();
    }
    Ok(chain)
}

/// Milliseconds of CPU that one call takes.
fn each(smoke: bool, call: impl Fn()) -> Outcome<f64> {
    let before = cpu_ms()?;
    let mut calls = 0u32;
    loop {
        call();
        calls += 1;
        let spent = cpu_ms()?.saturating_sub(before);
        if smoke || spent >= MEASURED {
            return Ok(spent as f64 / f64::from(calls));
        }
    }
}

/// User and system time of this process so far.
fn cpu_ms() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, which may hold blanks, ends with the last bracket; utime and stime are fields 14 and 15.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = ticks().zip(ticks()).ok_or("no times in /proc/self/stat")?;
    Ok((user + system) * 10)
}
