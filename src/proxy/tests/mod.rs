//! The core without sockets or clocks, filed by what it proves.

mod answers;
mod best_effort;
mod boundary;
mod callers;
mod dialogs;
mod domains;
mod equals;
mod failover;
mod field_profiles;
mod flows;
mod forwarding;
mod hiding;
mod hiding_closed;
mod loops;
mod message_policy;
mod methods;
mod model;
mod noise;
mod own_names;
mod paths;
mod pools;
mod responses;
mod seeds;
mod shards;
mod validation;
mod world;
