//! What is asked of a web server, and which answers are good.

use std::{ops::RangeInclusive, path::PathBuf};

use regex::bytes::{Regex, RegexBuilder};

use crate::config::{
    problem::Problems,
    raw,
    value::{optional, path, text},
    written::Written,
};

/// Requests that must all be answered well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Over TLS, if this is given.
    pub tls: Option<Tls>,
    /// At least one, each over a connection of its own.
    pub requests: Vec<Request>,
}

/// How TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name asked for instead of the request's host.
    pub sni: Option<String>,
    /// Certificates of those who may have signed the server's; any will do where none is given.
    pub ca: Option<PathBuf>,
}

/// A request and what its answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD` and so on.
    pub method: String,
    /// With the query.
    pub path: String,
    /// The Host header; the backend's address where none is given.
    pub host: Option<String>,
    /// The good statuses.
    pub status: Vec<RangeInclusive<u16>>,
    /// What must be found in the body.
    pub body: Option<Pattern>,
    /// What the body's digest must be.
    pub digest: Option<Digest>,
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// The digest of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// As keepalived's genhash prints it.
    Md5([u8; 16]),
    /// As sha256sum prints it.
    Sha256([u8; 32]),
}

/// keepalived's.
const STATUS: RangeInclusive<u16> = 200..=299;

/// Octets that a compiled expression may take.
const MAX_PATTERN: usize = 1 << 20;

impl Pattern {
    /// The expression.
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Tls {
    pub(super) fn read<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let sni = optional(raw.sni, |written| super::domain(written, problems));
        let ca = optional(raw.ca, |written| {
            path(written, "/etc/weir/ca.pem", problems)
        });
        Some(Self { sni: sni?, ca: ca? })
    }
}

impl Http {
    /// Reads the requests; `tls` is how they are asked, none of them where it is wrong.
    pub(super) fn read<'a>(
        raw: &raw::Check<'a>,
        tls: Option<Tls>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let single = raw::Url {
            path: raw.path,
            host: raw.host,
            method: raw.method,
            status: raw.status,
            body: raw.body,
            digest: raw.digest,
        };
        let Some(urls) = raw.urls else {
            let requests = vec![Request::read(&single, problems)?];
            return Some(Self { tls, requests });
        };
        if let Some(at) = single.first_key() {
            let text = "with `urls`, this stands in each of them; move it there";
            problems.refuse(at, text);
        }
        let what = "a list such as `[(path: \"/a\"), (path: \"/b\")]`";
        let list = urls.read(what, problems)?;
        if list.is_empty() {
            problems.refuse(urls.text(), "no URL; write at least `[(path: \"/\")]`");
        }
        let expected = list.len();
        let read = |written: Written<'a, raw::Url<'a>>| {
            let raw = written.read("a URL such as `(path: \"/healthz\")`", problems)?;
            Request::read(&raw, problems)
        };
        let requests: Vec<Request> = list.into_iter().filter_map(read).collect();
        (requests.len() == expected && expected > 0).then_some(Self { tls, requests })
    }
}

impl<'a> raw::Url<'a> {
    /// Where the first key is that is given.
    fn first_key(&self) -> Option<&'a str> {
        let texts = [self.path, self.host, self.method, self.body, self.digest];
        let status = self.status.map(Written::text);
        let texts = texts.into_iter().flatten().map(Written::text);
        texts.chain(status).min_by_key(|text| text.as_ptr())
    }
}

impl Request {
    fn read<'a>(raw: &raw::Url<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let path = match raw.path {
            None => Some("/".to_owned()),
            Some(written) => read_path(written, problems),
        };
        let host = optional(raw.host, |written| read_host(written, problems));
        let method = match raw.method {
            None => Some("GET".to_owned()),
            Some(written) => read_method(written, problems),
        };
        let status = match raw.status {
            None => Some(vec![STATUS]),
            Some(written) => read_statuses(written, problems),
        };
        let body = optional(raw.body, |written| read_pattern(written, problems));
        let digest = optional(raw.digest, |written| read_digest(written, problems));
        Some(Self {
            method: method?,
            path: path?,
            host: host?,
            status: status?,
            body: body?,
            digest: digest?,
        })
    }
}

fn read_path<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let path = text(written, "path", 2048, problems)?;
    if path.starts_with('/') && !path.contains(' ') {
        return Some(path);
    }
    let wrong = format!("`{path}` is no path of a URL; write one like `/healthz?full=1`");
    problems.refuse(written.text(), wrong);
    None
}

/// A name or address, with or without a port.
fn read_host<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let host = text(written, "host", 255, problems)?;
    if host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c))
    {
        return Some(host);
    }
    let wrong = format!("`{host}` is no host; write one like `www.example.com`");
    problems.refuse(written.text(), wrong);
    None
}

fn read_method<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let method = text(written, "method", 32, problems)?;
    // CONNECT has no body and no answer of its own kind (RFC 9110 9.3.6).
    if method.bytes().all(|c| c.is_ascii_uppercase()) && method != "CONNECT" {
        return Some(method);
    }
    let wrong = format!("`{method}` is no method of HTTP for a check; write `GET` or `HEAD`");
    problems.refuse(written.text(), wrong);
    None
}

fn read_statuses<'a>(
    written: raw::List<'a, String>,
    problems: &mut Problems<'a>,
) -> Option<Vec<RangeInclusive<u16>>> {
    let list = written.read("a list such as `[\"200-299\", \"401\"]`", problems)?;
    if list.is_empty() {
        problems.refuse(written.text(), "no status; write at least `[\"200\"]`");
        return None;
    }
    let expected = list.len();
    let read = |written: raw::Text<'a>| {
        let text = written.read("a status or a range in quotes", problems)?;
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let status = |text: &str| {
            let status: Option<u16> = text.parse().ok();
            status.filter(|status| (100..=599).contains(status))
        };
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..=last),
            _ => {
                let wrong = format!(
                    "`{text}` is no range of statuses from 100 to 599; write one like `200-299`"
                );
                problems.refuse(written.text(), wrong);
                None
            }
        }
    };
    let ranges: Vec<_> = list.into_iter().filter_map(read).collect();
    (ranges.len() == expected).then_some(ranges)
}

fn read_pattern<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<Pattern> {
    let text = written.read("a regular expression in quotes", problems)?;
    match RegexBuilder::new(&text).size_limit(MAX_PATTERN).build() {
        Ok(regex) => Some(Pattern(regex)),
        Err(error) => {
            // Its first lines point into the expression; the last one says what is wrong.
            let said = error.to_string();
            let said = said.lines().last().unwrap_or_default();
            let said = said.trim_start_matches("error: ");
            let wrong = format!("`{text}` is no regular expression: {said}");
            problems.refuse(written.text(), wrong);
            None
        }
    }
}

fn read_digest<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<Digest> {
    let text = written.read("a digest in quotes", problems)?;
    let octets = crate::config::quic::octets(&text).unwrap_or_default();
    if let Ok(md5) = octets.as_slice().try_into() {
        return Some(Digest::Md5(md5));
    }
    if let Ok(sha256) = octets.as_slice().try_into() {
        return Some(Digest::Sha256(sha256));
    }
    let wrong =
        format!("`{text}` is no digest; write 32 hexadecimal digits of MD5, or 64 of SHA-256");
    problems.refuse(written.text(), wrong);
    None
}

impl Digest {
    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Md5(octets) => octets,
            Self::Sha256(octets) => octets,
        }
    }
}
