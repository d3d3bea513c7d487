//! What comes in: scripts of what clients and others send, and the backends that answer what
//! comes out.

#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    clippy::missing_panics_doc,
    reason = "each test program uses a part of it"
)]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod net;
mod script;

pub use net::{
    Arms, BACKENDS, CLIENTS, Flow, LIPS, answers, backend_mac, client_mac, config, far, flow,
};
pub use script::{Ports, Script, Step, allow_fragments, arp_reply, frame, is_full_nat, script};
