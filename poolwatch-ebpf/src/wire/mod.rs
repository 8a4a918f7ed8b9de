//! One file per record, named by the domain word that probe, event and test share.

mod close;
mod connect;
mod connection;
mod counter;
mod execute;
mod header;
mod message;
mod name;
mod open;
mod process;
mod request;
mod secured;
mod settings;
mod socket;
mod startup;
mod statement;

pub use self::{
    close::{Close, ended_by},
    connect::ConnectFailed,
    connection::{Connection, Deep, HEAD, Half, QUEUE, Waiting, phase},
    counter::Counter,
    execute::{BOUND, Execute},
    header::{Header, Kind, Record},
    message::{Message, NAMES_LEN, PIECE_LEN, TEXT_LEN, most_told},
    name::{NAME_LEN, NAME_SEED, add_to_name, finish_name, name_hash},
    open::{Open, UNIX_PATH_LEN},
    process::{Exec, Exit, Fork},
    request::{Request, RequestKind, TAG_LEN, flags},
    secured::{Secured, by},
    settings::{CALLS, Offsets, call, standing, watch},
    socket::family,
    startup::{STARTUP_LEN, Startup},
    statement::Statement,
};
