//! Health checks as typed. All kinds share one group of keys, so that one which belongs to another
//! kind is told from one that is misspelt.

use serde::Deserialize;

use super::{List, Number, Text};
use crate::config::written::Written;

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::config) enum Health<'a> {
    Off,
    Tcp(Check<'a>),
    Http(Check<'a>),
    Https(Check<'a>),
    Udp(Check<'a>),
    Command(Check<'a>),
    Ping(Check<'a>),
    Dns(Check<'a>),
    Smtp(Check<'a>),
    Grpc(Check<'a>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(in crate::config) struct Check<'a> {
    pub(in crate::config) interval: Option<Text<'a>>,
    pub(in crate::config) fast_interval: Option<Text<'a>>,
    pub(in crate::config) retry_delay: Option<Text<'a>>,
    pub(in crate::config) down_interval: Option<Text<'a>>,
    pub(in crate::config) timeout: Option<Text<'a>>,
    pub(in crate::config) rise: Option<Number<'a>>,
    pub(in crate::config) fall: Option<Number<'a>>,
    pub(in crate::config) jitter: Option<Number<'a>>,
    pub(in crate::config) start: Option<Written<'a, Start>>,
    pub(in crate::config) address: Option<Text<'a>>,
    pub(in crate::config) port: Option<Number<'a>>,
    pub(in crate::config) bind: Option<Text<'a>>,
    pub(in crate::config) path: Option<Text<'a>>,
    pub(in crate::config) host: Option<Text<'a>>,
    pub(in crate::config) method: Option<Text<'a>>,
    pub(in crate::config) status: Option<List<'a, String>>,
    pub(in crate::config) body: Option<Text<'a>>,
    pub(in crate::config) digest: Option<Text<'a>>,
    pub(in crate::config) urls: Option<List<'a, Url<'a>>>,
    pub(in crate::config) sni: Option<Text<'a>>,
    pub(in crate::config) ca: Option<Text<'a>>,
    pub(in crate::config) payload: Option<Text<'a>>,
    pub(in crate::config) reply: Option<Text<'a>>,
    pub(in crate::config) command: Option<List<'a, String>>,
    pub(in crate::config) user: Option<Text<'a>>,
    pub(in crate::config) dynamic_weight: Option<Written<'a, bool>>,
    pub(in crate::config) name: Option<Text<'a>>,
    pub(in crate::config) record: Option<Text<'a>>,
    pub(in crate::config) helo: Option<Text<'a>>,
    pub(in crate::config) service: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(in crate::config) struct Url<'a> {
    pub(in crate::config) path: Option<Text<'a>>,
    pub(in crate::config) host: Option<Text<'a>>,
    pub(in crate::config) method: Option<Text<'a>>,
    pub(in crate::config) status: Option<List<'a, String>>,
    pub(in crate::config) body: Option<Text<'a>>,
    pub(in crate::config) digest: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(in crate::config) enum Start {
    Up,
    Down,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(in crate::config) struct Checks<'a> {
    pub(in crate::config) at_once: Option<Number<'a>>,
    pub(in crate::config) notify: Option<Written<'a, Notify<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(in crate::config) struct Notify<'a> {
    pub(in crate::config) command: List<'a, String>,
    pub(in crate::config) user: Option<Text<'a>>,
    pub(in crate::config) timeout: Option<Text<'a>>,
}
