//! The frames that timed measurements use: DPDK's, as the program does, where it is built in.

use anyhow::{Context, Result, ensure};
use core_affinity::CoreId;

#[cfg(feature = "dpdk")]
use weir::dpdk::MbufPool as Pool;

#[cfg(not(feature = "dpdk"))]
use super::buffers::Buffers as Pool;

/// Where frames come from. What is in it goes in this order.
pub struct Frames {
    pub pool: Pool,
    /// What they are made of, as reports say it.
    pub made_of: String,
    #[cfg(feature = "dpdk")]
    _leftovers: Leftovers,
}

/// Pins the calling thread to a core and makes frames for it.
pub fn on_core(core: u16) -> Result<Frames> {
    ensure!(
        core_affinity::set_for_current(CoreId { id: core.into() }),
        "this machine, or its cpuset, has no core {core}"
    );
    make(core).context("no frames")
}

/// The folder that DPDK makes for other processes of its, and never removes. Without root it is
/// elsewhere, and stays.
#[cfg(feature = "dpdk")]
struct Leftovers(std::path::PathBuf);

#[cfg(feature = "dpdk")]
impl Drop for Leftovers {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "dpdk")]
fn make(core: u16) -> Result<Frames> {
    use weir::{
        config::Hugepages,
        dpdk::{Eal, EalOptions, PoolSpec, data_room},
    };
    let file_prefix = format!("weir-bench-{}", std::process::id());
    let leftovers = Leftovers(std::path::Path::new("/var/run/dpdk").join(&file_prefix));
    let eal = Eal::start(&EalOptions {
        main_core: core,
        hugepages: Hugepages::Auto,
        memory_mb: 64,
        file_prefix,
        devices: Vec::new(),
    })?;
    let pool = Pool::new(
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
    Ok(Frames {
        pool,
        made_of: format!("DPDK's buffers on {pages}"),
        _leftovers: leftovers,
    })
}

#[cfg(not(feature = "dpdk"))]
fn make(_core: u16) -> Result<Frames> {
    use weir::io::Pool as _;

    // All buffers are made with the first.
    ensure!(Pool.take(0).is_some(), "there is no buffer");
    Ok(Frames {
        pool: Pool,
        made_of: "buffers of the bench's own".into(),
    })
}
