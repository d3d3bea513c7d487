//! A row of the table: a configuration, and steps. Each step puts frames in and says exactly which
//! frames come out and which counters move; no other may move.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use weir::{
    io::{Frame, PortIx, memory::MemoryFrame},
    path::DropReason,
};

use crate::rig::Rig;

/// A row.
pub struct Case {
    name: String,
    config: String,
    tx_queues: u8,
    steps: Vec<Step>,
}

type Act = Box<dyn Fn(&mut Rig)>;

#[derive(Default)]
struct Step {
    pass_ms: u64,
    rx: Vec<(u8, usize, MemoryFrame)>,
    act: Option<Act>,
    tx: Vec<(u8, MemoryFrame)>,
    moved: BTreeMap<String, u64>,
    active: Option<String>,
    /// It only leads to what the row is about.
    any: bool,
}

/// What can be given as a frame.
pub trait IntoFrame {
    fn into_frame(self) -> MemoryFrame;
}

impl IntoFrame for MemoryFrame {
    fn into_frame(self) -> MemoryFrame {
        self
    }
}

impl IntoFrame for Vec<u8> {
    fn into_frame(self) -> MemoryFrame {
        MemoryFrame::new(&self)
    }
}

impl IntoFrame for &Vec<u8> {
    fn into_frame(self) -> MemoryFrame {
        MemoryFrame::new(self)
    }
}

/// A row without steps.
pub fn case(name: impl Into<String>, config: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        config: config.into(),
        tx_queues: u8::MAX,
        steps: Vec::new(),
    }
}

impl Case {
    /// At most so many transmit queues a port.
    pub fn tx_queues(self, tx_queues: u8) -> Self {
        Self { tx_queues, ..self }
    }

    /// A step: this frame is received by worker 0.
    pub fn rx(self, port: u8, frame: impl IntoFrame) -> Self {
        self.rx_by(0, port, frame)
    }

    /// A step: this frame is received by a worker.
    pub fn rx_by(self, worker: usize, port: u8, frame: impl IntoFrame) -> Self {
        self.step(Step {
            rx: vec![(port, worker, frame.into_frame())],
            ..Step::default()
        })
    }

    /// One more frame for worker 0, in the same step.
    pub fn and(mut self, port: u8, frame: impl IntoFrame) -> Self {
        self.last().rx.push((port, 0, frame.into_frame()));
        self
    }

    /// A step: time passes, with nothing received.
    pub fn wait_ms(self, pass_ms: u64) -> Self {
        self.step(Step {
            pass_ms,
            ..Step::default()
        })
    }

    /// A step that rows have no words for. It ends with everything settled.
    pub fn act(self, act: impl Fn(&mut Rig) + 'static) -> Self {
        self.step(Step {
            act: Some(Box::new(act)),
            ..Step::default()
        })
    }

    /// Of the last step: so much time passed before it.
    pub fn after_ms(mut self, pass_ms: u64) -> Self {
        self.last().pass_ms = pass_ms;
        self
    }

    /// Of the last step: this frame comes out, after those already named.
    pub fn tx(mut self, port: u8, frame: impl IntoFrame) -> Self {
        self.last().tx.push((port, frame.into_frame()));
        self
    }

    /// Of the last step: these counters move, by one or as in `name=2`.
    pub fn moved(mut self, names: &str) -> Self {
        for name in names.split_whitespace() {
            let (name, count) = name.split_once('=').unwrap_or((name, "1"));
            *self.last().moved.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
        self
    }

    /// Of the last step, a frame or more that all end here.
    pub fn drops(mut self, reason: &str) -> Self {
        let port = self.last().rx[0].0;
        let count = self.last().rx.len();
        self.moved(&format!("port{port}.rx={count} drop.{reason}={count}"))
    }

    /// Of the last step: what comes out, and what moves, is other rows' business.
    pub fn any(mut self) -> Self {
        self.last().any = true;
        self
    }

    /// After the last step: active and inactive connections of each backend, as in `"1/0 0/0"`.
    pub fn active(mut self, counts: &str) -> Self {
        self.last().active = Some(counts.to_owned());
        self
    }

    /// The drop reasons that this row is about.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        let moved = self.steps.iter().flat_map(|step| step.moved.keys());
        moved.filter_map(|name| name.strip_prefix("drop."))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("the row has a step")
    }

    fn run(&self) {
        let mut rig = Rig::with_tx_queues(&self.config, self.tx_queues);
        for (at, step) in self.steps.iter().enumerate() {
            let at = format!("{}, step {at}", self.name);
            let (frames, moved) = step.run(&mut rig);
            let show = |frames: &[(u8, MemoryFrame)]| -> Vec<_> {
                frames
                    .iter()
                    .map(|(port, frame)| show(*port, frame))
                    .collect()
            };
            if !step.any {
                assert_eq!(show(&frames), show(&step.tx), "{at}: frames out");
                assert_eq!(moved, step.moved, "{at}: counters moved");
            }
            if let Some(active) = &step.active {
                assert_eq!(&active_of(&rig), active, "{at}: active/inactive");
            }
            rig.check_books();
        }
        assert!(!self.steps.is_empty(), "{}: nothing is checked", self.name);
    }
}

impl Step {
    /// What came out, and what moved.
    fn run(&self, rig: &mut Rig) -> (Vec<(u8, MemoryFrame)>, BTreeMap<String, u64>) {
        let (before, octets) = (rig.counted_everywhere(), octets_sent(rig));
        rig.pass_ms(self.pass_ms);
        if let Some(act) = &self.act {
            act(rig);
            if self.any {
                rig.settle();
                rig.take_all();
                return (Vec::new(), BTreeMap::new());
            }
        }
        for (port, worker, frame) in &self.rx {
            rig.receive_frame(*port, *worker, frame.clone());
        }
        rig.settle();
        let mut frames = Vec::new();
        for port in 0..u8::try_from(rig.ports.len()).unwrap() {
            let sent = rig.take_frames(port);
            frames.extend(sent.into_iter().map(|frame| (port, frame)));
        }
        let sent: usize = frames.iter().map(|(_, frame)| frame.octets()).sum();
        assert_eq!(octets_sent(rig) - octets, sent as u64, "octets sent");
        let mut moved = rig.counted_everywhere();
        for (name, count) in before {
            *moved.get_mut(&name).expect("no counter goes back") -= count;
        }
        // What is announced as time passes is not what rows are about.
        moved.remove("arp.announced");
        moved.remove("arp.probed");
        frames.retain(|(port, frame)| {
            let announced = is_announcement(frame.head());
            if announced {
                *moved.get_mut("injected").expect("it was counted") -= 1;
                *moved
                    .get_mut(&format!("port{port}.tx"))
                    .expect("it was counted") -= 1;
            }
            !announced
        });
        moved.retain(|_, count| *count > 0);
        (frames, moved)
    }
}

/// Runs rows, all of them even if some fail.
pub fn run(cases: &[Case]) {
    let failed: Vec<&str> = cases
        .iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| case.run())).is_err())
        .map(|case| case.name.as_str())
        .collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// The drop reasons that no row is about.
pub fn not_covered(cases: &[Case]) -> Vec<&'static str> {
    let covered: Vec<&str> = cases.iter().flat_map(Case::reasons).collect();
    let names = DropReason::ALL.iter().map(|reason| reason.name());
    names.filter(|name| !covered.contains(name)).collect()
}

fn octets_sent(rig: &Rig) -> u64 {
    let ports = || (0..).map(PortIx).take(rig.ports.len());
    let counters = rig.counters.iter();
    counters
        .flat_map(|counters| ports().filter_map(|port| counters.port(port)))
        .map(|port| port.tx.octets.get())
        .sum()
}

/// Active and inactive connections of each backend, all workers together.
pub fn active_of(rig: &Rig) -> String {
    let tables: Vec<_> = rig
        .workers
        .iter()
        .map(|worker| worker.sessions().counts())
        .collect();
    let backend = |ix: usize| {
        let sums = tables.iter().fold((0, 0), |sums, counts| {
            (sums.0 + counts[ix].active(), sums.1 + counts[ix].inactive())
        });
        format!("{}/{}", sums.0, sums.1)
    };
    let roster = rig.manager.roster();
    let roster = roster.borrow();
    let backends: Vec<_> = roster
        .numbers()
        .map(|number| backend(number.index()))
        .collect();
    backends.join(" ")
}

/// Gratuitous ARP, and probes for our own addresses; the same of neighbour discovery.
fn is_announcement(octets: &[u8]) -> bool {
    if octets.starts_with(&[0x33, 0x33]) && octets.get(20) == Some(&58) {
        let probe = octets.get(54) == Some(&135) && octets.get(22..38) == Some(&[0; 16]);
        return probe || octets.get(54) == Some(&136);
    }
    let Some(arp) = octets
        .strip_prefix(&[0xff; 6])
        .and_then(|rest| rest.get(6..))
    else {
        return false;
    };
    let request = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    let sender = arp.get(16..20);
    arp.starts_with(&request) && (sender == arp.get(26..30) || sender == Some(&[0; 4]))
}

/// A frame in hexadecimal, word by word, with what lies in further segments.
fn show(port: u8, frame: &MemoryFrame) -> String {
    let head = frame.head();
    let words: Vec<String> = head
        .chunks(2)
        .map(|word| match *word {
            [high, low] => format!("{high:02x}{low:02x}"),
            [last] => format!("{last:02x}"),
            _ => String::new(),
        })
        .collect();
    let tail = frame.octets() - head.len();
    let words = words.join(" ");
    format!("port {port}, {} + {tail} octets: {words}", head.len())
}
