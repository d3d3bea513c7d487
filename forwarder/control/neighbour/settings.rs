//! The machine's times and bounds.

/// Times, all above zero, and bounds. The defaults are those of Linux's neighbour table and of
/// RFC 5227 where these have one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Neighbours that traffic may make known, over all ports. Wanted and permanent ones come on
    /// top: the configuration bounds those.
    pub neighbours: usize,
    /// Frames that may wait for one neighbour.
    pub waiting_per_neighbour: usize,
    /// Frames that may wait for all neighbours together.
    pub waiting: usize,
    /// Frames and, apart from them, events that may wait for `next_output`.
    pub outputs: usize,
    /// Requests sent before a neighbour counts as failed.
    pub attempts: u8,
    /// From one such request to the next.
    pub attempt_interval_ms: u64,
    /// How long a failed neighbour's frames are dropped at once; also how often a failed neighbour
    /// that is wanted is asked again.
    pub failed_ms: u64,
    /// From a wanted neighbour's answer to the next question whether it is still there.
    pub wanted_confirm_ms: u64,
    /// The same for a neighbour that only traffic made known. It goes when it does not answer.
    pub learned_confirm_ms: u64,
    /// From the time something else than an answer told a wanted neighbour's MAC to the question
    /// whether it is true, and so about how long one lie lasts. Also the least time between two
    /// such questions.
    pub doubt_ms: u64,
    /// Gratuitous requests for each own address at the start.
    pub announcements: u8,
    /// From one of them to the next.
    pub announcement_interval_ms: u64,
    /// From the last of them to the next round, of one.
    pub announcement_refresh_ms: u64,
    /// The least time between two defences of one address, and between two events that one
    /// neighbour moved.
    pub defend_interval_ms: u64,
    /// Between the first questions for many neighbours, or the announcements of many addresses,
    /// so that they come as no burst.
    pub pacing_ms: u64,
    /// The least time between two outputs `Changed`.
    pub changed_interval_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            neighbours: 4096,
            waiting_per_neighbour: 64,
            waiting: 1024,
            outputs: 4096,
            attempts: 3,
            attempt_interval_ms: 1000,
            failed_ms: 5000,
            wanted_confirm_ms: 30_000,
            learned_confirm_ms: 60_000,
            doubt_ms: 100,
            announcements: 2,
            announcement_interval_ms: 1000,
            announcement_refresh_ms: 60_000,
            defend_interval_ms: 10_000,
            pacing_ms: 1,
            changed_interval_ms: 10,
        }
    }
}
