#![no_main]
#![allow(
    dead_code,
    unused,
    reason = "each target uses a part of what they share"
)]

#[path = "../../forwarder/tests/fuzzed/mod.rs"]
mod fuzzed;
#[path = "../../forwarder/tests/rig/mod.rs"]
mod rig;
#[path = "../../forwarder/tests/traffic/mod.rs"]
mod traffic;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzed::wire::run(input));
