//! `weir diff OLD NEW`: what differs between two configurations.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;

use super::tables;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A configuration, in RON
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Another one
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print JSON: an array with an object for each difference
    #[arg(long)]
    json: bool,
}

/// Prints a line for each difference. Fails, as diff(1) does, where there is one.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let same = diff(&mut out, arguments)?;
    out.flush()?;
    Ok(ExitCode::from(u8::from(!same)))
}

/// True where there is no difference.
fn diff(out: &mut impl Write, arguments: &Arguments) -> Result<bool> {
    let (old, new) = (Config::load(&arguments.old)?, Config::load(&arguments.new)?);
    let differences = old.differences(&new);
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &differences)?;
        writeln!(out)?;
    } else {
        tables::differences(out, &differences)?;
    }
    Ok(differences.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn told(old: &str, new: &str, json: bool) -> Result<(String, bool)> {
        let folder = tempfile::TempDir::new()?;
        let [old, new] = [("old", old), ("new", new)].map(|(name, ports)| {
            let path = folder.path().join(name);
            let text = format!(
                r#"(dpdk: (workers: [1], main_core: 0), ports: [(name: "wan",
                device: Vdev("net_null0"), addresses: [{ports}])])"#
            );
            fs::write(&path, text).map(|()| path)
        });
        let arguments = Arguments {
            old: old?,
            new: new?,
            json,
        };
        let mut out = Vec::new();
        let same = diff(&mut out, &arguments)?;
        Ok((String::from_utf8(out)?, same))
    }

    #[test]
    fn it_tells_by_lines_by_json_and_by_its_end() {
        let (one, two) = (r#""192.0.2.2/24""#, r#""192.0.2.3/24""#);
        assert_eq!(told(one, one, false).unwrap(), (String::new(), true));
        assert_eq!(told(one, one, true).unwrap(), ("[]\n".to_owned(), true));
        let line = "~ port wan: addresses [\"192.0.2.2/24\"] -> [\"192.0.2.3/24\"]\n";
        assert_eq!(told(one, two, false).unwrap(), (line.to_owned(), false));
        let (json, same) = told(one, two, true).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!([{
            "kind": "port", "name": "wan", "key": "addresses",
            "old": "[\"192.0.2.2/24\"]", "new": "[\"192.0.2.3/24\"]",
        }]);
        assert_eq!((json, same), (expected, false));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let error = told(r#""192.0.2.2/24""#, "", false).unwrap_err();
        assert!(error.is::<crate::config::Refused>(), "{error}");
    }
}
