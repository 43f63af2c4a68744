//! The real program under a stand-in for systemd, and under a real one.
#[cfg(test)]
mod booted;
#[cfg(test)]
mod closed_directory;
#[cfg(test)]
mod confinement;
#[cfg(test)]
mod control_socket;
#[cfg(test)]
mod socket_activation;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod upgrade;
