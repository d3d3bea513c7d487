//! A TAP: an interface of the kernel whose wire is a file.

use std::io;

use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::End;
use crate::wire::Mac;

/// Why there is no TAP.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the TAP `{name}`: {source}")]
pub struct TapError {
    /// What it was to be called.
    name: String,
    /// What the system says.
    source: io::Error,
}

/// A TAP. The interface goes with it, however the program ends.
pub struct Tap {
    device: SyncDevice,
}

impl Tap {
    /// Makes an interface that is down and has no addresses yet.
    ///
    /// # Errors
    ///
    /// That there is such an interface already, or that the right to make one is missing.
    pub fn new(name: &str, mac: Mac, mtu: u16) -> Result<Self, TapError> {
        let made = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L2)
            .mac_addr(mac.0)
            .mtu(mtu)
            .enable(false)
            .build_sync();
        let device = made.and_then(|device| {
            device.set_nonblocking(true)?;
            Ok(device)
        });
        device
            .map(|device| Self { device })
            .map_err(|source| TapError {
                name: name.to_owned(),
                source,
            })
    }
}

impl End for Tap {
    fn take(&mut self, into: &mut [u8]) -> Option<usize> {
        self.device.recv(into).ok()
    }

    fn give(&mut self, frame: &[u8]) -> bool {
        self.device.send(frame).is_ok()
    }
}
