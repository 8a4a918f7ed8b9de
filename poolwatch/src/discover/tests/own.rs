//! Sockets of this very process.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use super::{
    super::{By, OlderSocket, UnixSockets, older_sockets, process, sockets},
    Directory, cookie, inode, server_of, tcp, unix, with_inode,
};
use crate::event::Server;

fn own_pid() -> u32 {
    std::process::id()
}

fn own(ports: &[u16]) -> Vec<OlderSocket> {
    let older = older_sockets(Some(&[own_pid()]), ports);
    assert_eq!(older.problems, Vec::<String>::new());
    older.sockets
}

#[test]
fn a_unix_client_is_found_and_the_servers_end_is_not() {
    let directory = Directory::new();
    let connection = unix(&directory.socket(5555));
    let found = own(&[]);
    let expected = OlderSocket {
        process: process(own_pid()).unwrap().id,
        inode: inode(&connection.client),
        cookie: cookie(&connection.client),
        server: directory.server(5555),
        certain: true,
    };
    assert_eq!(with_inode(&found, expected.inode), Some(&expected));
    assert_eq!(with_inode(&found, inode(&connection.server)), None);
}

#[test]
fn a_unix_socket_of_another_name_is_not_found() {
    let directory = Directory::new();
    let connection = unix(&directory.0.join("other"));
    let (one, other) = UnixStream::pair().unwrap();
    let found = own(&[]);
    for socket in [&connection.client, &connection.server, &one, &other] {
        assert_eq!(with_inode(&found, inode(socket)), None);
    }
}

#[test]
fn a_tcp_client_is_certain_by_its_port() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
        let connection = tcp(address);
        let server = server_of(&connection.client);
        for (ports, certain) in [(&[server.port()][..], true), (&[], false)] {
            let found = own(ports);
            let client = with_inode(&found, inode(&connection.client)).unwrap();
            assert_eq!(client.server, Server::Tcp(server.ip(), server.port()));
            assert_eq!(client.cookie, cookie(&connection.client));
            assert_eq!(client.certain, certain, "{address}");
            assert_eq!(with_inode(&found, inode(&connection.server)), None, "{address}");
        }
    }
}

#[test]
fn an_ipv4_server_behind_an_ipv6_socket_is_told_as_ipv4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let client = TcpStream::connect(SocketAddrV6::new(mapped, port, 0, 0)).unwrap();
    let _server = listener.accept().unwrap();
    let found = own(&[port]);
    let seen = with_inode(&found, inode(&client)).unwrap();
    assert_eq!(seen.server, Server::Tcp(Ipv4Addr::LOCALHOST.into(), port));
}

#[test]
fn the_servers_end_of_a_listener_on_all_addresses_is_not_found() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = listener.accept().unwrap().0;
    let found = own(&[port]);
    assert!(with_inode(&found, inode(&client)).is_some());
    assert_eq!(with_inode(&found, inode(&server)), None);
}

#[test]
fn a_connection_that_the_server_left_is_no_longer_established() {
    let connection = tcp("127.0.0.1:0");
    let port = server_of(&connection.client).port();
    let inode = inode(&connection.client);
    drop(connection.server);
    // The end of file arrives once the kernel has moved the client to CLOSE_WAIT.
    std::io::Read::read(&mut &connection.client, &mut [0]).unwrap();
    assert_eq!(with_inode(&own(&[port]), inode), None);
    let looked_up = sockets(&[(own_pid(), By::Inode(inode))], &[port]);
    assert_eq!(looked_up[0].as_ref().map(|socket| socket.inode), Some(inode));
}

#[test]
fn one_socket_is_looked_up_by_inode_or_cookie() {
    let directory = Directory::new();
    let (unix, tcp) = (unix(&directory.socket(5556)), tcp("127.0.0.1:0"));
    let port = server_of(&tcp.client).port();
    let wanted = [
        (own_pid(), By::Inode(inode(&unix.client))),
        (own_pid(), By::Cookie(cookie(&unix.client))),
        (own_pid(), By::Inode(inode(&tcp.client))),
        (own_pid(), By::Cookie(cookie(&tcp.client))),
        (own_pid(), By::Inode(inode(&tcp.server))),
        (own_pid(), By::Cookie(u64::MAX)),
        (u32::MAX, By::Inode(inode(&tcp.client))),
    ];
    let found = sockets(&wanted, &[port]);
    let all = own(&[port]);
    let expected = [&unix.client as &dyn std::os::fd::AsFd, &unix.client, &tcp.client, &tcp.client];
    for (found, client) in found.iter().zip(expected) {
        let client = with_inode(&all, inode(client.as_fd()));
        assert!(client.is_some());
        assert_eq!(found.as_ref(), client);
    }
    assert_eq!(found[4..], [None, None, None]);
}

#[test]
fn an_inherited_socket_belongs_to_the_process_that_started_first() {
    let directory = Directory::new();
    let connection = unix(&directory.socket(5557));
    let inode = inode(&connection.client);
    let inherited = OwnedFd::from(connection.client.try_clone().unwrap());
    let mut child = Command::new("cat").stdin(Stdio::from(inherited)).spawn().unwrap();
    let both = older_sockets(Some(&[child.id(), own_pid()]), &[]).sockets;
    let alone = older_sockets(Some(&[child.id()]), &[]).sockets;
    assert_eq!(both.iter().filter(|socket| socket.inode == inode).count(), 1);
    assert_eq!(with_inode(&both, inode).unwrap().process.pid, own_pid());
    assert_eq!(with_inode(&alone, inode).unwrap().process.pid, child.id());
    // The child reads end of file once both holders' common server has gone.
    drop(connection);
    child.wait().unwrap();
}

#[test]
fn all_processes_are_asked_when_none_are_named() {
    let connection = tcp("127.0.0.1:0");
    let port = server_of(&connection.client).port();
    let found = older_sockets(None, &[port]).sockets;
    assert!(with_inode(&found, inode(&connection.client)).is_some());
}

#[test]
fn a_unix_socket_is_gone_when_its_holder_closes_it_and_not_before() {
    let directory = Directory::new();
    let connection = unix(&directory.socket(5558));
    let asked = [(own_pid(), inode(&connection.client))];
    let mut watch = UnixSockets::new();
    assert_eq!(watch.gone(&asked), []);
    drop(connection.server);
    assert_eq!(watch.gone(&asked), []);
    drop(connection.client);
    assert_eq!(watch.gone(&asked), asked);
    assert_eq!(watch.gone(&asked), asked, "the second time it is known that the kernel can tell");
}

#[test]
fn many_unix_sockets_are_looked_up_as_exactly() {
    let mut pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
    let asked: Vec<(u32, u64)> = pairs.iter().map(|(one, _)| (own_pid(), inode(one))).collect();
    let mut watch = UnixSockets::new();
    assert_eq!(watch.gone(&asked), []);
    let closed: HashSet<u64> = pairs.drain(20..60).map(|(one, _)| inode(&one)).collect();
    let gone: HashSet<u64> = watch.gone(&asked).into_iter().map(|(_, inode)| inode).collect();
    assert_eq!(gone, closed);
}

#[test]
fn a_vanished_process_has_closed_its_sockets() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (one, _other) = UnixStream::pair().unwrap();
    let asked = [(child.id(), inode(&one))];
    assert_eq!(UnixSockets::new().gone(&asked), asked);
}
