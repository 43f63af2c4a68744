//! Messages of one client that lead nowhere, with connections that are spread over two shards: partners come in and ask
//! meanwhile, and none of them may fail.
use super::daemon::{Daemon, PARTNER_ADDRESS};
use super::ends::{self, Ends, Tls};
use super::{Options, Outcome, now};
use sipward_lab::site::{EDGE, PARTNER, PARTNER_EDGE};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where the flood comes from.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 1);
const PATIENCE: Duration = Duration::from_secs(5);
/// Of the flood, so that its end is heard of.
const PART: Duration = Duration::from_millis(200);
/// Messages that leave in one write.
const AT_ONCE: usize = 50;

/// What leads nowhere.
#[derive(Clone, Copy, Debug)]
enum Stray {
    Acks,
    Cancels,
    Responses,
}

/// Each of them; returns how many partner connections failed.
pub(crate) async fn all(options: &Options) -> Outcome<usize> {
    let mut failed = 0;
    for stray in [Stray::Acks, Stray::Cancels, Stray::Responses] {
        failed += one(options, stray).await?;
    }
    Ok(failed)
}

async fn one(options: &Options, stray: Stray) -> Outcome<usize> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let daemon = Daemon::start(&options.binary, nobody, |topology| {
        topology.section("[limits]").raw("gather", "0");
        topology.section("[node]").raw("shards", "2");
    })?;
    let ends = Ends::new(&daemon)?;
    let (config, to) = (ends.client(), daemon.address);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flooded = std::thread::spawn(move || -> Outcome<(usize, usize)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (mut sent, mut came) = (0, 0);
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                if let Ok((tls, _)) = ends::come_in(config.clone(), ONE.into(), to, PATIENCE).await
                {
                    came += 1;
                    let flood = flood(stray, tls, &mut sent);
                    let _ = tokio::time::timeout(PART, Box::pin(flood)).await;
                }
            }
            Ok((sent, came))
        })
    });
    let partner: IpAddr = PARTNER_ADDRESS.parse()?;
    let (mut times, mut failed, began) = (Vec::new(), 0, now());
    for number in 0..options.partners {
        let asked = async {
            let (mut tls, _) = ends::come_in(ends.partner(), partner, to, PATIENCE).await?;
            ask_edge(&mut tls, number).await
        };
        let sent = now();
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(())) => times.push(sent.elapsed()),
            Ok(Err(_)) | Err(_) => failed += 1,
        }
    }
    let _ = stop.send(());
    let (sent, came) = flooded.join().map_err(|_| "the flood's thread")??;
    let lines = daemon.events()?.len();
    println!(
        "strays: {stray:?}, {:.0} a second over {came} connections, two shards: {} of {} partner connections answered ({}); {lines} lines in the log",
        sent as f64 / began.elapsed().as_secs_f64(),
        times.len(),
        options.partners,
        ends::shown(&mut times),
    );
    Ok(failed)
}

async fn flood(stray: Stray, mut tls: Tls, sent: &mut usize) -> Outcome<()> {
    loop {
        let mut out = String::new();
        for _ in 0..AT_ONCE {
            *sent += 1;
            let (start, method) = match stray {
                Stray::Acks => (format!("ACK sip:bob@{EDGE} SIP/2.0"), "ACK"),
                Stray::Cancels => (format!("CANCEL sip:bob@{EDGE} SIP/2.0"), "CANCEL"),
                Stray::Responses => ("SIP/2.0 200 OK".to_owned(), "INVITE"),
            };
            out.push_str(&format!(
                "{start}\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bKs{sent}\r\nMax-Forwards: 70\r\nFrom: <sip:flood@contoso.test>;tag=f\r\nTo: <sip:bob@contoso.test>;tag=t\r\nCall-ID: s{sent}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
            ));
        }
        tls.write_all(out.as_bytes()).await?;
        tls.flush().await?;
        let mut sink = [0; 16_384];
        // What it is answered is read, so that nothing else slows it down.
        tokio::select! {
            biased;
            read = tls.read(&mut sink) => if read? == 0 { return Ok(()) },
            () = tokio::task::yield_now() => {}
        }
    }
}

/// An OPTIONS of the partner for this node, with its answer.
async fn ask_edge(tls: &mut Tls, number: usize) -> Outcome<()> {
    let text = format!(
        "OPTIONS sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TLS {PARTNER_EDGE};branch=z9hG4bKp{number}\r\nMax-Forwards: 70\r\nFrom: <sip:ping@{PARTNER}>;tag=p\r\nTo: <sip:{EDGE}>\r\nCall-ID: ping{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    tls.write_all(text.as_bytes()).await?;
    tls.flush().await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if tls.read_buf(&mut answer).await? == 0 {
            return Err("closed".into());
        }
    }
    match answer.starts_with(b"SIP/2.0 200") {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&answer).into()),
    }
}
