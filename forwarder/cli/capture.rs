//! `weir capture`: frames of the running program, into a file or a pipe.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::{signal::ctrl_c, time::timeout};

use super::{client, source::wait};
use crate::{
    config::DEFAULT_SOCKET,
    control::{
        capture::{SNAP_OCTETS, filter},
        views::Done,
    },
    io::pcap::Passed,
};

/// For what has been captured to come, once it is to end.
const REST: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A filter consists of `host ADDRESS`, `net PREFIX`, `port NUMBER`, \
    `portrange FIRST-LAST`, with `src` or `dst` before them if wanted, `proto NUMBER`, and ip, \
    ip6, arp, tcp, udp, sctp, icmp, icmp6, joined by and, or, not and parentheses as in \
    pcap-filter(7):\n\n  weir capture wan -w - tcp port 80 | tcpdump -nr -\n  \
    weir capture drops -w drops.pcapng -c 100 src net 192.0.2.0/24"
)]
pub(super) struct Arguments {
    /// Where: the names of ports, `any` for all of them, and `drops` for what workers drop,
    /// joined by commas
    #[arg(value_name = "PORT,…|any|drops")]
    on: String,
    /// The file to write, as pcapng; `-` for standard output
    #[arg(short, value_name = "FILE")]
    write: PathBuf,
    /// End after so many frames
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Octets of each frame at most
    #[arg(short, value_name = "OCTETS", value_parser = clap::value_parser!(u32).range(1..=65536))]
    snap: Option<u32>,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Which frames: `tcp port 80 and host 192.0.2.7`
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

/// Captures until there is enough, or a signal comes.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let words = arguments.filter.join(" ");
    filter(&words)?;
    let to_pipe = arguments.write.as_os_str() == "-";
    if to_pipe && io::stdout().is_terminal() {
        bail!("captures are not for terminals; give -w FILE, or a pipe: -w - | tcpdump -nr -");
    }
    let wanted = json!({
        "on": arguments.on.split(',').collect::<Vec<_>>(),
        "filter": words,
        "count": arguments.count,
        "snap_octets": arguments.snap.map_or(SNAP_OCTETS, |octets| octets as usize),
    });
    let open = || -> io::Result<Box<dyn Write>> {
        if to_pipe {
            return Ok(Box::new(io::stdout()));
        }
        Ok(Box::new(File::create(&arguments.write)?))
    };
    let mut out = None;
    let mut passed = Passed::default();
    let write = |octets: &[u8]| {
        // A file that is there stays as it is where there is nothing to capture.
        let sink = match &mut out {
            Some(sink) => sink,
            None => out.insert(open()?),
        };
        sink.write_all(octets)?;
        sink.flush()?;
        passed.read(octets);
        Ok(())
    };
    wait(async {
        let captured = client::stream(
            &arguments.socket,
            "/capture",
            &wanted,
            Some(client::PATIENCE),
            write,
        );
        tokio::pin!(captured);
        tokio::select! {
            ended = &mut captured => return Ok(ended?),
            interrupted = ctrl_c() => interrupted.context("cannot wait for signals")?,
        }
        // Where it has ended meanwhile, there is nothing to end.
        drop(client::post::<Done>(&arguments.socket, "/capture/end").await);
        match timeout(REST, captured).await {
            Ok(ended) => Ok(ended?),
            Err(_) => bail!("the end of the capture did not come within {REST:?}"),
        }
    })?;
    let Passed { frames, lost, .. } = passed;
    writeln!(
        io::stderr(),
        "{frames} frames captured, {lost} lost for want of room"
    )?;
    Ok(ExitCode::SUCCESS)
}
