//! The share of CPU time as version 1 counts it, and as version 2 does.

use std::f64::consts::{LN_2, LN_10};

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
            let log = ln(shares as f64) / LN_2;
            let power = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // Ten squared can come out a little above 100.
            (exp(power * LN_10) - 1e-9).ceil() as u64
        }
    }
}

/// The natural logarithm of a number from 1. Here because the C library's would be one more library to load for each start.
fn ln(number: f64) -> f64 {
    let (mut mantissa, mut halvings) = (number, 0.0);
    while mantissa >= 2.0 {
        (mantissa, halvings) = (mantissa / 2.0, halvings + 1.0);
    }
    // Twice the area tangent of this, which is below a third: each term is less than a ninth of the one before.
    let part = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut term, mut sum) = (part, 0.0);
    for odd in (1..50).step_by(2) {
        sum += term / f64::from(odd);
        term *= part * part;
    }
    2.0 * sum + halvings * LN_2
}

/// The exponential function of a number from 0 to 10.
fn exp(number: f64) -> f64 {
    // Of a sixteenth of it the series is short.
    let (mut term, mut sum) = (1.0, 0.0);
    for step in 1..30 {
        sum += term;
        term *= number / 16.0 / f64::from(step);
    }
    (0..4).fold(sum, |power, _| power * power)
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

    #[test]
    fn logarithms_and_powers_are_those_of_the_c_library() {
        for number in (2..=262_144).step_by(37) {
            let number = f64::from(number);
            assert!((ln(number) - number.ln()).abs() < 1e-13 * number.ln(), "{number}");
            let power = number / 30_000.0;
            assert!((exp(power) - power.exp()).abs() < 1e-13 * power.exp(), "{power}");
        }
    }

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
