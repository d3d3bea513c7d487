//! `bench`: what weir costs, in figures that carry what is needed to believe them.
//!
//! Each subcommand is a module that makes a [`Report`](report::Report): the machine, a title, and
//! rows. Alternatives that are compared take turns ([`abba`]), and a figure is a median with its
//! spread.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use inprocess::{flood, instructions, path, reload, sessions, turns};
use machine::Cores;

mod abba;
mod binary;
mod dut;
mod e2e;
#[cfg(feature = "dpdk")]
mod generator;
mod inprocess;
#[cfg(feature = "dpdk")]
mod latency;
mod machine;
mod maglev;
#[cfg(feature = "dpdk")]
mod ndr;
mod plot;
mod report;
mod results;
mod scale;
mod schedulers;
mod site;
#[cfg(feature = "dpdk")]
mod testbed;
mod traffic;
mod vdev;

/// Measures what weir costs
#[derive(Debug, Parser)]
#[command(name = "bench", arg_required_else_help = true)]
struct Arguments {
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    cores: Cores,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what this machine is, and how long a cache line takes between the two cores
    Machine,
    /// Measure what a packet costs on its way through one worker, in this process
    Path(path::Arguments),
    /// Measure what a new session costs one worker, in time and in memory
    Sessions(sessions::Arguments),
    /// Measure what a SYN flood costs those who are connected already
    Flood(flood::Arguments),
    /// Measure what workers feel of configurations that are published at full load
    Reload(reload::Arguments),
    /// Count the instructions that a packet takes, under callgrind
    Instructions(instructions::Arguments),
    /// Take turns of one kind of traffic, for `instructions` to watch
    #[command(hide = true)]
    Turns(turns::Arguments),
    /// Cost of balancing: weir beside testpmd on a capture, each on one core
    Vdev(vdev::Options),
    /// HTTP through weir, and through HAProxy, nginx and nftables in its place, in the lab
    E2e(e2e::Options),
    /// Everything, into bench/RESULTS.md
    Results(results::Options),
    /// A second worker, and the cost of handing packets over to it
    Scale(scale::Options),
    /// Throughput without loss, connection rate and table capacity, over memif
    #[cfg(feature = "dpdk")]
    Ndr(ndr::Options),
    /// Time in the box at parts of the rate without loss, over memif
    #[cfg(feature = "dpdk")]
    Latency(latency::Options),
    /// Time a choice of each scheduler, and hold Maglev's tables to the published figures
    Sched,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = arguments.cores;
    dut::clear_up();
    let report = match &arguments.command {
        Command::Machine => machine::report(cores)?,
        Command::Path(arguments) => path::run(arguments, cores)?,
        Command::Sessions(arguments) => sessions::run(arguments, cores)?,
        Command::Flood(arguments) => flood::run(arguments, cores)?,
        Command::Reload(arguments) => reload::run(arguments, cores)?,
        Command::Instructions(arguments) => instructions::run(arguments, cores)?,
        Command::Turns(arguments) => return turns::run(arguments),
        Command::Vdev(options) => vdev::run(options, cores)?,
        Command::E2e(options) => e2e::run(options, cores)?,
        Command::Results(options) => return results::run(options, cores),
        Command::Scale(options) => scale::run(options, cores)?,
        #[cfg(feature = "dpdk")]
        Command::Ndr(options) => ndr::run(options, cores)?,
        #[cfg(feature = "dpdk")]
        Command::Latency(options) => latency::run(options, cores)?,
        Command::Sched => {
            schedulers::report(cores)?.print(arguments.json)?;
            maglev::report(cores)?
        }
    };
    report.print(arguments.json)
}
