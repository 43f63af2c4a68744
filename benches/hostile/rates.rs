//! One client that sends, calls, connects or guesses as fast as it can, beside others who send a text now and then.
use super::daemon::Daemon;
use super::ends::{self, Ends, Tls};
use super::home::SilentHome;
use super::honest::HonestCrowd;
use super::{Options, Outcome, now};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where the flood comes from.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 1);
/// How long its handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that leave in one write.
const AT_ONCE: usize = 50;

/// What the one client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rate {
    /// Texts that nobody answers.
    Texts,
    /// Calls that the home server refuses, without an ACK.
    Calls,
    /// Registrations with a wrong password.
    Passwords,
    /// Connections that leave at once.
    Connects,
}

/// Each of them; returns how many texts of those who mean well were not answered.
pub(crate) async fn all(options: &Options) -> Outcome<usize> {
    let mut hurt = 0;
    for rate in [Rate::Texts, Rate::Calls, Rate::Passwords, Rate::Connects] {
        hurt += one(options, rate).await?;
    }
    Ok(hurt)
}

async fn one(options: &Options, rate: Rate) -> Outcome<usize> {
    let home = SilentHome::bind()?;
    let daemon = Daemon::start(&options.binary, home.address, |_| ())?;
    let registrations = home.serve(&daemon)?;
    let ends = Ends::new(&daemon)?;
    let crowd = HonestCrowd::start(ends.client(), daemon.address, options.honest).await?;
    let (sent, end) = (Arc::new(AtomicUsize::new(0)), now() + options.time);
    let cpu = daemon.cpu();
    match rate {
        Rate::Connects => connect(&daemon, &sent, end).await,
        Rate::Texts | Rate::Calls | Rate::Passwords => {
            while now() < end {
                let came = ends::come_in(ends.client(), ONE.into(), daemon.address, PATIENCE);
                let Ok((tls, _)) = came.await else { continue };
                let rest = end.saturating_duration_since(now());
                // It comes again when it is closed.
                let _ = tokio::time::timeout(rest, flood(rate, tls, &sent)).await;
            }
        }
    }
    let used = daemon.cpu() - cpu;
    let mut fared = crowd.stop()?;
    println!(
        "rates: {rate:?} of one client, {} a second; {} registrations reached the home server; {:.2} cores; {}; events: {}",
        sent.load(Ordering::Relaxed) as u128 * 1000 / options.time.as_millis().max(1),
        registrations.load(Ordering::Relaxed),
        used / options.time.as_secs_f64(),
        fared.shown(),
        bounds(&daemon)?,
    );
    Ok(fared.hurt())
}

/// The events about bounds, each with its reason.
fn bounds(daemon: &Daemon) -> Outcome<String> {
    let mut all = Vec::new();
    for event in daemon.events()? {
        let field = |name: &str| event.get(name).and_then(|value| value.as_str());
        let about = ["bound_reached", "reading_slowed", "connection_closed"];
        if let (Some(name), Some(reason)) = (field("event"), field("reason"))
            && about.contains(&name)
        {
            let text = format!("{name} {reason}");
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    Ok(all.join(", "))
}

async fn flood(rate: Rate, tls: Tls, sent: &AtomicUsize) -> Outcome<()> {
    let (mut reader, mut writer) = tokio::io::split(tls);
    let reads = async {
        let mut sink = vec![0; 16_384];
        while reader.read(&mut sink).await.is_ok_and(|came| came > 0) {}
    };
    let (method, more) = match rate {
        Rate::Calls => ("INVITE", ""),
        Rate::Passwords => (
            "REGISTER",
            "Authorization: Digest username=\"bob\", realm=\"contoso.test\", nonce=\"n\", uri=\"sip:contoso.test\", response=\"00000000000000000000000000000000\"\r\nContact: <sip:bob@c.test>\r\n",
        ),
        Rate::Texts | Rate::Connects => ("MESSAGE", ""),
    };
    let sends = async {
        loop {
            let mut out = String::new();
            for _ in 0..AT_ONCE {
                let serial = sent.fetch_add(1, Ordering::Relaxed);
                out.push_str(&format!(
                    "{method} sip:contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bKf{serial}\r\nMax-Forwards: 70\r\nFrom: <sip:bob@contoso.test>;tag=f\r\nTo: <sip:bob@contoso.test>\r\nCall-ID: f{serial}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
                ));
            }
            writer.write_all(out.as_bytes()).await?;
            writer.flush().await?;
            // The crowd has a thread of its own, the home server too; this one would never yield.
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = reads => Ok(()),
        ended = sends => ended,
    }
}

/// Connects and leaves until then.
async fn connect(daemon: &Daemon, sent: &AtomicUsize, end: Instant) {
    while now() < end {
        if ends::connect(ONE.into(), daemon.address).await.is_ok() {
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}
