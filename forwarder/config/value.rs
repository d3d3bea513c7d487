//! Single values: numbers, durations, names. Each reader refuses what is wrong with the value
//! itself and leaves its relations to others to the callers.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use super::{
    problem::Problems,
    raw::{Number, Text},
};

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

fn parse_duration(text: &str) -> Option<Duration> {
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
