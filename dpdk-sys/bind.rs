//! Finds the DPDK of the distribution, binds what weir uses of it and compiles the shim.

use std::{env, panic, path::PathBuf, process::Command};

/// Every function that is bound; the static inlines among DPDK's come from shim.c.
const FUNCTIONS: &[&str] = &[
    "rte_eal_cleanup",
    "rte_eal_init",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_configure",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_info_get",
    "rte_eth_dev_rss_reta_update",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_macaddr_get",
    "rte_eth_allmulticast_enable",
    "rte_eth_promiscuous_enable",
    "rte_eth_rx_queue_setup",
    "rte_eth_stats_get",
    "rte_eth_tx_queue_setup",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_pool_create",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "shim_.*",
];

/// Every type that is bound; what these hold by value comes along.
const TYPES: &[&str] = &[
    "rte_eth_conf",
    "rte_eth_dev_info",
    "rte_eth_rss_reta_entry64",
    "rte_eth_stats",
    "rte_ether_addr",
];

/// Held by pointer only, or by value where nobody looks. `rte_mbuf` is written by hand in
/// src/mbuf.rs, because its fields sit in unnamed unions that move between DPDK's releases.
const OPAQUE: &[&str] = &["rte_device", "rte_mempool"];

const CONSTANTS: &[&str] = &["SHIM_.*"];

/// The libraries of the functions above. Drivers are not linked: EAL loads them from its plugin
/// directory.
const LIBRARIES: &[&str] = &["rte_eal", "rte_ethdev", "rte_mbuf", "rte_mempool"];

const INSTALL: &str = "On Debian install libdpdk-dev, libclang-dev and pkg-config, \
    or build without DPDK by --no-default-features.";

/// Does all of it.
pub(crate) fn main() {
    println!("cargo::rerun-if-changed=bind.rs");
    println!("cargo::rerun-if-changed=shim.h");
    println!("cargo::rerun-if-changed=shim.c");

    let dpdk = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .env_metadata(true)
        .print_system_libs(false)
        .probe("libdpdk")
        .unwrap_or_else(|error| panic!("DPDK was not found. {INSTALL}\n{error}"));
    let mut flags: Vec<String> = dpdk
        .include_paths
        .iter()
        .map(|path| format!("-I{}", path.display()))
        .collect();
    flags.extend(other_flags());

    bind(&flags);
    compile(&flags);
    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    // Read by weir's own build script as DEP_DPDK_VERSION and DEP_DPDK_LIBDIR.
    println!("cargo::metadata=version={}", dpdk.version);
    if let Some(path) = dpdk.link_paths.first() {
        println!("cargo::metadata=libdir={}", path.display());
    }
}

/// The flags that pkg-config's crate keeps to itself: `-include rte_config.h` and `-march`, without
/// which DPDK's headers do not compile.
fn other_flags() -> Vec<String> {
    let output = Command::new(env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into()))
        .args(["--cflags-only-other", "libdpdk"])
        .output()
        .unwrap_or_else(|error| panic!("pkg-config was not found. {INSTALL}\n{error}"));
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn bind(flags: &[String]) {
    // Without libclang bindgen panics, and its text names no package.
    if panic::catch_unwind(bindgen::clang_version).is_err() {
        panic!("libclang was not found. {INSTALL}");
    }
    let mut builder = bindgen::Builder::default()
        .header("shim.h")
        .clang_args(flags)
        .blocklist_type("rte_mbuf.*")
        .prepend_enum_name(false)
        .generate_comments(false)
        .derive_default(true);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    builder
        .generate()
        .unwrap_or_else(|error| panic!("DPDK's headers could not be bound: {error}"))
        .write_to_file(out.join("binding.rs"))
        .expect("OUT_DIR can be written to");
}

fn compile(flags: &[String]) {
    let mut build = cc::Build::new();
    build.file("shim.c").opt_level(3).warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("dpdk_shim");
}
