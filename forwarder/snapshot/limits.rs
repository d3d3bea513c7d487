//! How many sessions may begin.

/// What bounds the sessions of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// With so many sessions it takes no more; 0 is no bound.
    pub most: u32,
    /// Having come to that, it takes more when it has fewer than this.
    pub again_below: u32,
    /// Sessions that may begin in 1000 s with one worker; 0 is any number.
    pub per_1000_s: u64,
}

/// What bounds the sessions that clients begin who have a prefix in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimit {
    /// Bits of the client's address.
    pub prefix: u8,
    /// Sessions that may begin in 1000 s with one worker.
    pub per_1000_s: u64,
}

impl Limits {
    /// A bound as IPVS's thresholds have it: without a lower one three quarters of the upper one.
    #[must_use]
    pub fn thresholds(self, upper: u32, lower: u32) -> Self {
        let quarters = u64::from(upper).saturating_mul(3).div_ceil(4);
        Self {
            most: upper,
            again_below: match lower {
                0 => u32::try_from(quarters).unwrap_or(upper),
                lower => lower,
            },
            ..self
        }
    }

    /// True where something is bounded.
    pub fn any(&self) -> bool {
        self.most > 0 || self.per_1000_s > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IPVS: four times what it has are less than three times the upper threshold.
    #[test]
    fn three_quarters_are_as_ipvs_counts_them() {
        for upper in 1..100_u32 {
            let limits = Limits::default().thresholds(upper, 0);
            for has in 0..=upper {
                assert_eq!(
                    has < limits.again_below,
                    has * 4 < upper * 3,
                    "{has} of {upper}"
                );
            }
        }
        assert_eq!(Limits::default().thresholds(100, 20).again_below, 20);
        let largest = Limits::default().thresholds(u32::MAX, 0);
        assert_eq!(largest.again_below, 3_221_225_472);
    }
}
