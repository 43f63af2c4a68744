//! Reasons that no other test provokes, each over real sockets, and the proof that every row of the registry is provoked.
mod commands;
mod connections;
mod dns;
mod fields;
mod files;
mod messages;
mod proxy;
mod rows;
mod tls;
mod topology;
