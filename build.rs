//! The version that the program tells: its own, that of the source and that of DPDK.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_DPDK_VERSION");
    watch_git();
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let commit = commit().unwrap_or_else(|| "unknown".to_owned());
    // Told by dpdk-sys, where it is built.
    let dpdk = env::var("DEP_DPDK_VERSION")
        .map_or_else(|_| "without DPDK".to_owned(), |dpdk| format!("DPDK {dpdk}"));
    println!("cargo::rustc-env=WEIR_VERSION={version} (git {commit}, {dpdk})");
    // A DPDK outside the usual directories is found at run time too.
    if let Ok(directory) = env::var("DEP_DPDK_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{directory}");
    }
}

/// The commit that is checked out, unless this directory is no git repository of its own but lies
/// in one, as an unpacked archive may.
fn commit() -> Option<String> {
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    git(&["rev-parse", "--short=7", "HEAD"])
}

/// HEAD changes when another branch is checked out, its log with every commit.
fn watch_git() {
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
