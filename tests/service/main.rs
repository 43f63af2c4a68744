//! The real program under a stand-in for systemd.
#[cfg(test)]
mod systemd;
