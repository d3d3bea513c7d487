//! What to say of a key or a choice that the configuration does not have.

/// Keys that other load balancers have and this weir will: the key, what it asks for.
const KEYS_NOT_BUILT: [(&str, &str); 1] = [("sync", "session synchronisation is")];

/// Choices likewise.
const CHOICES_NOT_BUILT: [(&str, &str); 2] = [("Snat", "source NAT"), ("Sctp", "SCTP")];

/// An example of each key that cannot be left out.
const EXAMPLES: [(&str, &str); 18] = [
    ("connections_per_second", "connections_per_second: 100"),
    ("workers", "workers: [1]"),
    ("max", "max: \"50us\""),
    ("name", "name: \"web\""),
    ("device", "device: Pci(\"0000:3b:00.0\")"),
    ("addresses", "addresses: [\"192.0.2.2/24\"]"),
    ("to", "to: \"0.0.0.0/0\""),
    ("via", "via: \"192.0.2.1\""),
    ("mac", "mac: \"02:00:00:00:00:01\""),
    ("address", "address: \"192.0.2.100:80\""),
    ("protocol", "protocol: Tcp"),
    ("forward", "forward: Nat"),
    ("length", "length: 8"),
    ("listen", "listen: \"127.0.0.1:9180\""),
    ("token_file", "token_file: \"/etc/weir/token\""),
    ("command", "command: [\"/usr/local/bin/check\"]"),
    ("port", "port: \"wan\""),
    ("id", "id: 51"),
];

/// For the key `found` of the group `group`, which has the keys `known`.
pub(super) fn unknown_key(found: &str, known: &[&str], group: Option<&str>) -> String {
    if let Some((key, what)) = find(&KEYS_NOT_BUILT, found) {
        return format!("{what} not built into this weir yet; remove `{key}`");
    }
    let place = group.map_or_else(String::new, |group| format!(" of {group}"));
    format!("unknown key `{found}`{place}; {}", proposal(found, known))
}

/// For the choice `found` where there are `known`.
pub(super) fn unknown_choice(found: &str, known: &[&str]) -> String {
    if let Some((_, what)) = find(&CHOICES_NOT_BUILT, found) {
        return format!(
            "{what} is not built into this weir yet; choose {}",
            listed(known, "or")
        );
    }
    format!("unknown choice `{found}`; {}", proposal(found, known))
}

/// For the key `key` that the group `group` must have.
pub(super) fn missing_key(key: &str, group: Option<&str>) -> String {
    let group = group.unwrap_or("group");
    let example = match (group, key) {
        ("Neighbour", "address") => "address: \"10.1.0.11\"",
        _ => find(&EXAMPLES, key).map_or(key, |(_, example)| example),
    };
    format!("this {group} lacks the key `{key}`; write it like `{example}`")
}

fn find<'t>(table: &'t [(&str, &str)], word: &str) -> Option<(&'t str, &'t str)> {
    let row = table.iter().find(|(key, _)| key.eq_ignore_ascii_case(word));
    row.map(|(key, what)| (*key, *what))
}

fn proposal(found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", listed(known, "and")),
    }
}

/// The known word that `found` is most probably a slip of: at most a third of its letters differ.
fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = found.to_ascii_lowercase();
    let distance = |word: &str| strsim::damerau_levenshtein(&lower, &word.to_ascii_lowercase());
    let nearest = known.iter().min_by_key(|word| distance(word))?;
    (distance(nearest) <= found.len() / 3).then_some(*nearest)
}

fn listed(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_one_that_could_be_meant() {
        let known = ["name", "address", "backends"];
        assert_eq!(nearest("bakcends", &known), Some("backends"));
        assert_eq!(nearest("Address", &known), Some("address"));
        assert_eq!(nearest("adress", &known), Some("address"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("a", &[]), None);
    }
}
