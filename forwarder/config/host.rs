//! What the kernel gets of the ports: their TAPs, and tables of routes.

use super::{
    problem::Problems,
    raw::{self, Text},
    value::number_or,
    written::Written,
};

/// Routing tables of the kernel that weir fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// weir's own routes, for sockets that are bound to a TAP or one of its addresses.
    pub table: u32,
    /// The VIPs that can be served, for routing daemons to announce.
    pub announce_table: u32,
}

/// From 253 to 255 are the kernel's own; 0 is none.
const TABLES: std::ops::RangeInclusive<u32> = 256..=u32::MAX;

/// Octets of a name of an interface (the kernel's `IFNAMSIZ`, less its final zero).
const MAX_NAME: usize = 15;

impl Host {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Host<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read("a group such as `(table: 881)`", problems)?,
            None => raw::Host::default(),
        };
        let table = number_or(raw.table, "table", 881, &TABLES, problems);
        let announce = raw.announce_table;
        let announce_table = number_or(announce, "announce_table", 882, &TABLES, problems);
        if let (Some(same), Some(written)) = (table, announce.or(raw.table))
            && announce_table == Some(same)
        {
            let text = format!(
                "`table` and `announce_table` are both {same}; \
                 what is announced must not lead the host's own packets"
            );
            problems.refuse(written.text(), text);
        }
        Some(Self {
            table: table?,
            announce_table: announce_table?,
        })
    }
}

/// The name of a TAP.
pub(super) fn tap<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let name = written.read("a name in quotes such as `\"weir-wan\"`", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let reserved = ["lo", "all", "default", ".", ".."].contains(&&*name);
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(fits) && !reserved {
        return Some(name);
    }
    problems.refuse(
        written.text(),
        format!(
            "`{name}` is no name for a new interface; \
             write 1 to {MAX_NAME} letters, digits and `.`, `_`, `-`, as in `\"weir-wan\"`"
        ),
    );
    None
}
