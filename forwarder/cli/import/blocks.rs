//! The syntax of keepalived.conf: words on lines, and blocks in braces.

/// A line, and the block behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) words: Vec<String>,
    pub(super) inside: Vec<Block>,
}

impl Block {
    /// The word at a place; empty where there is none.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }
}

/// Reads a file. `id` is whose conditional lines count; what is not read is put into `notes`.
pub(super) fn read(text: &str, id: Option<&str>, notes: &mut Vec<String>) -> Vec<Block> {
    let mut values: Vec<(String, String)> = Vec::new();
    let mut open: Vec<Vec<Block>> = vec![Vec::new()];
    for (line, number) in text.lines().zip(1..) {
        let mut words = words(line);
        if let Some(condition) = words.first().and_then(|word| word.strip_prefix('@')) {
            let (meant, name) = match condition.strip_prefix('^') {
                Some(name) => (id != Some(name), name),
                None => (id == Some(condition), condition),
            };
            if !meant {
                let note = format!("line {number}: left out, it is for --config-id {name}");
                notes.push(note);
                continue;
            }
            words.remove(0);
        }
        if let Some((name, value)) = words.first().and_then(|word| definition(word)) {
            let rest = words.get(1..).unwrap_or_default();
            let value = [&[value.to_owned()], rest].concat().join(" ");
            values.push((name.to_owned(), value));
            continue;
        }
        for word in words
            .iter()
            .flat_map(|word| split_again(word, &values))
            .collect::<Vec<_>>()
        {
            match &*word {
                "{" => open.push(Vec::new()),
                "}" => close(&mut open),
                _ => push(&mut open, word, number),
            }
        }
    }
    while open.len() > 1 {
        notes.push("a block has no end".to_owned());
        close(&mut open);
    }
    open.pop().unwrap_or_default()
}

/// Adds a word to the line that it is on.
fn push(open: &mut [Vec<Block>], word: String, line: usize) {
    let Some(blocks) = open.last_mut() else {
        return;
    };
    match blocks.last_mut() {
        Some(block) if block.line == line && block.inside.is_empty() => block.words.push(word),
        _ => blocks.push(Block {
            line,
            words: vec![word],
            inside: Vec::new(),
        }),
    }
}

/// Puts what is in the innermost block behind its line.
fn close(open: &mut Vec<Vec<Block>>) {
    if open.len() < 2 {
        return;
    }
    let inside = open.pop().unwrap_or_default();
    if let Some(block) = open.last_mut().and_then(|blocks| blocks.last_mut()) {
        block.inside.extend(inside);
    }
}

/// The words of a line, without its comment; what is in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '!' | '#' if !quoted => break,
            '{' | '}' if !quoted && word.as_deref() != Some("$") && !in_value(word.as_deref()) => {
                words.extend(word.take());
                words.push(letter.to_string());
            }
            letter if letter.is_whitespace() && !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// True within `${NAME}`.
fn in_value(word: Option<&str>) -> bool {
    word.is_some_and(|word| word.rfind("${").is_some_and(|at| !word[at..].contains('}')))
}

/// `$NAME=VALUE`.
fn definition(word: &str) -> Option<(&str, &str)> {
    word.strip_prefix('$')?.split_once('=')
}

/// A word with the values that it names, which may be several words.
fn split_again(word: &str, values: &[(String, String)]) -> Vec<String> {
    if !word.contains('$') {
        return vec![word.to_owned()];
    }
    let mut text = word.to_owned();
    // The longest name first: `$AB` is not `$A` and a B.
    let mut values: Vec<_> = values.iter().collect();
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in values {
        text = text.replace(&format!("${{{name}}}"), value);
        text = text.replace(&format!("${name}"), value);
    }
    text.split_whitespace().map(str::to_owned).collect()
}
