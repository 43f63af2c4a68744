//! Partners and clients who come in beside strangers, two at a time: how many were let in, and how long that took.
use super::Outcome;
use super::daemon::{Daemon, PARTNER_ADDRESS};
use super::ends::{self, Ends};
use std::net::IpAddr;
use std::time::Duration;

/// Who came in, in which time.
pub(crate) struct Arrivals {
    /// As many of each kind tried.
    wanted: usize,
    partners: Vec<Duration>,
    clients: Vec<Duration>,
}

impl Arrivals {
    /// So many of each kind try, each pair after the one before; `patience` of a partner and of a client.
    pub(crate) async fn of(
        daemon: &Daemon,
        ends: &Ends,
        wanted: usize,
        patience: (Duration, Duration),
    ) -> Outcome<Self> {
        let (mut partners, mut clients) = (Vec::new(), Vec::new());
        let partners_source = PARTNER_ADDRESS.parse()?;
        for number in 0..wanted {
            let own = IpAddr::from([127, 0, 7, number as u8 + 1]);
            let (partner, client) = tokio::join!(
                ends::come_in(ends.partner(), partners_source, daemon.address, patience.0),
                ends::come_in(ends.client(), own, daemon.address, patience.1),
            );
            partners.extend(partner.map(|(_, time)| time));
            clients.extend(client.map(|(_, time)| time));
        }
        Ok(Self {
            wanted,
            partners,
            clients,
        })
    }

    /// How many were turned away.
    pub(crate) fn turned_away(&self) -> usize {
        2 * self.wanted - self.partners.len() - self.clients.len()
    }

    /// For the line of a run.
    pub(crate) fn shown(&mut self) -> String {
        format!(
            "partners {} of {wanted} ({}), clients {} of {wanted} ({})",
            self.partners.len(),
            ends::shown(&mut self.partners),
            self.clients.len(),
            ends::shown(&mut self.clients),
            wanted = self.wanted,
        )
    }
}
