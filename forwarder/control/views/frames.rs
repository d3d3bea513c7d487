//! What became of frames, and who carried them.

use serde::{Deserialize, Serialize};

use super::{Change, Hop, Neighbour, Port, Service, Session, Template};

/// A reason for drops, and how many there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// Its name.
    pub reason: String,
    /// Where it is decided: `link`, `network`, `session`, `management`.
    pub layer: String,
    /// One sentence: what is wrong with such a packet, or what weir lacked.
    pub description: String,
    /// Of all workers together.
    pub packets: u64,
    /// Of each worker by its index; empty where the management thread is who drops.
    pub worker_packets: Vec<u64>,
}

/// A worker. For all of them together everything is accounted for: received + injected + made =
/// sent + dropped + punted + what is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its place in the configuration.
    pub index: u16,
    /// The core it is pinned to.
    pub core: u16,
    /// What it does without frames: `spin`, `sleep`.
    pub idle: String,
    /// The share of its turns that moved a frame, 0 to 1.
    pub busy: f64,
    /// Its turns, those without a frame too.
    pub turns: u64,
    /// Turns that moved no frame.
    pub idle_turns: u64,
    /// Nanoseconds of the turns that moved a frame.
    pub busy_ns: u64,
    /// Nanoseconds since the program began.
    pub uptime_ns: u64,
    /// Sessions in its table.
    pub sessions: u64,
    /// Sessions its table has room for.
    pub session_capacity: u64,
    /// Sessions that had to go for new ones before their time.
    pub sessions_evicted: u64,
    /// New sessions for which there was no room.
    pub sessions_refused: u64,
    /// New sessions for which no local port was left.
    pub sessions_out_of_ports: u64,
    /// Sources of sessions that had to be forgotten, and their rates with them.
    pub sources_forgotten: u64,
    /// Sessions that ended because their backend was gone.
    pub sessions_gone: u64,
    /// New flows of persistent services whose client could not be remembered.
    pub templates_full: u64,
    /// Frames that were captured, but for want of room not copied.
    pub uncopied: u64,
    /// Frames received from ports.
    pub received: u64,
    /// Frames that the management thread gave it to send.
    pub injected: u64,
    /// Frames made here for the pieces of others.
    pub made: u64,
    /// Frames that other workers handed over to it.
    pub taken_over: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames dropped.
    pub dropped: u64,
    /// Frames given to the management thread.
    pub punted: u64,
    /// Frames handed over to their owners.
    pub handed_over: u64,
    /// Fragments that wait for the first of their datagram.
    pub waiting: u64,
    /// Frames that it turned into ICMP answers, and sent.
    pub answered: u64,
}

/// What a replay counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The captures that came in.
    pub captures: Vec<Capture>,
    /// Nanoseconds from the first frame to the end.
    pub virtual_ns: u64,
    /// All services with their backends.
    pub services: Vec<Service>,
    /// The sessions that are left.
    pub sessions: Vec<Session>,
    /// The templates that are left.
    pub templates: Vec<Template>,
    /// All ports.
    pub ports: Vec<Port>,
    /// All neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Every reason for drops, those that never occurred too.
    pub drops: Vec<Drop>,
    /// All workers.
    pub workers: Vec<Worker>,
}

/// A capture that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The name of the port that its frames came in on.
    pub port: String,
    /// The file.
    pub file: String,
    /// Frames in it.
    pub frames: u64,
    /// Those that were left out, since the capture has only their beginning.
    pub cut_frames: u64,
    /// Those with a time before that of the frame before them; they came when that one did.
    pub disordered_frames: u64,
}

/// What became of a frame that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The capture's file.
    pub capture: String,
    /// The place in the capture, from 1.
    pub number: u64,
    /// Nanoseconds since the first frame of all captures.
    pub virtual_ns: u64,
    /// The name of the port that it came in on.
    pub port: String,
    /// The frame in one line.
    pub frame: String,
    /// The name of the service that it belongs to.
    pub service: Option<String>,
    /// The name of the backend that it goes to or comes from.
    pub backend: Option<String>,
    /// From the client or to it; none for what belongs to no session.
    pub direction: Option<Direction>,
    /// Whether a session began.
    pub new_session: bool,
    /// Whether its flow is another worker's than the one that received it.
    pub handed_over: bool,
    /// The session that it belongs to, as it stands behind it.
    pub session: Option<Session>,
    /// Where it, or the answer to it, goes next.
    pub hop: Option<Hop>,
    /// What was changed in it, but for the MACs, if it went on.
    pub changes: Vec<Change>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was dropped, what was answered, why the management thread got it.
    pub reason: Option<String>,
    /// What went out because of it, before the next frame.
    pub sent: Vec<Sent>,
}

/// A frame that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The port's name.
    pub port: String,
    /// The frame in one line.
    pub frame: String,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It went on.
    Forward,
    /// It became an answer to its sender.
    Answer,
    /// The management thread got it.
    Punt,
    /// It is a fragment, and the first of its datagram has not come.
    Wait,
    /// It ended.
    Drop,
    /// It never came in, since the capture has only its beginning.
    LeftOut,
}

/// Between client and backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the backend.
    Forward,
    /// To the client.
    Reverse,
}
