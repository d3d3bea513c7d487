//! What is wrong with a configuration, and where.

use std::fmt;

/// One thing that is wrong, or doubtful, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as its reader named it.
    pub file: String,
    /// Where in the file; nowhere when the file could not be read at all.
    pub place: Option<Place>,
    /// The offending value and what would be right.
    pub text: String,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, text } = self;
        match place {
            Some(Place { line, column }) => write!(f, "{file}:{line}:{column}: {text}"),
            None => write!(f, "{file}: {text}"),
        }
    }
}

/// Why a configuration was refused: at least one problem, in the order of the file. Prints one
/// line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct Refused {
    pub(super) problems: Vec<Problem>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Collects the problems of one text. Places are given as the part of the text that is wrong:
/// slices of the text know where they are.
pub(super) struct Problems<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
    errors: Vec<(usize, String)>,
    warnings: Vec<(usize, String)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            line_starts: std::iter::once(0).chain(newlines).collect(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Refuses the text for what stands at the start of `at`.
    pub(super) fn refuse(&mut self, at: &'a str, text: impl Into<String>) {
        self.errors.push((self.offset(at), text.into()));
    }

    /// Warns of what stands at the start of `at`.
    pub(super) fn warn(&mut self, at: &'a str, text: impl Into<String>) {
        self.warnings.push((self.offset(at), text.into()));
    }

    /// The line of `at`, from 1.
    pub(super) fn line(&self, at: &'a str) -> usize {
        self.place(self.offset(at)).line
    }

    /// The warnings, or the refusal if there is one.
    pub(super) fn finish(mut self, file: &str) -> Result<Vec<Problem>, Refused> {
        let errors = std::mem::take(&mut self.errors);
        if errors.is_empty() {
            let warnings = std::mem::take(&mut self.warnings);
            Ok(self.in_order(file, warnings))
        } else {
            Err(Refused {
                problems: self.in_order(file, errors),
            })
        }
    }

    fn in_order(&self, file: &str, mut found: Vec<(usize, String)>) -> Vec<Problem> {
        found.sort_by_key(|(offset, _)| *offset);
        found
            .into_iter()
            .map(|(offset, text)| Problem {
                file: file.to_owned(),
                place: Some(self.place(offset)),
                text,
            })
            .collect()
    }

    fn offset(&self, at: &'a str) -> usize {
        let offset = at.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        debug_assert!(offset <= self.text.len(), "a place is part of the text");
        offset
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|i| self.line_starts.get(i));
        let before = start.and_then(|start| self.text.get(*start..offset));
        Place {
            line,
            column: before.map_or(0, |before| before.chars().count()) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "ab\n\u{e9}\u{e9}x\n";
        let mut problems = Problems::new(text);
        problems.refuse(&text[7..], "x");
        problems.refuse(&text[9..], "the end");
        problems.refuse(text, "the start");
        let refused = problems.finish("f").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "f:1:1: the start\nf:2:3: x\nf:3:1: the end"
        );
    }

    #[test]
    fn warnings_alone_do_not_refuse() {
        let text = "ab";
        let mut problems = Problems::new(text);
        problems.warn(&text[1..], "b");
        let warnings = problems.finish("f").unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].to_string(), "f:1:2: b");
    }
}
