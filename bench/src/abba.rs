//! Alternatives that take turns, and what their figures come to.
//!
//! A machine gets faster and slower over minutes. Taking turns in the order A B B A lets every
//! alternative have the same share of that, so their ratio stays true where no single figure does.

use serde::{Deserialize, Serialize};

/// A figure that was measured several times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Sample {
    /// None where there are no figures.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted.len() / 2;
        let lower = (sorted.len() - 1) / 2;
        Some(Self {
            median: f64::midpoint(sorted[lower], sorted[upper]),
            min,
            max,
            count: sorted.len(),
        })
    }
}

/// A count to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits of nanoseconds are more than a hundred days"
)]
pub fn real(count: u64) -> f64 {
    count as f64
}

/// Which of `alternatives` has its turn when: each once in a round, every other round backwards.
pub fn order(alternatives: usize, rounds: usize) -> impl Iterator<Item = usize> {
    (0..rounds).flat_map(move |round| {
        (0..alternatives).map(move |turn| match round % 2 {
            0 => turn,
            _ => alternatives - 1 - turn,
        })
    })
}

/// Lets `measure` measure each of `alternatives` once in each of `rounds`; gives all figures of
/// each, in the order of `alternatives`.
pub fn alternate<A, T, E>(
    alternatives: &mut [A],
    rounds: usize,
    mut measure: impl FnMut(&mut A) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut figures: Vec<Vec<T>> = alternatives.iter().map(|_| Vec::new()).collect();
    for turn in order(alternatives.len(), rounds) {
        figures[turn].push(measure(&mut alternatives[turn])?);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::{Sample, alternate, order};

    #[test]
    fn every_other_round_goes_backwards() {
        let turns: Vec<usize> = order(3, 3).collect();
        assert_eq!(turns, [0, 1, 2, 2, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn figures_come_back_with_whom_they_are_of() {
        let mut clock = 0;
        let figures = alternate(&mut ["a", "b"], 2, |name| {
            clock += 1;
            Ok::<_, ()>(format!("{name}{clock}"))
        });
        assert_eq!(figures.unwrap(), [["a1", "a4"], ["b2", "b3"]]);
    }

    #[test]
    fn the_first_error_ends_it() {
        let mut turns = 0;
        let result = alternate(&mut [1, 2, 3], 2, |alternative| {
            turns += 1;
            if *alternative == 2 {
                Err("two")
            } else {
                Ok(())
            }
        });
        assert_eq!(result, Err("two"));
        assert_eq!(turns, 2);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Sample::of(&[]), None);
        let odd = Sample::of(&[9.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            odd,
            Sample {
                median: 2.0,
                min: 1.0,
                max: 9.0,
                count: 3
            }
        );
        let even = Sample::of(&[4.0, 1.0, 2.0, 30.0]).unwrap();
        assert_eq!((even.median, even.max), (3.0, 30.0));
    }
}
