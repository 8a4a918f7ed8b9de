//! One file per record, named by the domain word that probe, event and test share.

mod close;
mod connect;
mod connection;
mod counter;
mod header;
mod open;
mod process;
mod request;
mod secured;
mod settings;
mod socket;
mod startup;

pub use self::{
    close::{Close, ended_by},
    connect::ConnectFailed,
    connection::{Connection, HEAD, Half, QUEUE, Waiting, phase},
    counter::Counter,
    header::{Header, Kind, Record},
    open::{Open, UNIX_PATH_LEN},
    process::{Exec, Exit, Fork},
    request::{Request, RequestKind, TAG_LEN, flags},
    secured::{Secured, by},
    settings::{CALLS, Offsets, call, standing, watch},
    socket::family,
    startup::{STARTUP_LEN, Startup},
};
