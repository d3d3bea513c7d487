//! Backends.

use super::{
    address::endpoint,
    problem::Problems,
    raw,
    unique::Unique,
    value::{name, number_or},
    written::Written,
};
use crate::wire::Endpoint;

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What texts for people call it. Unique in its service.
    pub name: String,
    /// RIP and port, unique in the service; the service's own port for DR and TUN.
    pub address: Endpoint,
    /// Its share of new sessions, 0 to 65535; at 0 it gets none.
    pub weight: u32,
}

/// The backends, each with the place of its address; none if one of them cannot be read.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Backend<'a>>>,
    problems: &mut Problems<'a>,
) -> Option<Vec<(Backend, &'a str)>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of backends in `[` and `]`", problems)?;
    let expected = list.len();
    let mut names = Unique::new();
    let mut addresses = Unique::new();
    let backends: Vec<(Backend, &str)> = list
        .into_iter()
        .filter_map(|written| read(written, &mut names, &mut addresses, problems))
        .collect();
    (backends.len() == expected).then_some(backends)
}

fn read<'a>(
    written: Written<'a, raw::Backend<'a>>,
    names: &mut Unique<'a, String>,
    addresses: &mut Unique<'a, Endpoint>,
    problems: &mut Problems<'a>,
) -> Option<(Backend, &'a str)> {
    let what = "a backend such as `(name: \"web1\", address: \"10.1.0.11:8080\")`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        names.claim(name.clone(), raw.name.text(), problems, |line| {
            format!("`{name}` is the name of the backend in line {line} already")
        });
    }
    let address = endpoint(raw.address, problems);
    let address_at = raw.address.text();
    if let Some(address) = address {
        addresses.claim(address, address_at, problems, |line| {
            format!("`{address}` is the address of the backend in line {line} already")
        });
    }
    let weight = number_or(raw.weight, "weight", 1, &(0..=65_535), problems);
    let backend = Backend {
        name: name?,
        address: address?,
        weight: weight?,
    };
    Some((backend, address_at))
}
