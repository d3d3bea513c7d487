//! Sessions whose backend is down.

use weir::control::{commands::Command, roster::Health};

use crate::{
    case::{Case, case},
    rig::{Rig, frames::spec},
    world::{B1, B2, BACK, NEW, VIP, inbound, outbound, service, to_b1, to_client, world},
};

/// Says that the first backend is down.
fn down(rig: &mut Rig) {
    let command = Command::SetHealth {
        service: "Tcp-192-0-2-100-80".to_owned(),
        backend: "b0".to_owned(),
        health: Health::Down("no answer".into()),
        weight: None,
    };
    rig.tell(command).expect("there is such a backend");
}

pub fn cases() -> Vec<Case> {
    let open = |name| {
        let config = world(&service("Tcp Nat fo", VIP, &["10.1.0.11:8080*2", B2]));
        case(name, config)
            .rx(0, inbound().tcp("S"))
            .tx(1, to_b1(inbound()).tcp("S"))
            .moved(NEW)
            .rx(1, outbound().tcp("SA"))
            .tx(0, to_client(outbound()).tcp("SA"))
            .moved(BACK)
            .active("1/0 0/0")
            .act(down)
    };
    vec![
        open("what a backend that is down answers")
            .rx(1, spec(1, B1, "192.0.2.9:31337").tcp("A"))
            .drops("backend_gone")
            .active("0/0 0/0"),
        open("a segment to a backend that is down")
            .rx(0, inbound().tcp("A"))
            .drops("no_session")
            .active("0/0 0/0"),
    ]
}
