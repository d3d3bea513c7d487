//! The search for the greatest rate that passes (RFC 2544, 26.1), by halves.

/// A rate below this part of the greatest is none.
const LEAST: f64 = 1e-3;

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The greatest rate that passed; 0 where none did.
    pub rate: f64,
    /// True where the greatest rate that was tried passed: there may be more.
    pub is_bound: bool,
}

/// Tries rates up to `most`, until the least that failed is within `precision` (a part of it) of
/// the greatest that passed. `passes` tries one.
pub fn search<E>(
    most: f64,
    precision: f64,
    mut passes: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Found, E> {
    if passes(most)? {
        return Ok(Found {
            rate: most,
            is_bound: true,
        });
    }
    let (mut low, mut high) = (0.0, most);
    while high - low > precision * high && high > LEAST * most {
        let middle = f64::midpoint(low, high);
        if passes(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Found {
        rate: low,
        is_bound: false,
    })
}

#[cfg(test)]
mod tests {
    use super::search;

    #[test]
    fn finds_the_limit_from_below() {
        let mut tries = 0;
        let found = search(20.0, 0.01, |rate| {
            tries += 1;
            Ok::<_, ()>(rate <= 7.3)
        });
        let rate = found.unwrap().rate;
        assert!(rate <= 7.3 && rate > 7.3 * 0.98, "{rate}");
        assert!(tries < 12, "{tries} tries");
    }

    #[test]
    fn says_where_the_limit_is_its_own() {
        let found = search(20.0, 0.01, |_| Ok::<_, ()>(true)).unwrap();
        assert!(found.is_bound);
        assert!((found.rate - 20.0).abs() < 1e-9);
    }

    #[test]
    fn ends_where_nothing_passes() {
        let mut tries = 0;
        let found = search(20.0, 0.01, |_| {
            tries += 1;
            Ok::<_, ()>(false)
        });
        assert!(found.unwrap().rate.abs() < 1e-9);
        assert!(tries < 15, "{tries} tries");
    }
}
