//! The files of the repository, and the names that stand in Rust code.

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Folders that hold nothing of ours, or octets that a fuzzer made up.
/// `.git` is a file in a work tree of git's.
const SKIPPED: [&str; 5] = ["target", ".git", "__pycache__", "artifacts", "corpus"];

/// A text file by its path in the repository.
pub struct Text {
    pub path: String,
    pub text: String,
}

/// A path of names as it stands in code, `use` groups multiplied out.
#[derive(Clone)]
pub struct Name {
    pub segments: Vec<String>,
    pub line: usize,
    /// The function it stands in, if any.
    pub function: Option<String>,
    pub in_test: bool,
    /// True for what follows a dot.
    pub method: bool,
}

/// A Rust file taken apart.
pub struct Source {
    pub path: String,
    pub lines: Vec<String>,
    pub names: Vec<Name>,
    /// Lines that hold code, tests not counted.
    pub code_lines: usize,
}

/// All text files below `root`, in the order of their paths.
pub fn files(root: &Path) -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository is readable") {
            let path = entry.expect("as is its content").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if SKIPPED.contains(&name.as_ref()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let inside = path.strip_prefix(root).expect("it was found there");
                let path = inside.to_string_lossy().into_owned();
                found.push(Text { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Source {
    pub fn parse(file: &Text) -> Self {
        let tokens: TokenStream = file
            .text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let only_tests = ["tests/", "/tests.rs"];
        let place = Place {
            function: None,
            in_test: only_tests.iter().any(|part| file.path.contains(part)),
        };
        let mut reader = Reader::default();
        reader.read(tokens, &place);
        Self {
            path: file.path.clone(),
            lines: file.text.lines().map(str::to_owned).collect(),
            names: reader.names,
            code_lines: reader.code_lines.len(),
        }
    }
}

#[derive(Clone)]
struct Place {
    function: Option<String>,
    in_test: bool,
}

#[derive(Default)]
struct Reader {
    names: Vec<Name>,
    code_lines: BTreeSet<usize>,
}

impl Reader {
    fn read(&mut self, stream: TokenStream, outside: &Place) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut place = outside.clone();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if is_punct(token, '#') {
                let bang = usize::from(tokens.get(at + 1).is_some_and(|t| is_punct(t, '!')));
                if let Some(TokenTree::Group(attribute)) = tokens.get(at + 1 + bang) {
                    let words: Vec<String> = attribute
                        .stream()
                        .into_iter()
                        .map(|token| token.to_string().replace([' ', '\n'], ""))
                        .collect();
                    place.in_test |= words.starts_with(&["cfg".to_owned(), "(test)".to_owned()])
                        || words.concat().starts_with("cfg(all(test,");
                    if words.first().is_none_or(|word| word != "doc") {
                        self.read(attribute.stream(), &place);
                    }
                    at += 2 + bang;
                    continue;
                }
            }
            self.count(token, &place);
            match token {
                TokenTree::Ident(ident) => {
                    if ident == "fn"
                        && let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
                    {
                        place.function = Some(name.to_string());
                    }
                    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
                    let method = before.is_some_and(|token| is_punct(token, '.'));
                    at = self.path(&tokens, at, &[], method, &place);
                    continue;
                }
                TokenTree::Group(group) => {
                    self.read(group.stream(), &place);
                    // The end of an item, and of what was said of it.
                    if group.delimiter() == Delimiter::Brace {
                        place = outside.clone();
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => place = outside.clone(),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// Reads `a::b::{c, d::e}` from `at` on; returns where it ends.
    fn path(
        &mut self,
        tokens: &[TokenTree],
        at: usize,
        prefix: &[String],
        method: bool,
        place: &Place,
    ) -> usize {
        let mut segments = prefix.to_vec();
        let mut next = at;
        let line = tokens[at].span().start().line;
        while let Some(TokenTree::Ident(ident)) = tokens.get(next) {
            self.count(&tokens[next], place);
            segments.push(ident.to_string());
            next += 1;
            let colons = |at| tokens.get(at).is_some_and(|token| is_punct(token, ':'));
            if !colons(next) || !colons(next + 1) {
                break;
            }
            match tokens.get(next + 2) {
                Some(TokenTree::Ident(_)) => next += 2,
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let mut at = 0;
                    while at < inner.len() {
                        self.count(&inner[at], place);
                        at = match inner[at] {
                            TokenTree::Ident(_) => self.path(&inner, at, &segments, false, place),
                            _ => at + 1,
                        };
                    }
                    return next + 3;
                }
                _ => break,
            }
        }
        self.names.push(Name {
            segments,
            line,
            function: place.function.clone(),
            in_test: place.in_test,
            method,
        });
        next
    }

    fn count(&mut self, token: &TokenTree, place: &Place) {
        if !place.in_test {
            let span = token.span();
            self.code_lines.insert(span.start().line);
            self.code_lines.insert(span.end().line);
        }
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}
