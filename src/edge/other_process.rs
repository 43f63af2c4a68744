//! The connections between the two processes of one node while one hands over to the other: sockets that the first has made in
//! pairs and the second has inherited, so that nobody else can have an end. Each carries SIP as it is, and leads to a sibling
//! that may hand over what is for clients, and nothing else.
use super::connection::Established;
use super::handle::Edge;
use super::inbox::ShardMessage;
use super::opened::Opened;
use super::reading::Reader;
use super::records::Records;
use super::shard::Shard;
use crate::proxy::RemoteIdentity;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

impl Edge {
    /// Shares these ends out among the shards: each gets one at least if there are as many.
    pub async fn connect_process(&self, ends: Vec<UnixStream>) {
        // More ends than shards: some get two, which does no harm.
        let shards = self.inboxes.0.iter().cycle();
        for (inbox, end) in shards.zip(ends) {
            let work = move |shard: &Rc<Shard>| shard.connect_process(end);
            // A shard that has ended has no clients either.
            let _ = inbox.send(ShardMessage::Run(Box::new(work))).await;
        }
    }
}

impl Shard {
    /// A connection from now on; without it the other process is asked by other shards only.
    fn connect_process(self: &Rc<Self>, end: UnixStream) {
        // Reading and writing is the same for both kinds of stream, and nothing else is done with it: so the way of a message
        // has one type of socket.
        let stream = std::net::TcpStream::from(OwnedFd::from(end));
        let stream = stream.set_nonblocking(true).map(|()| stream);
        let Ok(tcp) = stream.and_then(tokio::net::TcpStream::from_std) else {
            return;
        };
        // It has no address; this stands in Via as where a request came from.
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let established = Established {
            number: self.number(),
            identity: RemoteIdentity::OtherProcess,
            client: None,
            opened: Opened::Dialled,
            shown: None,
            tcp,
            records: Records::default(),
            tls: super::layer::TlsOrPlain::Plain(Vec::new()),
            remote: here,
            local: here,
            is_check: false,
            unconfirmed: None,
            keep_alive: None,
        };
        Reader::start(self, established, true, None);
    }
}
