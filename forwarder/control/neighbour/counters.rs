//! What the machine counts.

/// What became of frames and neighbours since the start.
///
/// Every frame given to `arp` is counted once among the first seven. A frame given to `resolve`
/// is sent, waits, or is counted once among the next five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// ARP frames that are cut short, speak no Ethernet and IPv4, name no possible sender, or are
    /// neither request nor reply.
    pub malformed: u64,
    /// ARP frames of ours that came back.
    pub looped: u64,
    /// ARP frames of somebody else who claims an address of ours.
    pub conflicts: u64,
    /// Requests for an address of ours; the frame became the answer.
    pub answered: u64,
    /// Requests for an address that is not ours on that port.
    pub not_ours: u64,
    /// Replies of a neighbour that is known or being asked.
    pub replies: u64,
    /// Replies of anybody else.
    pub unsolicited: u64,

    /// Frames without an Ethernet header to complete.
    pub no_header: u64,
    /// Frames for an address that can be no neighbour on that port.
    pub not_on_link: u64,
    /// Frames for a neighbour that does not answer, or that was given up before it did.
    pub unresolved: u64,
    /// Frames that were one too many to wait.
    pub waiting_full: u64,
    /// Frames for a neighbour that was one too many to ask.
    pub table_full: u64,

    /// Frames to send, of all kinds, that were one too many before `next_output` fetched them.
    pub sends_full: u64,
    /// Events of which the same is true.
    pub events_full: u64,
    /// Senders of requests that were one too many to remember.
    pub unlearned: u64,
    /// Neighbours that made room for others before their time.
    pub evicted: u64,
    /// Requests sent to find or to confirm a neighbour.
    pub asked: u64,
    /// Gratuitous requests sent.
    pub announced: u64,
    /// Probes for somebody else who answers for an address of ours.
    pub probed: u64,
    /// Requests of these three kinds that were not sent, for want of a frame.
    pub pool_dry: u64,
}
