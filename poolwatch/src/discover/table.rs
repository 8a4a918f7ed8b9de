//! The socket tables of all network namespaces, joined: which sockets are the client's end of a
//! connection, and to which server. Pure: sockets in, [`Client`]s out.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
};

use super::socket::{State, TcpSocket, UnixSocket};
use crate::event::Server;

/// The client's end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub inode: u64,
    /// 0 = not known.
    pub cookie: u64,
    pub server: Server,
    /// It leads to PostgreSQL; else it only may.
    pub certain: bool,
    /// Both ends are open.
    pub established: bool,
}

/// All tables.
#[derive(Default)]
pub(super) struct Tables {
    networks: Vec<TcpTable>,
    /// By inode: numbers are given once for the whole machine, and a UNIX socket may lead from one
    /// network namespace to another.
    unix: HashMap<u64, UnixSocket>,
}

/// TCP sockets of one network namespace, with what tells their ends apart.
struct TcpTable {
    sockets: Vec<TcpSocket>,
    listening: Listening,
    /// (local, remote) of the sockets at a place where a process listens that is known to be a server.
    served: HashSet<(SocketAddr, SocketAddr)>,
}

impl Tables {
    /// Adds the TCP sockets of one namespace; `servers` are the inodes that PostgreSQL servers hold.
    pub(super) fn add_tcp(&mut self, sockets: Vec<TcpSocket>, servers: &HashSet<u64>) {
        let of_servers = || sockets.iter().filter(|socket| servers.contains(&socket.inode));
        let servers = Listening::of(of_servers());
        let served = sockets.iter().filter(|socket| servers.cover(socket.local));
        let served = served.map(|socket| (socket.local, socket.remote)).collect();
        self.networks.push(TcpTable { listening: Listening::of(sockets.iter()), served, sockets });
    }

    /// Adds the UNIX sockets of one namespace.
    pub(super) fn add_unix(&mut self, sockets: Vec<UnixSocket>) {
        self.unix.extend(sockets.into_iter().map(|socket| (socket.inode, socket)));
    }

    /// Every client's end. What leads to one of `ports` is certain.
    pub(super) fn clients(&self, ports: &[u16]) -> impl Iterator<Item = Client> {
        let tcp = self.networks.iter().flat_map(move |table| table.clients(ports));
        tcp.chain(self.unix.values().filter_map(|socket| self.unix_client(socket)))
    }

    fn unix_client(&self, socket: &UnixSocket) -> Option<Client> {
        if socket.name.is_some() {
            return None;
        }
        let server = self.unix.get(&socket.peer)?.name.clone()?;
        let UnixSocket { inode, cookie, .. } = *socket;
        Some(Client { inode, cookie, server, certain: true, established: true })
    }
}

impl TcpTable {
    fn clients(&self, ports: &[u16]) -> impl Iterator<Item = Client> {
        self.sockets.iter().filter(|socket| self.is_client(socket)).map(move |socket| Client {
            inode: socket.inode,
            cookie: socket.cookie,
            server: Server::Tcp(socket.remote.ip(), socket.remote.port()),
            certain: ports.contains(&socket.remote.port()) || self.is_served(socket),
            established: socket.state == State::Established,
        })
    }

    /// A server's end has the address and port at which somebody listens.
    fn is_client(&self, socket: &TcpSocket) -> bool {
        socket.state != State::Listening && !self.listening.cover(socket.local)
    }

    /// Its other end is here too, and a PostgreSQL server's.
    fn is_served(&self, socket: &TcpSocket) -> bool {
        self.served.contains(&(socket.remote, socket.local))
    }
}

/// The places where somebody listens: addresses by port.
struct Listening(HashMap<u16, Vec<IpAddr>>);

impl Listening {
    fn of<'a>(sockets: impl Iterator<Item = &'a TcpSocket>) -> Self {
        let mut places: HashMap<u16, Vec<IpAddr>> = HashMap::new();
        for socket in sockets.filter(|socket| socket.state == State::Listening) {
            places.entry(socket.local.port()).or_default().push(socket.local.ip());
        }
        Self(places)
    }

    fn cover(&self, place: SocketAddr) -> bool {
        let addresses = self.0.get(&place.port()).map_or(&[][..], Vec::as_slice);
        addresses.iter().any(|address| address.is_unspecified() || *address == place.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(inode: u64, local: &str, remote: &str, state: State) -> TcpSocket {
        let endpoint = |text: &str| text.parse().unwrap();
        TcpSocket { inode, cookie: inode + 1000, local: endpoint(local), remote: endpoint(remote), state }
    }

    fn clients(sockets: Vec<TcpSocket>, servers: &[u64], ports: &[u16]) -> Vec<(u64, bool)> {
        let mut tables = Tables::default();
        tables.add_tcp(sockets, &servers.iter().copied().collect());
        tables.clients(ports).map(|client| (client.inode, client.certain)).collect()
    }

    #[test]
    fn a_known_port_makes_certain_and_another_does_not() {
        let sockets = vec![
            tcp(1, "10.0.0.1:40000", "10.0.0.5:5432", State::Established),
            tcp(2, "10.0.0.1:40001", "10.0.0.5:5999", State::Established),
        ];
        assert_eq!(clients(sockets, &[], &[5432, 6432]), [(1, true), (2, false)]);
    }

    #[test]
    fn the_servers_end_is_no_client_wherever_it_listens() {
        for listener in ["0.0.0.0:5432", "[::]:5432", "127.0.0.1:5432"] {
            let sockets = vec![
                tcp(1, listener, "0.0.0.0:0", State::Listening),
                tcp(2, "127.0.0.1:5432", "127.0.0.1:40000", State::Established),
                tcp(3, "127.0.0.1:40000", "127.0.0.1:5432", State::Established),
            ];
            assert_eq!(clients(sockets, &[], &[5432]), [(3, true)], "{listener}");
        }
    }

    #[test]
    fn a_listener_at_another_address_makes_no_server_of_a_client() {
        let sockets = vec![
            tcp(1, "127.0.0.1:40000", "0.0.0.0:0", State::Listening),
            tcp(2, "10.0.0.1:40000", "10.0.0.5:5432", State::Established),
        ];
        assert_eq!(clients(sockets, &[], &[5432]), [(2, true)]);
    }

    #[test]
    fn a_server_on_any_port_is_known_by_its_process() {
        let sockets = || {
            vec![
                tcp(1, "0.0.0.0:7777", "0.0.0.0:0", State::Listening),
                tcp(2, "10.0.0.1:7777", "10.0.0.1:40000", State::Established),
                tcp(3, "10.0.0.1:40000", "10.0.0.1:7777", State::Established),
                // Another machine's port of the same number says nothing.
                tcp(4, "10.0.0.1:40001", "10.0.0.9:7777", State::Established),
            ]
        };
        assert_eq!(clients(sockets(), &[1], &[]), [(3, true), (4, false)]);
        assert_eq!(clients(sockets(), &[], &[]), [(3, false), (4, false)]);
    }

    #[test]
    fn a_pooler_is_a_server_on_one_side_and_a_client_on_the_other() {
        let sockets = vec![
            tcp(1, "127.0.0.1:6432", "0.0.0.0:0", State::Listening),
            tcp(2, "127.0.0.1:6432", "127.0.0.1:40000", State::Established),
            tcp(3, "127.0.0.1:40001", "127.0.0.1:5432", State::Established),
        ];
        assert_eq!(clients(sockets, &[1, 2, 3], &[5432, 6432]), [(3, true)]);
    }

    fn unix(inode: u64, name: Option<&str>, peer: u64) -> UnixSocket {
        let name = name.and_then(|name| Server::at_path(name.as_bytes()));
        UnixSocket { inode, cookie: inode + 1000, name, peer }
    }

    #[test]
    fn a_unix_client_is_known_by_its_peers_name_across_namespaces() {
        let mut tables = Tables::default();
        tables.add_unix(vec![unix(1, None, 2), unix(3, None, 4), unix(5, None, 6), unix(6, None, 5)]);
        tables.add_unix(vec![unix(2, Some("/run/.s.PGSQL.5433"), 1), unix(4, Some("/run/other"), 3)]);
        let found: Vec<Client> = tables.clients(&[]).collect();
        let server = Server::Unix("/run".into(), 5433);
        assert_eq!(found, [Client { inode: 1, cookie: 1001, server, certain: true, established: true }]);
    }
}
