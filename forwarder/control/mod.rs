//! The management thread: everything that may block or takes long.

pub mod api;
mod books;
mod clock;
mod compile;
mod director;
mod exchange;
pub mod explain;
mod fate;
pub mod host;
mod idle;
mod inquirer;
mod manager;
mod metrics;
mod neighbour;
mod observer;
mod rates;
pub mod replay;
mod schedulers;
mod serve;
pub mod socket;
mod summary;
mod tally;
mod threads;
pub mod views;
mod zero;

pub use api::{Door, Listeners};
pub use books::{Books, DeviceFacts};
pub use clock::Clock;
pub use compile::{CompileError, compile};
pub use director::{Director, PortEnds, Seeds};
pub use manager::Manager;
pub use observer::Observer;
pub use serve::{End, Signals, serve};
pub use socket::Socket;
pub use threads::{Manner, Seen, Threads};
