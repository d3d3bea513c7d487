//! Single values: numbers, durations, names. Each reader refuses what is wrong with the value
//! itself and leaves its relations to others to the callers.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    problem::Problems,
    raw::{List, Number, Text},
    reach::Own,
    written::Written,
};
use crate::io::PortIx;

/// A whole number of the key `key` within `range`.
pub(super) fn number<'a, N: TryFrom<u64> + PartialOrd + Display>(
    written: Number<'a>,
    key: &str,
    range: &RangeInclusive<N>,
    problems: &mut Problems<'a>,
) -> Option<N> {
    let number = written.try_read().ok().and_then(|n| N::try_from(n).ok());
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        let (least, most) = (range.start(), range.end());
        let found = written.text();
        let text = format!("`{key}` is a whole number from {least} to {most}, not `{found}`");
        problems.refuse(found, text);
    }
    number
}

/// The same where the key may be left out.
pub(super) fn number_or<'a, N: TryFrom<u64> + PartialOrd + Display>(
    written: Option<Number<'a>>,
    key: &str,
    default: N,
    range: &RangeInclusive<N>,
    problems: &mut Problems<'a>,
) -> Option<N> {
    match written {
        Some(written) => number(written, key, range, problems),
        None => Some(default),
    }
}

/// A duration of the key `key` within `range`, both ends of which are given as they are shown.
pub(super) fn duration<'a>(
    written: Text<'a>,
    key: &str,
    range: [&str; 2],
    problems: &mut Problems<'a>,
) -> Option<Duration> {
    let text = written.read("a duration in quotes such as `\"5m\"`", problems)?;
    let Some(duration) = parse_duration(&text) else {
        problems.refuse(
            written.text(),
            format!(
                "`{text}` is no duration; write a number and a unit: \
                 `50us`, `250ms`, `1s`, `5m` or `1h`"
            ),
        );
        return None;
    };
    let [least, most] = range;
    if Some(duration) < parse_duration(least) || Some(duration) > parse_duration(most) {
        let text = format!("`{key}` is a duration from {least} to {most}, not `{text}`");
        problems.refuse(written.text(), text);
        return None;
    }
    Some(duration)
}

/// A number and its unit, as in `250ms`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let us_per_unit = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    number.checked_mul(us_per_unit).map(Duration::from_micros)
}

/// What a port, service or backend is called by.
pub(super) fn name<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let name = written.read("a name in quotes such as `\"web\"`", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Some(name);
    }
    problems.refuse(
        written.text(),
        format!("`{name}` is no name; write 1 to 64 letters, digits and `.`, `_`, `-`, `/`, `:`"),
    );
    None
}

/// Reads a list of which there is to be at least one element.
pub(super) fn several<'a, T>(
    written: List<'a, String>,
    what: &str,
    problems: &mut Problems<'a>,
    read: impl Fn(Text<'a>, &mut Problems<'a>) -> Option<T>,
) -> Option<Vec<(T, &'a str)>> {
    let list = written.read(what, problems)?;
    let expected = list.len();
    if expected == 0 {
        problems.refuse(written.text(), format!("this list is empty; write {what}"));
        return None;
    }
    let one = |written: Text<'a>| Some((read(written, problems)?, written.text()));
    let all: Vec<_> = list.into_iter().filter_map(one).collect();
    (all.len() == expected).then_some(all)
}

/// The port of a name, by its number and its name.
pub(super) fn find_port<'a>(
    written: Text<'a>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<(PortIx, String)> {
    let name = written.read("the name of a port in quotes", problems)?;
    let mut ports = (0..).map(PortIx).zip(own.ports);
    let found = ports.find(|(_, port)| port.name == name);
    if found.is_none() && own.complete {
        let names: Vec<_> = own.ports.iter().map(|p| format!("`{}`", p.name)).collect();
        let text = format!("`{name}` is no port; there are {}", names.join(", "));
        problems.refuse(written.text(), text);
    }
    found.map(|(ix, _)| (ix, name))
}

/// What may be left out, but not be wrong: none where it is wrong.
#[expect(
    clippy::option_option,
    reason = "none is a fault, some of none is nothing"
)]
pub(super) fn optional<W, T>(
    written: Option<W>,
    read: impl FnOnce(W) -> Option<T>,
) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(written) => read(written).map(Some),
    }
}

/// What is off where it is not written.
pub(super) fn flag<'a>(
    written: Option<Written<'a, bool>>,
    problems: &mut Problems<'a>,
) -> Option<bool> {
    match written {
        None => Some(false),
        Some(written) => written.read("`true` or `false`", problems),
    }
}

/// Printable ASCII of the key `key`, at most `most` octets.
pub(super) fn text<'a>(
    written: Text<'a>,
    key: &str,
    most: usize,
    problems: &mut Problems<'a>,
) -> Option<String> {
    let text = written.read("a text in quotes", problems)?;
    if (1..=most).contains(&text.len()) && text.bytes().all(|c| (b' '..=b'~').contains(&c)) {
        return Some(text);
    }
    let wrong = format!("`{key}` is 1 to {most} printable characters of ASCII, not `{text}`");
    problems.refuse(written.text(), wrong);
    None
}

/// The longest name of a network device, `IFNAMSIZ` less its final zero.
const MAX_DEVICE_NAME: usize = 15;

/// What the kernel calls a network device.
pub(super) fn name_of_device<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let name = written.read("a network device in quotes such as `\"eth1\"`", problems)?;
    let fits = |c: char| c.is_ascii_graphic() && !"/:".contains(c);
    if (1..=MAX_DEVICE_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Some(name);
    }
    let wrong = format!("`{name}` is no network device; write one as `ip link` shows it");
    problems.refuse(written.text(), wrong);
    None
}

/// Where a file lies, as `example` does.
pub(super) fn path<'a>(
    written: Text<'a>,
    example: &str,
    problems: &mut Problems<'a>,
) -> Option<PathBuf> {
    let path = written.read("a path in quotes", problems)?;
    if path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') {
        return Some(PathBuf::from(path));
    }
    let wrong = format!("`{path}` is no absolute path of a file; write one like `{example}`");
    problems.refuse(written.text(), wrong);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let us = |text| parse_duration(text).map(|duration| duration.as_micros());
        assert_eq!(us("50us"), Some(50));
        assert_eq!(us("250ms"), Some(250_000));
        assert_eq!(us("1s"), Some(1_000_000));
        assert_eq!(us("5m"), Some(300_000_000));
        assert_eq!(us("1h"), Some(3_600_000_000));
        for no_duration in [
            "",
            "s",
            "5",
            "-1s",
            "1 s",
            "1.5s",
            "1d",
            "99999999999999999h",
        ] {
            assert_eq!(us(no_duration), None, "{no_duration}");
        }
    }
}
