//! `weir capture`: frames of the running program, into a file or a pipe.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hyper::body::Bytes;
use serde_json::json;
use tokio::{
    signal::ctrl_c,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{client, source::wait};
use crate::{
    config::DEFAULT_SOCKET,
    control::{
        capture::{SNAP_OCTETS, filter},
        views::Done,
    },
    io::pcap::Passed,
};

/// For what has been captured to come and be written, once it is to end.
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

/// Pieces that wait to be written.
const PIECES: usize = 16;

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
    let file = (!to_pipe).then(|| arguments.write.clone());
    let (pieces, to_write) = mpsc::channel(PIECES);
    let (tell, written) = oneshot::channel();
    // A pipe may take nothing for as long as it likes; a signal has to be heard meanwhile.
    thread::Builder::new()
        .name("write".to_owned())
        .spawn(move || tell.send(write(file.as_deref(), to_write)))
        .context("cannot start the thread that writes")?;
    let Passed { frames, lost, .. } = wait(async {
        let captured = async {
            let each = async |piece| match pieces.send(piece).await {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let socket = &arguments.socket;
            let patience = Some(client::PATIENCE);
            let ended = client::stream(socket, "/capture", &wanted, patience, each).await;
            drop(pieces);
            let written = written.await.context("the thread that writes is gone")?;
            let passed = written.context("cannot write what was captured")?;
            ended?;
            anyhow::Ok(passed)
        };
        tokio::pin!(captured);
        tokio::select! {
            ended = &mut captured => return ended,
            interrupted = ctrl_c() => interrupted.context("cannot wait for signals")?,
        }
        // Where it has ended meanwhile, there is nothing to end.
        drop(client::post::<Done>(&arguments.socket, "/capture/end").await);
        match timeout(REST, captured).await {
            Ok(ended) => ended,
            Err(_) => bail!("the end of the capture did not come within {REST:?}"),
        }
    })?;
    writeln!(
        io::stderr(),
        "{frames} frames captured, {lost} lost for want of room"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Writes pieces into a file, or else to standard output, until there are no more.
fn write(file: Option<&Path>, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Passed> {
    let mut passed = Passed::default();
    let mut out: Option<Box<dyn Write>> = None;
    while let Some(piece) = pieces.blocking_recv() {
        // A file that is there stays as it is where there is nothing to capture.
        let sink = match (&mut out, file) {
            (Some(sink), _) => sink,
            (None, Some(file)) => out.insert(Box::new(File::create(file)?)),
            (None, None) => out.insert(Box::new(io::stdout())),
        };
        sink.write_all(&piece)?;
        sink.flush()?;
        passed.read(&piece);
    }
    Ok(passed)
}
