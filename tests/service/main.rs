//! The real program under a stand-in for systemd.
#[cfg(test)]
mod control_socket;
#[cfg(test)]
mod systemd;
