use proptest::prelude::*;

use super::*;

const REFERENCE: &str = include_str!("../../../configs/reference.ron");

/// Pieces that RON and the readers of values treat in their own ways.
const PIECES: [&str; 26] = [
    "",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "'",
    "//",
    "/*",
    "*/",
    "#",
    "r#\"",
    "..",
    "-",
    "0x",
    "99999999999999999999",
    "None",
    "Some(",
    "\u{fc}",
    "\n",
    "/0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// Whatever becomes of the file, it is read or refused, with each place within the file.
    #[test]
    fn no_text_makes_the_reader_panic(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..40, prop::sample::select(&PIECES[..])),
            1..4,
        )
    ) {
        let mut characters: Vec<char> = REFERENCE.chars().collect();
        for (start, cut, piece) in edits {
            let start = start.index(characters.len());
            let end = (start + cut).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        let text: String = characters.into_iter().collect();
        if let Ok(Checked { config, .. }) = parsed(&text) {
            let written = parse(&config.to_ron().unwrap(), "written", Some(8));
            prop_assert_eq!(written.map(|again| again.config), Ok(config.clone()));
            let reference = parsed(REFERENCE).unwrap().config;
            let differences = reference.differences(&config);
            prop_assert_eq!(differences.is_empty(), reference == config);
        } else if let Err(refused) = parsed(&text) {
            prop_assert!(!refused.problems.is_empty());
            let lines: Vec<&str> = text.split('\n').collect();
            for problem in &refused.problems {
                let place = problem.place.unwrap();
                let line = lines.get(place.line - 1).map(|line| line.chars().count());
                prop_assert!(line.is_some_and(|most| place.column <= most + 1), "{problem}");
            }
        }
    }

    #[test]
    fn no_noise_makes_the_reader_panic(text in "\\PC{0,60}") {
        prop_assert!(parsed(&text).is_err());
    }
}
