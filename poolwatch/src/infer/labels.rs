//! Names: what a pool is called, and which settings speak of its server and service.
//!
//! In come settings and what is known of a pool, out go [`Labels`]. An alias stands for the address
//! everywhere, so that addresses which share one are one server, and no two pools of a process have equal
//! labels. A pool that is not identified has an empty database and user.

use std::net::IpAddr;

use super::{
    fact::Labels,
    settings::{ServerSettings, Settings},
};
use crate::event::{Process, Server};

/// Where a server is, by name: its alias or address, and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Alias, IP address, or directory of the UNIX socket.
    pub address: String,
    /// Port.
    pub port: u16,
}

impl Labels {
    /// Labels of what `process` has at `place` as `user` in `database`.
    pub fn new(process: &Process, place: &Place, database: &str, user: &str) -> Self {
        let Place { address, port } = place;
        Self {
            service: process.service.clone(),
            namespace: process.namespace.clone(),
            pool: format!("{user}@{address}:{port}/{database}"),
            server_address: address.clone(),
            server_port: *port,
            database: database.to_owned(),
            user: user.to_owned(),
        }
    }
}

impl Settings {
    /// Where a server is, by name.
    pub fn place(&self, server: &Server) -> Place {
        let alias = self.server(server).and_then(|entry| entry.alias.clone());
        Place { address: alias.unwrap_or_else(|| server.address()), port: server.port() }
    }

    /// `max_connections` of the server at a place.
    pub fn allowed_at(&self, place: &Place) -> Option<u32> {
        let is_there = |entry: &&ServerSettings| {
            let address = entry.alias.as_ref().unwrap_or(&entry.address);
            *address == place.address && entry.port.is_none_or(|port| port == place.port)
        };
        self.servers.iter().filter(is_there).find_map(|entry| entry.max_connections)
    }

    /// What is set for a server: an entry with its port goes before one for every port.
    fn server(&self, server: &Server) -> Option<&ServerSettings> {
        let named = || self.servers.iter().filter(|entry| is_at(entry, server));
        named()
            .find(|entry| entry.port == Some(server.port()))
            .or_else(|| named().find(|entry| entry.port.is_none()))
    }

    /// The configured size of a service's pools: its own goes before that for every other.
    pub fn max_of(&self, service: &str) -> Option<u32> {
        let sized = |wanted: Option<&str>| {
            self.pool_max.iter().find(|(name, _)| name.as_deref() == wanted).map(|(_, size)| *size)
        };
        sized(Some(service)).or_else(|| sized(None)).filter(|size| *size > 0)
    }
}

fn is_at(entry: &ServerSettings, server: &Server) -> bool {
    match server {
        Server::Tcp(address, _) => entry.address.parse::<IpAddr>().is_ok_and(|named| named == *address),
        Server::Unix(directory, _) => entry.address == *directory,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::{event::ProcessId, infer::process::unnamed};

    fn entry(address: &str, port: Option<u16>, alias: &str) -> ServerSettings {
        let (address, alias) = (address.to_owned(), Some(alias.to_owned()));
        ServerSettings { address, port, alias, max_connections: None }
    }

    fn named(server: &Server) -> String {
        let servers = vec![
            entry("10.0.0.5", None, "any"),
            entry("10.0.0.5", Some(5433), "second"),
            entry("fe80::0:1", None, "six"),
            entry("/run/postgresql", Some(5432), "local"),
        ];
        let settings = Settings { servers, ..Settings::default() };
        let process = unnamed(ProcessId { pid: 1, started: 1 });
        Labels::new(&process, &settings.place(server), "shop", "app").pool
    }

    #[test]
    fn an_alias_stands_for_the_address() {
        let four = |port| Server::Tcp(Ipv4Addr::new(10, 0, 0, 5).into(), port);
        assert_eq!(named(&four(5432)), "app@any:5432/shop");
        assert_eq!(named(&four(5433)), "app@second:5433/shop");
        let six = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        assert_eq!(named(&Server::Tcp(six.into(), 5432)), "app@six:5432/shop");
        assert_eq!(named(&Server::Unix("/run/postgresql".into(), 5432)), "app@local:5432/shop");
        assert_eq!(named(&Server::Unix("/tmp".into(), 5432)), "app@/tmp:5432/shop");
    }

    #[test]
    fn a_servers_limit_is_found_by_its_name() {
        let limited = ServerSettings { max_connections: Some(50), ..entry("10.0.0.5", Some(5433), "db") };
        let servers = vec![entry("10.0.0.5", None, "any"), limited];
        let settings = Settings { servers, ..Settings::default() };
        let at = |address: &str, port| settings.allowed_at(&Place { address: address.to_owned(), port });
        assert_eq!(at("db", 5433), Some(50));
        assert_eq!(at("db", 5432), None);
        assert_eq!(at("10.0.0.5", 5433), None);
    }

    #[test]
    fn a_size_for_the_service_goes_before_one_for_all() {
        let pool_max = vec![(None, 20), (Some("api".to_owned()), 5), (Some("off".to_owned()), 0)];
        let settings = Settings { pool_max, ..Settings::default() };
        assert_eq!(settings.max_of("api"), Some(5));
        assert_eq!(settings.max_of("other"), Some(20));
        assert_eq!(settings.max_of("off"), None);
    }
}
