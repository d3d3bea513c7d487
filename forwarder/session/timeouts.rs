//! How long an idle session is kept.

use super::tcp::State;

/// Idle times of one service, in milliseconds. The defaults are those of IPVS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    tcp_ms: [u32; State::COUNT],
    udp_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];
        Self {
            tcp_ms: seconds.map(|s| s * 1000),
            udp_ms: 300_000,
        }
    }
}

impl Timeouts {
    /// How long a TCP session may be idle in `state`, in milliseconds.
    pub fn tcp_ms(&self, state: State) -> u32 {
        self.tcp_ms.get(state as usize).copied().unwrap_or_default()
    }

    /// How long a UDP session may be idle, in milliseconds.
    pub fn udp_ms(&self) -> u32 {
        self.udp_ms
    }

    /// Sets the idle time of one TCP state, in milliseconds.
    pub fn set_tcp_ms(&mut self, state: State, ms: u32) {
        if let Some(slot) = self.tcp_ms.get_mut(state as usize) {
            *slot = ms;
        }
    }

    /// Sets the idle time of UDP, in milliseconds.
    pub fn set_udp_ms(&mut self, ms: u32) {
        self.udp_ms = ms;
    }
}
