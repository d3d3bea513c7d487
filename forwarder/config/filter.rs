//! Which clients a service takes.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{
    Refusal,
    address::network,
    problem::Problems,
    raw::{self, List},
    unique::Unique,
    value::{optional, several},
    written::Written,
};
use crate::wire::Listener;

/// Which clients a service takes. Of the prefixes that a client is in, the longest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFilter {
    /// Who may come; where there is any, nobody else may. Of the service's family, without host
    /// bits, none twice.
    pub allow: Vec<IpNet>,
    /// Who may not, likewise; none is in both.
    pub deny: Vec<IpNet>,
    /// What becomes of what the others send.
    pub denied: Refusal,
}

/// As many prefixes as one service may have.
const MAX_PREFIXES: usize = 65_536;

impl SourceFilter {
    /// `listeners` are those of the service.
    #[expect(
        clippy::option_option,
        reason = "none is a fault, some of none is nothing"
    )]
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::SourceFilter<'a>>>,
        listeners: &[Listener<IpAddr>],
        problems: &mut Problems<'a>,
    ) -> Option<Option<Arc<Self>>> {
        optional(written, |written| {
            Self::read_one(written, listeners, problems).map(Arc::new)
        })
    }

    fn read_one<'a>(
        written: Written<'a, raw::SourceFilter<'a>>,
        listeners: &[Listener<IpAddr>],
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let what = "a group such as `(allow: [\"10.0.0.0/8\"], deny: [\"10.9.0.0/16\"])`";
        let raw = written.read(what, problems)?;
        if raw.allow.is_none() && raw.deny.is_none() {
            let text = "this filter denies nobody; give `allow`, `deny` or both".to_owned();
            problems.refuse(written.text(), text);
            return None;
        }
        let mut nets = Unique::new();
        let allow = prefixes(raw.allow, listeners, &mut nets, problems);
        let deny = prefixes(raw.deny, listeners, &mut nets, problems);
        let denied = match raw.denied {
            None => Some(Refusal::Drop),
            written => Refusal::read(written, problems),
        };
        let (allow, deny) = (allow?, deny?);
        let given = allow.len() + deny.len();
        if given > MAX_PREFIXES {
            let text = format!("{given} prefixes; a filter has {MAX_PREFIXES} at most");
            problems.refuse(written.text(), text);
        }
        Some(Self {
            allow,
            deny,
            denied: denied?,
        })
    }
}

/// Reads one of the two lists; `nets` are those read before.
fn prefixes<'a>(
    written: Option<List<'a, String>>,
    listeners: &[Listener<IpAddr>],
    nets: &mut Unique<'a, IpNet>,
    problems: &mut Problems<'a>,
) -> Option<Vec<IpNet>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let what = "a list of prefixes such as `[\"10.0.0.0/8\"]`";
    let read = several(written, what, problems, network)?;
    let family = listeners.first().map(|first| first.address.is_ipv4());
    for (net, at) in &read {
        if family.is_some_and(|four| four != net.addr().is_ipv4()) {
            let text = format!("`{net}` is of another family of addresses than the service");
            problems.refuse(at, text);
        }
        nets.claim(*net, at, problems, |line| {
            format!("`{net}` stands in this filter in line {line} already")
        });
    }
    Some(read.into_iter().map(|(net, _)| net).collect())
}
