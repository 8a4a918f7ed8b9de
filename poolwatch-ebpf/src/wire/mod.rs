//! One file per record, named by the domain word that probe, event and test share.

mod begun;
mod borrow;
mod close;
mod connect;
mod connection;
mod counter;
mod demand;
mod execute;
mod header;
mod inbound;
mod message;
mod name;
mod open;
mod parked;
mod process;
mod request;
mod secured;
mod settings;
mod socket;
mod startup;
mod statement;
mod thread;

pub use self::{
    begun::Begun,
    borrow::{Borrow, borrowing, exit},
    close::{Close, ended_by},
    connect::ConnectFailed,
    connection::{Connection, Deep, HEAD, Half, IN_VAIN, QUEUE, Waiting, phase},
    counter::Counter,
    demand::{Demand, Served, protocol},
    execute::{BOUND, Execute},
    header::{Header, Kind, Record},
    inbound::{Inbound, side},
    message::{Message, NAMES_LEN, PIECE_LEN, TEXT_LEN, most_told},
    name::{NAME_LEN, NAME_SEED, UNNAMED, add_to_name, finish_name, name_hash},
    open::{Open, UNIX_PATH_LEN},
    parked::{Parked, parking},
    process::{Exec, Exit, Fork},
    request::{Request, RequestKind, TAG_LEN, flags},
    secured::{Secured, by},
    settings::{CALLS, Offsets, call, pause, standing, watch},
    socket::family,
    startup::{STARTUP_LEN, Startup},
    statement::Statement,
    thread::Thread,
};
