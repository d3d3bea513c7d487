//! `weir show`: what the running program knows, as a table or as the API's JSON.

use std::{
    io::{self, IsTerminal, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::ValueEnum;
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeSeq};

use super::{client, source::wait, tables};
use crate::{
    config::DEFAULT_SOCKET,
    control::{
        api::PAGE_SESSIONS,
        views::{self, Cursor, Page, Templates},
    },
};

#[cfg(test)]
mod tests;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to show
    what: What,
    /// Print JSON: what the API answers, sessions and templates as one array
    #[arg(long)]
    json: bool,
    /// Show it again and again, every so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3600),
    )]
    watch: Option<u64>,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Services (VIP) and their backends (RIP), as `ipvsadm -Ln`
    Services,
    /// What each backend (RIP) has got and sent, as `ipvsadm -Ln --stats`
    Backends,
    /// How each backend stands, since when and why
    Health,
    /// When backends went up or down, and why, the newest last
    Events,
    /// Sessions with CIP, VIP and RIP, as `ipvsadm -Lnc`
    Sessions,
    /// Which backends clients of persistent services have, as `ipvsadm -Lnc` lists templates
    Persistence,
    /// Ports with their addresses (DIP first) and counters, as `ip -s link`
    Ports,
    /// IP addresses on the links and their MACs, as `arp -n`
    Neighbours,
    /// Groups: who has their addresses, and what was heard of other directors
    Groups,
    /// The other director that sessions are shared with, and what is shared
    Sync,
    /// SNAT: who goes online, by which addresses, and what is in use of these
    Snat,
    /// The routing table, as `route -n`
    Routes,
    /// Why packets were dropped, the most frequent reason first
    Drops,
    /// Workers: how busy each is, and where its frames went
    Workers,
    /// The configuration in force, as its file would say it, without comments
    Config,
    /// What is in force otherwise than the file says, because it was changed while weir runs
    Changes,
}

/// Asks the running program and prints its answer.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(seconds) = arguments.watch else {
        wait(show(&mut out, arguments))?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    let clears = !arguments.json && io::stdout().is_terminal();
    loop {
        // All of it is there before what was there goes.
        let mut shown = Vec::new();
        wait(show(&mut shown, arguments))?;
        if clears {
            out.write_all(b"\x1b[H\x1b[2J")?;
        }
        out.write_all(&shown)?;
        out.flush()?;
        thread::sleep(Duration::from_secs(seconds));
    }
}

async fn show(out: &mut impl Write, arguments: &Arguments) -> anyhow::Result<()> {
    let socket = &arguments.socket;
    if arguments.json {
        return json(out, socket, arguments.what).await;
    }
    match arguments.what {
        What::Services => {
            let program: views::Version = client::get(socket, "/version").await?;
            tables::services(
                out,
                &program.version,
                &client::get::<Vec<_>>(socket, "/services").await?,
            )?;
        }
        What::Backends => {
            let program: views::Version = client::get(socket, "/version").await?;
            // Not /backends: the table has a row for each service too.
            tables::statistics(
                out,
                &program.version,
                &client::get::<Vec<_>>(socket, "/services").await?,
            )?;
        }
        What::Sessions => {
            let mut pages = Pages::<Page>::of(socket);
            let mut page = pages.next().await?;
            tables::sessions_head(out, "weir session entries", true)?;
            while let Some(sessions) = page {
                tables::sessions(out, &sessions, tables::numeric)?;
                page = pages.next().await?;
            }
        }
        What::Persistence => {
            let mut pages = Pages::<Templates>::of(socket);
            let mut page = pages.next().await?;
            tables::templates_head(out)?;
            while let Some(templates) = page {
                tables::templates(out, &templates)?;
                page = pages.next().await?;
            }
        }
        What::Health => tables::health(
            out,
            &client::get::<Vec<_>>(socket, "/backends").await?,
            &client::get(socket, "/checks").await?,
        )?,
        What::Events => tables::events(out, &client::get::<Vec<_>>(socket, "/events").await?)?,
        What::Ports => tables::ports(out, &client::get::<Vec<_>>(socket, "/ports").await?)?,
        What::Neighbours => {
            tables::neighbours(out, &client::get::<Vec<_>>(socket, "/neighbours").await?)?;
        }
        What::Sync => tables::syncs(out, &client::get::<Vec<_>>(socket, "/sync").await?)?,
        What::Groups => tables::groups(out, &client::get::<Vec<_>>(socket, "/groups").await?)?,
        What::Snat => tables::snat(out, &client::get::<Vec<_>>(socket, "/snat").await?)?,
        What::Routes => tables::routes(out, &client::get::<Vec<_>>(socket, "/routes").await?)?,
        What::Drops => tables::drops(out, client::get(socket, "/drops").await?)?,
        What::Workers => tables::workers(out, &client::get::<Vec<_>>(socket, "/workers").await?)?,
        What::Config => {
            let config: views::Configuration = client::get(socket, "/config").await?;
            out.write_all(config.text.as_bytes())?;
        }
        What::Changes => {
            tables::differences(out, &client::get::<Vec<_>>(socket, "/changes").await?)?;
        }
    }
    Ok(())
}

async fn json(out: &mut impl Write, socket: &Path, what: What) -> anyhow::Result<()> {
    match what {
        What::Services => all::<views::Service>(out, socket, "/services").await?,
        What::Backends | What::Health => {
            all::<views::ServiceBackend>(out, socket, "/backends").await?;
        }
        What::Events => all::<views::Event>(out, socket, "/events").await?,
        What::Sessions => all_pages::<Page>(out, socket).await?,
        What::Persistence => all_pages::<Templates>(out, socket).await?,
        What::Ports => all::<views::Port>(out, socket, "/ports").await?,
        What::Neighbours => all::<views::Neighbour>(out, socket, "/neighbours").await?,
        What::Sync => all::<views::Sync>(out, socket, "/sync").await?,
        What::Groups => all::<views::Group>(out, socket, "/groups").await?,
        What::Snat => all::<views::Snat>(out, socket, "/snat").await?,
        What::Routes => all::<views::Route>(out, socket, "/routes").await?,
        What::Drops => all::<views::Drop>(out, socket, "/drops").await?,
        What::Workers => all::<views::Worker>(out, socket, "/workers").await?,
        What::Config => {
            let config: views::Configuration = client::get(socket, "/config").await?;
            serde_json::to_writer_pretty(&mut *out, &config)?;
        }
        What::Changes => all::<views::Difference>(out, socket, "/changes").await?,
    }
    writeln!(out)?;
    Ok(())
}

/// Through the structs and not as text, so that keys keep the order of the API.
async fn all<T: Serialize + DeserializeOwned>(
    out: &mut impl Write,
    socket: &Path,
    path: &str,
) -> anyhow::Result<()> {
    let answer: Vec<T> = client::get(socket, path).await?;
    serde_json::to_writer_pretty(out, &answer)?;
    Ok(())
}

/// The same of what comes in pages.
async fn all_pages<P: Paged>(out: &mut impl Write, socket: &Path) -> anyhow::Result<()> {
    let mut pages = Pages::<P>::of(socket);
    let mut page = pages.next().await?;
    let mut json = serde_json::Serializer::pretty(&mut *out);
    let mut array = json.serialize_seq(None)?;
    while let Some(rows) = page {
        for row in &rows {
            array.serialize_element(row)?;
        }
        page = pages.next().await?;
    }
    array.end()?;
    Ok(())
}

/// A page of an answer that has several.
pub(super) trait Paged: DeserializeOwned {
    /// What is on it.
    type Row: Serialize;

    /// Where it is asked for.
    const PATH: &'static str;

    /// What is on it, and where the next one begins.
    fn rows(self) -> (Vec<Self::Row>, Option<Cursor>);
}

impl Paged for Page {
    type Row = views::Session;

    const PATH: &'static str = "/sessions";

    fn rows(self) -> (Vec<views::Session>, Option<Cursor>) {
        (self.sessions, self.next)
    }
}

impl Paged for Templates {
    type Row = views::Template;

    const PATH: &'static str = "/persistence";

    fn rows(self) -> (Vec<views::Template>, Option<Cursor>) {
        (self.templates, self.next)
    }
}

/// The pages of an answer, one in memory at a time.
pub(super) struct Pages<'a, P> {
    socket: &'a Path,
    next: Option<Cursor>,
    of: PhantomData<P>,
}

impl<'a, P: Paged> Pages<'a, P> {
    pub(super) fn of(socket: &'a Path) -> Self {
        Self {
            socket,
            next: Some(Cursor::default()),
            of: PhantomData,
        }
    }

    /// None after the last page.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<P::Row>>, client::Error> {
        let Some(Cursor(from)) = self.next else {
            return Ok(None);
        };
        let path = format!("{}?from={from}&limit={PAGE_SESSIONS}", P::PATH);
        let page: P = client::get(self.socket, &path).await?;
        let (rows, next) = page.rows();
        self.next = next;
        Ok(Some(rows))
    }
}
