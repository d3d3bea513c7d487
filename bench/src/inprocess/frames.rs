//! The frames that timed measurements use: DPDK's, as the program does, where it is built in.

use anyhow::{Context, Result, ensure};
use core_affinity::CoreId;

#[cfg(feature = "dpdk")]
pub type Frames = weir::dpdk::MbufPool;

#[cfg(not(feature = "dpdk"))]
pub type Frames = super::buffers::Buffers;

/// Pins the calling thread to a core and makes frames for it; says what they are made of.
pub fn on_core(core: u16) -> Result<(Frames, String)> {
    ensure!(
        core_affinity::set_for_current(CoreId { id: core.into() }),
        "this machine, or its cpuset, has no core {core}"
    );
    make(core).context("no frames")
}

#[cfg(feature = "dpdk")]
fn make(core: u16) -> Result<(Frames, String)> {
    use weir::{
        config::Hugepages,
        dpdk::{Eal, EalOptions, MbufPool, PoolSpec, data_room},
    };
    let eal = Eal::start(&EalOptions {
        main_core: core,
        hugepages: Hugepages::Auto,
        memory_mb: 64,
        file_prefix: format!("weir-bench-{}", std::process::id()),
        devices: Vec::new(),
    })?;
    let pool = MbufPool::new(
        &eal,
        &PoolSpec {
            name: "bench".into(),
            frames: 4095,
            cache: 256,
            data_room: data_room(1500),
        },
    )?;
    let pages = if eal.has_hugepages() {
        "hugepages"
    } else {
        "ordinary pages (whose speed is not that of hugepages)"
    };
    Ok((pool, format!("DPDK's buffers on {pages}")))
}

#[cfg(not(feature = "dpdk"))]
fn make(_core: u16) -> Result<(Frames, String)> {
    use weir::io::Pool;

    // All buffers are made with the first.
    let frame = super::buffers::Buffers.take(0);
    ensure!(frame.is_some(), "there is no buffer");
    Ok((super::buffers::Buffers, "buffers of the bench's own".into()))
}
