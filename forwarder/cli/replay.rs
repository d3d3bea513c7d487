//! `weir replay`: what would this configuration do to this traffic?

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    mem,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    config::Config,
    control::{
        replay::{Inputs, Output, Replay},
        views,
    },
    io::{PortIx, pcap::Writer},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration, in RON. Frames are dropped unless they are addressed to their port's
    /// `mac`, which is 02:00:00:00:00:00 for the first port, …:01 for the second, unless it is set
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Captures (pcap or pcapng) of what comes in on a port
    #[arg(
        long = "in",
        value_name = "PORT=FILE",
        value_parser = port_file,
        num_args = 1..,
        required = true
    )]
    inputs: Vec<PortFile>,
    /// Where to write what leaves by a port: a pcap in nanoseconds
    #[arg(long = "out", value_name = "PORT=FILE", value_parser = port_file, num_args = 1..)]
    outputs: Vec<PortFile>,
    /// Configurations to be put in force in place of the first, so many seconds after the first
    /// frame
    #[arg(long, value_name = "SECONDS=FILE", value_parser = after_file, num_args = 1..)]
    reload: Vec<AfterFile>,
    /// Where to write, as JSON, what `weir show` would show at the end; - is stdout
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Where to write what became of each frame, a line of JSON each; - is stdout
    #[arg(long, value_name = "FILE")]
    explain: Option<PathBuf>,
    /// Seed of the hashes; the result depends on it only where a table is full
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Debug)]
struct PortFile {
    port: String,
    file: PathBuf,
}

#[derive(Clone, Debug)]
struct AfterFile {
    after: Duration,
    file: PathBuf,
}

fn after_file(text: &str) -> Result<AfterFile, String> {
    let parts = text.split_once('=');
    let parsed = parts.and_then(|(seconds, file)| {
        let after = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
        let file = PathBuf::from(file);
        (!file.as_os_str().is_empty()).then_some(AfterFile { after, file })
    });
    parsed.ok_or_else(|| "write seconds, such as 1.5, = and a file".to_owned())
}

fn port_file(text: &str) -> Result<PortFile, String> {
    match text.split_once('=') {
        Some((port, file)) if !port.is_empty() && !file.is_empty() => Ok(PortFile {
            port: port.to_owned(),
            file: file.into(),
        }),
        _ => Err("write the name of a port, = and a file".to_owned()),
    }
}

/// Replays, and says on stderr what came of it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // What the management thread tells has no time of this machine's clock.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_target(false)
        .without_time()
        .init();
    let config = Config::load(&arguments.config)?;
    let mut files = Files::default();
    let mut inputs = Inputs::default();
    for PortFile { port, file } in &arguments.inputs {
        let port = port_ix(&config, port)?;
        inputs.add(port, file.clone(), Box::new(files.open(file)?))?;
    }
    let mut outputs: Vec<Option<Output>> = config.ports.iter().map(|_| None).collect();
    for PortFile { port, file } in &arguments.outputs {
        let output = &mut outputs[port_ix(&config, port)?.index()];
        ensure!(output.is_none(), "--out is given twice for port `{port}`");
        let sink: Box<dyn Write> = Box::new(files.create(file)?);
        let writer = Writer::new(sink).with_context(|| cannot_write(file))?;
        let file = file.clone();
        *output = Some(Output { file, writer });
    }
    let stats = match &arguments.stats {
        Some(file) => Some(files.create_or_stdout(file)?),
        None => None,
    };
    let explain = match &arguments.explain {
        Some(file) => Some(files.create_or_stdout(file)?),
        None => None,
    };
    let mut replay = Replay::new(&config, outputs, arguments.seed)?;
    for AfterFile { after, file } in &arguments.reload {
        replay.reload(*after, Config::load(file)?);
    }
    if let Some(out) = explain {
        replay.explain(out);
    }
    replay.run(&mut inputs)?;
    let counted = replay.stats(&inputs);
    if let Some(out) = stats {
        let mut out = BufWriter::new(out);
        serde_json::to_writer_pretty(&mut out, &counted)?;
        writeln!(out)?;
        out.flush()?;
    }
    summarise(&mut io::stderr().lock(), &counted)?;
    Ok(ExitCode::SUCCESS)
}

fn port_ix(config: &Config, name: &str) -> Result<PortIx> {
    let mut ports = (0..).map(PortIx).zip(&config.ports);
    if let Some((ix, _)) = ports.find(|(_, port)| port.name == name) {
        return Ok(ix);
    }
    let names: Vec<_> = config.ports.iter().map(|port| &*port.name).collect();
    bail!("no port `{name}`; there are `{}`", names.join("`, `"))
}

/// The files that are in use, by device and inode: what is read or written already cannot be
/// written.
#[derive(Default)]
struct Files {
    used: Vec<(u64, u64)>,
    stdout_used: bool,
}

impl Files {
    fn open(&mut self, path: &Path) -> Result<File> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.used.extend(identity(path));
        Ok(file)
    }

    fn create(&mut self, path: &Path) -> Result<File> {
        let used = identity(path).is_some_and(|identity| self.used.contains(&identity));
        ensure!(!used, "{} is in use twice", path.display());
        let file = File::create(path).with_context(|| cannot_write(path))?;
        self.used.extend(identity(path));
        Ok(file)
    }

    fn create_or_stdout(&mut self, path: &Path) -> Result<Box<dyn Write>> {
        if path == Path::new("-") {
            let used = mem::replace(&mut self.stdout_used, true);
            ensure!(!used, "stdout is in use twice");
            return Ok(Box::new(io::stdout()));
        }
        Ok(Box::new(self.create(path)?))
    }
}

/// None for what is no regular file, such as /dev/null.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.dev(), metadata.ino()))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn summarise(out: &mut impl Write, counted: &views::Replay) -> io::Result<()> {
    let sum = |of: fn(&views::Port) -> u64| counted.ports.iter().map(of).sum::<u64>();
    let (received, sent) = (sum(|port| port.rx_frames), sum(|port| port.tx_frames));
    let dropped: u64 = counted.drops.iter().map(|drop| drop.packets).sum();
    let (seconds, rest_ms) = (
        counted.virtual_ns / 1_000_000_000,
        counted.virtual_ns / 1_000_000 % 1000,
    );
    writeln!(
        out,
        "received {received} frames in {seconds}.{rest_ms:03} s, sent {sent}, dropped {dropped}"
    )?;
    for drop in counted.drops.iter().filter(|drop| drop.packets > 0) {
        writeln!(
            out,
            "dropped {}: {} ({})",
            drop.packets, drop.reason, drop.description
        )?;
    }
    for capture in &counted.captures {
        let views::Capture { file, .. } = capture;
        if capture.cut_frames > 0 {
            let cut = capture.cut_frames;
            writeln!(
                out,
                "left out {cut} of {file}: it has only their beginning (snapshot length)"
            )?;
        }
        if capture.disordered_frames > 0 {
            let disordered = capture.disordered_frames;
            writeln!(
                out,
                "delayed {disordered} of {file}: their time is before that of the frame before"
            )?;
        }
    }
    Ok(())
}
