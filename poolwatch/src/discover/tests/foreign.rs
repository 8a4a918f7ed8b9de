//! Sockets of other processes: servers known by their name, other network namespaces, and what is
//! left to see with fewer privileges.

use std::{
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::MetadataExt,
    process::Command,
};

use super::{
    super::{By, UnixSockets, namespace::Namespaces, older_sockets, sockets},
    Directory,
    another::{Another, this_program},
    cookie, inode, unix, with_inode,
};
use crate::event::Server;

#[test]
fn a_server_on_any_port_is_known_by_its_processs_name() {
    let directory = Directory::new();
    for (name, certain) in [("postgres", true), ("pgbouncer", true), ("other", false)] {
        let program = directory.0.join(name);
        std::os::unix::fs::symlink(this_program(), &program).unwrap();
        let mut server = Another::start(&[], &program, "listen", "");
        let port = u16::try_from(server.numbers()[0]).unwrap();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let found = older_sockets(Some(&[std::process::id()]), &[]).sockets;
        let seen = with_inode(&found, inode(&client)).unwrap();
        assert_eq!(seen.server, Server::Tcp(Ipv4Addr::LOCALHOST.into(), port));
        assert_eq!(seen.certain, certain, "{name}");
        // The server itself holds no client's end.
        assert_eq!(older_sockets(Some(&[server.pid()]), &[port]).sockets, []);
    }
}

/// A network namespace that ends with the test.
struct Network(String);

impl Network {
    /// `None` where none can be made; says why.
    fn new() -> Option<Self> {
        let name = Directory::new().0.file_name()?.to_str()?.to_owned();
        for words in [&["netns", "add", &name][..], &["-n", &name, "link", "set", "lo", "up"]] {
            match Command::new("ip").args(words).output() {
                Ok(output) if output.status.success() => {}
                Ok(output) => {
                    println!("skipped: ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
                    return None;
                }
                Err(error) => {
                    println!("skipped: ip: {error}");
                    return None;
                }
            }
        }
        Some(Self(name))
    }

    fn start(&self, part: &str, argument: &str) -> Another {
        Another::start(&["ip", "netns", "exec", &self.0], &this_program(), part, argument)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn sockets_of_another_network_namespace_are_found_looked_up_and_missed() {
    let Some(network) = Network::new() else { return };
    let directory = Directory::new();
    let path = directory.socket(5560);
    let mut holder = network.start("hold", path.to_str().unwrap());
    let (tcp, unix) = (holder.numbers(), holder.numbers());
    let port = u16::try_from(tcp[2]).unwrap();

    let older = older_sockets(Some(&[holder.pid()]), &[port]);
    assert_eq!(older.problems, Vec::<String>::new());
    let seen: Vec<_> =
        older.sockets.iter().map(|s| (s.inode, s.cookie, s.server.clone(), s.certain)).collect();
    let tcp_server = Server::Tcp(Ipv4Addr::LOCALHOST.into(), port);
    let mut expected = [(tcp[0], tcp[1], tcp_server, true), (unix[0], unix[1], directory.server(5560), true)];
    expected.sort_by_key(|(inode, ..)| *inode);
    assert_eq!(seen, expected);

    let wanted = [(holder.pid(), By::Cookie(unix[1])), (holder.pid(), By::Inode(tcp[0]))];
    let found: Vec<_> = sockets(&wanted, &[port]).into_iter().map(|s| s.map(|s| s.inode)).collect();
    assert_eq!(found, [Some(unix[0]), Some(tcp[0])]);

    let asked = [(holder.pid(), unix[0])];
    let mut watch = UnixSockets::new();
    assert_eq!(watch.gone(&asked), []);
    holder.go_on();
    assert_eq!(holder.told(), "closed");
    assert_eq!(watch.gone(&asked), asked);
}

#[test]
fn a_unix_client_in_another_network_namespace_is_known_by_its_server_in_this_one() {
    let Some(network) = Network::new() else { return };
    let directory = Directory::new();
    let path = directory.socket(5561);
    let own = unix(&path);
    let mut client = network.start("connect", path.to_str().unwrap());
    let told = client.numbers();
    let _accepted = own.listener.accept().unwrap();
    let found = older_sockets(Some(&[client.pid()]), &[]).sockets;
    let seen = with_inode(&found, told[0]).unwrap();
    assert_eq!((seen.cookie, &seen.server), (told[1], &directory.server(5561)));
}

#[test]
fn a_namespace_is_let_go_when_nobody_asks_for_it() {
    let Some(network) = Network::new() else { return };
    let file = std::fs::File::open(format!("/run/netns/{}", network.0)).unwrap();
    let mut namespaces = Namespaces::default();
    namespaces.enter(&file).unwrap();
    namespaces.enter(&file).unwrap();
    assert_eq!(namespaces.len(), 1);
    namespaces.end_round();
    assert_eq!(namespaces.len(), 1);
    namespaces.enter(&file).unwrap();
    namespaces.end_round();
    assert_eq!(namespaces.len(), 1);
    namespaces.end_round();
    assert_eq!(namespaces.len(), 0);
}

#[test]
fn without_privilege_the_files_are_read_and_the_lack_is_told() {
    let Some(network) = Network::new() else { return };
    let directory = Directory::new();
    let mut holder = network.start("hold", directory.socket(5562).to_str().unwrap());
    let (tcp, _unix) = (holder.numbers(), holder.numbers());
    let argument = format!("{} {}", holder.pid(), tcp[2]);
    let mut scan =
        Another::start(&["setpriv", "--bounding-set=-sys_admin"], &this_program(), "scan", &argument);
    assert_eq!(scan.numbers(), [1]);
    assert_eq!(scan.numbers(), [tcp[0], 0]);
    assert_eq!(scan.numbers(), [1]);
    let problem = scan.told();
    assert!(problem.contains("network namespace") && problem.contains("CAP_SYS_ADMIN"), "{problem}");
}

#[test]
fn processes_that_may_not_be_read_are_told_once() {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        return println!("skipped: only root can become somebody with fewer rights");
    }
    let directory = Directory::new();
    let own = unix(&directory.socket(5563));
    assert_ne!(cookie(&own.client), 0);
    let argument = format!("{} 1", std::process::id());
    let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut scan = Another::start(&before, &this_program(), "scan", &argument);
    assert_eq!(scan.numbers(), [0]);
    assert_eq!(scan.numbers(), [1]);
    let problem = scan.told();
    assert!(problem.contains("processes may not be read"), "{problem}");
}
