//! The core without sockets or clocks, filed by what it proves.

mod dialogs;
mod failover;
mod forwarding;
mod message_policy;
mod model;
mod responses;
mod shards;
mod validation;
mod world;
