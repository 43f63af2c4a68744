//! Many connections: handshakes one after the other, and connections that only stay.
use super::Outcome;
use super::target::Target;
use super::tls::Dialler;
use super::traffic::Client;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Connects under way at a time.
const AT_A_TIME: usize = 4;

/// What handshakes cost.
pub(crate) struct Handshakes {
    pub(crate) cpu_us: f64,
    pub(crate) resumed: usize,
}

/// Connects and closes, one after the other; each ends when the other side has closed too.
pub(crate) async fn handshakes(
    target: &Target,
    dialler: &Dialler,
    count: usize,
) -> Outcome<Handshakes> {
    let mut resumed = 0;
    let before = target.cpu();
    for _ in 0..count {
        let mut stream = dialler.dial(target.handshakes).await?;
        resumed += usize::from(
            stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        );
        stream.shutdown().await?;
        let mut rest = Vec::new();
        // Ended either way: some close without a word.
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await?;
    }
    Ok(Handshakes {
        cpu_us: (target.cpu() - before) * 1e6 / count.max(1) as f64,
        resumed,
    })
}

/// Opens connections that have said one keep-alive and stay.
pub(crate) async fn idle(target: &Target, dialler: &Dialler, count: usize) -> Outcome<Vec<Client>> {
    let mut all = Vec::with_capacity(count);
    let mut opening = tokio::task::JoinSet::new();
    for number in 0..count {
        if opening.len() >= AT_A_TIME
            && let Some(opened) = opening.join_next().await
        {
            all.push(opened??);
        }
        let (dialler, address) = (dialler.clone(), target.address);
        opening.spawn(async move {
            let opened = async {
                let mut client = Client::connect(&dialler, address, number).await?;
                client.ping().await?;
                Outcome::Ok(client)
            };
            opened.await.map_err(|e| e.to_string())
        });
    }
    while let Some(opened) = opening.join_next().await {
        all.push(opened??);
    }
    Ok(all)
}
