//! `weir route get ADDRESS`: where packets to an address go.

use std::{
    io::{self, Write},
    net::IpAddr,
    process::ExitCode,
};

use anyhow::{Result, ensure};

use super::{
    source::{Source, wait},
    tables,
};
use crate::control::{explain::route_to, views::RouteTo};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say which port and next hop lead to an address, as `ip route get`
    Get(Get),
}

#[derive(Debug, clap::Args)]
struct Get {
    /// An address
    #[arg(value_name = "ADDRESS")]
    to: IpAddr,
    #[command(flatten)]
    source: Source,
    /// Print JSON: what the API answers
    #[arg(long)]
    json: bool,
}

/// Looks the route up, and prints it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let What::Get(arguments) = &arguments.what;
    let mut out = io::BufWriter::new(io::stdout().lock());
    wait(tell(&mut out, arguments))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn tell(out: &mut impl Write, Get { to, source, json }: &Get) -> Result<()> {
    let path = format!("/route?to={to}");
    let found: RouteTo = source.ask(&path, |scene| Ok(route_to(*to, scene))).await?;
    if *json {
        serde_json::to_writer_pretty(&mut *out, &found)?;
        writeln!(out)?;
        return Ok(());
    }
    ensure!(
        found.own.is_some() || found.hop.is_some(),
        "no route to {to}"
    );
    tables::route_to(out, &found)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::control::{api::tests::Program, views::samples};

    const CONFIG: &str = r#"(
        dpdk: (workers: [1], main_core: 0),
        ports: [
            (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24", "2001:db8::2/64"]),
            (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
        ],
        routes: [
            (to: "10.0.0.0/8", via: "10.1.0.254"),
            (to: "10.9.0.0/16", via: "192.0.2.1"),
            (to: "2001:db8:9::/48", via: "2001:db8::1"),
        ],
        neighbours: [(address: "192.0.2.1", mac: "02:00:00:00:00:fe")],
        services: [],
    )"#;

    async fn got(to: &str, source: Source, json: bool) -> Result<String> {
        let to = to.parse()?;
        let mut out = Vec::new();
        tell(&mut out, &Get { to, source, json }).await?;
        Ok(String::from_utf8(out)?)
    }

    #[tokio::test]
    async fn the_longest_prefix_of_a_configuration_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("weir.ron");
        fs::write(&file, CONFIG).unwrap();
        let source = || Source {
            config: Some(file.clone()),
            socket: PathBuf::new(),
        };
        for (to, expected) in [
            (
                "10.1.0.9",
                "10.1.0.9 dev lan src 10.1.0.1\n    \
                 10.1.0.0/24 10.1.0.9 lladdr (incomplete) NONE\n",
            ),
            (
                "10.2.0.9",
                "10.2.0.9 via 10.1.0.254 dev lan src 10.1.0.1\n    \
                 10.0.0.0/8 10.1.0.254 lladdr (incomplete) INCOMPLETE\n",
            ),
            (
                "10.9.0.9",
                "10.9.0.9 via 192.0.2.1 dev wan src 192.0.2.2\n    \
                 10.9.0.0/16 192.0.2.1 lladdr 02:00:00:00:00:fe PERMANENT\n",
            ),
            ("192.0.2.2", "local 192.0.2.2 (DIP)\n"),
            (
                "2001:db8::9",
                "2001:db8::9 dev wan src 2001:db8::2\n    \
                 2001:db8::/64 2001:db8::9 lladdr (incomplete) NONE\n",
            ),
            (
                "2001:db8:9::9",
                "2001:db8:9::9 via 2001:db8::1 dev wan src 2001:db8::2\n    \
                 2001:db8:9::/48 2001:db8::1 lladdr (incomplete) INCOMPLETE\n",
            ),
            ("2001:db8::2", "local 2001:db8::2 (DIP)\n"),
        ] {
            assert_eq!(got(to, source(), false).await.unwrap(), expected);
        }
        let error = got("8.8.8.8", source(), false).await.unwrap_err();
        assert_eq!(error.to_string(), "no route to 8.8.8.8");
        let json = got("8.8.8.8", source(), true).await.unwrap();
        let found: RouteTo = serde_json::from_str(&json).unwrap();
        assert_eq!((found.own, found.hop), (None, None));
    }

    #[tokio::test]
    async fn the_running_program_is_asked() {
        let program = Program::with_sessions(0).await;
        let source = Source {
            config: None,
            socket: program.socket(),
        };
        let json = got("10.10.0.11", source, true).await.unwrap();
        let found: RouteTo = serde_json::from_str(&json).unwrap();
        assert_eq!(found, samples::route_to());
    }
}
