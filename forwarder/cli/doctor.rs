//! `weir doctor`: what is set up wrong around the running program.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;

use super::{client, source::wait};
use crate::{
    config::DEFAULT_SOCKET,
    control::views::{Examination, Finding},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 where nothing is wrong, with 1 where something is.")]
pub(super) struct Arguments {
    /// Print JSON: what the API answers
    #[arg(long)]
    json: bool,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// Has all backends looked at.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let asked = client::post_long(&arguments.socket, "/doctor");
    let examination: Examination = wait(async { Ok(asked.await?) })?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &examination)?;
        writeln!(out)?;
    } else {
        tell(&mut out, &examination)?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!examination.findings.is_empty())))
}

fn tell(out: &mut impl Write, examination: &Examination) -> io::Result<()> {
    let Examination {
        backends,
        not_looked_at,
        findings,
    } = examination;
    for finding in findings {
        let Finding {
            service,
            backend,
            what,
            evidence,
            advice,
            ..
        } = finding;
        match backend {
            Some(backend) => writeln!(out, "{service}/{backend}: {what}")?,
            None => writeln!(out, "{service}: {what}")?,
        }
        writeln!(out, "    seen  {evidence}")?;
        writeln!(out, "    do    {advice}")?;
    }
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    };
    let looked = usize::try_from(*backends).unwrap_or(usize::MAX);
    let found = count(findings.len(), "finding");
    writeln!(out, "{} looked at, {found}", count(looked, "backend"))?;
    if *not_looked_at > 0 {
        writeln!(out, "{not_looked_at} of IPv6 were not looked at")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::views::samples;

    #[test]
    fn findings_say_what_was_seen_and_what_to_do() {
        let mut out = Vec::new();
        tell(&mut out, &samples::examination()).unwrap();
        let expected = "\
web/web1: its default gateway is not the director, so clients get no answers
    seen  nothing comes back
    do    ip route replace default via 10.10.0.1
2 backends looked at, 1 finding
1 of IPv6 were not looked at
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
