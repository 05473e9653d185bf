//! The share of CPU time as version 1 counts it, and as version 2 does.

/// What `cpu.shares` takes; below and above, the kernel silently takes these.
pub(super) const SHARES: (u64, u64) = (2, 262_144);
/// What `cpu.weight` takes.
pub(super) const WEIGHTS: (u64, u64) = (1, 10_000);

/// Shares as a weight, so that the usual 1024 are the usual 100 and both ends of one are those of the other. Source: the
/// formula on which the makers of container runtimes agreed in 2025; before, 1024 had become 39.
pub(super) fn weight(shares: u64) -> u64 {
    match shares {
        shares if shares <= SHARES.0 => WEIGHTS.0,
        shares if shares >= SHARES.1 => WEIGHTS.1,
        shares => {
            let log = (shares as f64).log2();
            let power = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // Ten squared can come out a little above 100.
            (10f64.powf(power) - 1e-9).ceil() as u64
        }
    }
}

/// A weight as shares: the most that become it, so that there and back it is the same.
pub(super) fn shares(wanted: u64) -> u64 {
    let (mut least, mut most) = SHARES;
    while least < most {
        let middle = (least + most).div_ceil(2);
        match weight(middle) <= wanted {
            true => least = middle,
            false => most = middle - 1,
        }
    }
    least
}

/// A weight of block io from 10 to 1000, as BFQ and docker count, on the scale of `io.weight`, from 1 to 10000.
pub(super) fn io_weight(weight: u64) -> u64 {
    1 + weight.saturating_sub(10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pitfall 17: which formula it is, and that the usual value is exactly the usual value.
    #[test]
    fn shares_become_weights_by_the_formula_of_2025() {
        let cases = [
            (0, 1),
            (2, 1),
            (3, 2),
            (10, 4),
            (100, 17),
            (256, 35),
            (512, 59),
            (1000, 99),
            (1024, 100),
            (2000, 170),
            (2048, 174),
            (4096, 303),
            (10240, 639),
            (65536, 3023),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ];
        for (from, to) in cases {
            assert_eq!(weight(from), to, "{from}");
        }
        assert!((SHARES.0..SHARES.1).all(|shares| weight(shares) <= weight(shares + 1)));
    }

    /// Pitfall 17: there and back for each.
    #[test]
    fn every_weight_becomes_shares_and_is_itself_again() {
        for (from, to) in [(1, 2), (39, 305), (100, 1024), (10_000, 262_144)] {
            assert_eq!(shares(from), to, "{from}");
        }
        for wanted in WEIGHTS.0..=WEIGHTS.1 {
            assert_eq!(weight(shares(wanted)), wanted);
        }
    }

    #[test]
    fn weights_of_block_io_have_two_scales() {
        for (from, to) in [(10, 1), (11, 11), (100, 910), (500, 4950), (1000, 10_000)] {
            assert_eq!(io_weight(from), to, "{from}");
        }
    }
}
