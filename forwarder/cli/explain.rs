//! `weir explain FIVE-TUPLE`: what would become of a flow's next packet, and why.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;

use super::{
    source::{Source, wait},
    tables,
};
use crate::control::{
    explain::{Flow, explain},
    views::Explanation,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// tcp or udp, and ADDRESS:PORT of source and destination, as
    /// `tcp 203.0.113.7:40000 192.0.2.100:80`; the protocol may stand anywhere, an arrow in quotes
    /// between the two
    #[arg(required = true, value_name = "FIVE-TUPLE")]
    flow: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Print JSON: what the API answers
    #[arg(long)]
    json: bool,
}

/// Explains, and prints.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    wait(tell(&mut out, arguments))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn tell(out: &mut impl Write, arguments: &Arguments) -> Result<()> {
    let flow: Flow = arguments.flow.join(" ").parse()?;
    let (protocol, source, destination) = flow.parts();
    let path = format!("/explain?flow={protocol},{source},{destination}");
    let explanation: Explanation = arguments
        .source
        .ask(&path, |scene| Ok(explain(&flow, None, scene)?))
        .await?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &explanation)?;
        writeln!(out)?;
    } else {
        tables::explanation(out, &explanation)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
