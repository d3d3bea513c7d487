//! Configurations: whatever a text says, it is taken whole or refused whole, and every problem is
//! at a place in it.

use weir::{
    config::{Checked, Config},
    control::{Director, PortEnds, Seeds},
    io::{
        Now,
        memory::{MemoryPool, MemoryPort},
    },
    snapshot::SlotHash,
    wire::Mac,
};

/// Takes `input` for the text of a configuration.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Checked::parse(text, FILE) {
        Ok(checked) => {
            let warned: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
            for line in &warned {
                is_within(text, line);
            }
            let commented = format!("// Says nothing.\n{text} /* nor does this */");
            let again = Checked::parse(&commented, FILE).unwrap();
            assert_eq!(checked.config, again.config);
            assert_eq!(checked.warnings.len(), again.warnings.len());

            start(&checked.config);
        }
        Err(refused) => refused
            .to_string()
            .split(FILE)
            .skip(1)
            .for_each(|line| is_within(text, &format!("{FILE}{line}"))),
    }
}

/// What is valid is compiled, or refused with a reason. Large tables would take their time.
fn start(config: &Config) {
    if config.dpdk.workers.len() > 4 || config.tables.ring_bursts > 1024 {
        return;
    }
    let ends = config.ports.iter().map(|_| PortEnds::<MemoryPort> {
        mac: Mac([2, 0, 0, 0, 0, 1]),
        queues: Vec::new(),
        tx_queues: 1,
    });
    let seeds = Seeds {
        slots: SlotHash::Keyed(7),
        sessions: 7,
    };
    let now = Now::from_ms(1000);
    if let Err(error) = Director::new(config, ends.collect(), MemoryPool, &seeds, now) {
        assert!(!error.to_string().is_empty());
    }
}

/// Stands in no input.
const FILE: &str = "\u{1}.ron";

/// Whether a line says where in the text it has found something.
fn is_within(text: &str, line: &str) {
    let place = line
        .strip_prefix(FILE)
        .and_then(|line| line.strip_prefix(':'));
    let mut numbers = place.unwrap_or_default().split(':');
    let mut number = || {
        numbers
            .next()
            .and_then(|number| number.parse::<usize>().ok())
    };
    let (Some(at), Some(column)) = (number(), number()) else {
        panic!("no place: {line}");
    };
    // Behind the last line is where a text may end too early.
    let lines = text.split('\n').count();
    let characters = text
        .split('\n')
        .nth(at.wrapping_sub(1))
        .map(|line| line.chars().count());
    let most = characters.unwrap_or_else(|| panic!("line {at} of {lines}: {line}")) + 1;
    assert!(
        (1..=most).contains(&column),
        "column {column} of {most}: {line}"
    );
}
