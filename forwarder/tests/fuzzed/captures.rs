//! Captures: whatever the octets are, reading comes to an end, and what was read can be written and
//! read again.

use weir::io::pcap::{Captured, Reader, Writer};

/// Takes `input` for a capture.
pub fn run(input: &[u8]) {
    let (mut frames, _) = read(input);
    // What a pcap can hold: times until 2106.
    frames.retain(|(captured, _)| u32::try_from(captured.time_ns / 1_000_000_000).is_ok());
    let mut octets = Vec::new();
    let mut writer = Writer::new(&mut octets).unwrap();
    for (captured, frame) in &frames {
        writer.write(captured.time_ns, frame).unwrap();
    }
    writer.finish().unwrap();
    let (again, whole) = read(&octets);
    assert!(whole, "what was written can be read");
    let said = |(captured, frame): &(Captured, Vec<u8>)| (captured.time_ns, frame.clone());
    assert!(frames.iter().map(said).eq(again.iter().map(said)));
}

/// All frames up to the end or the first fault; whether there was none.
fn read(octets: &[u8]) -> (Vec<(Captured, Vec<u8>)>, bool) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new(octets) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return (frames, false);
        }
    };
    let mut frame = Vec::new();
    loop {
        match reader.next_frame(&mut frame) {
            Ok(Some(captured)) => frames.push((captured, frame.clone())),
            Ok(None) => return (frames, true),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return (frames, false);
            }
        }
    }
}
