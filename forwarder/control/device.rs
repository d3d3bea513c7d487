//! What devices tell.

use super::views;

/// What a device tells of itself.
#[derive(Clone, Debug, Default)]
pub struct DeviceFacts {
    /// The driver's name.
    pub driver: String,
    /// Its address.
    pub mac: String,
    /// Whether there is a carrier.
    pub link_up: bool,
    /// Megabits a second, where the driver knows.
    pub speed_mbps: Option<u32>,
    /// What the driver counts.
    pub counters: views::DriverCounters,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
}
