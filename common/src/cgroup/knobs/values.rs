//! Values of limits, and how they are read: numbers, sizes, shares, lists of CPUs, devices.

use crate::text::digits;

/// A limit's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// So much, in the unit of the limit.
    Number(u64),
    /// The same with a sign.
    Signed(i32),
    /// A number of CPUs.
    Cpus(f64),
    /// CPUs or memory nodes, as the kernel lists them.
    List(String),
    /// So much for this device; none is no limit.
    Device(Vec<u8>, Option<u64>),
    /// No limit.
    Max,
    /// Only what nobody else wants.
    Idle,
    /// A switch that was given.
    On,
}

/// Most CPUs and memory nodes that a list may name; more than any kernel can have.
const CPUS: u32 = 1 << 16;

/// Close to the highest number a size of memory is no limit at all.
const HIGHEST: u64 = i64::MAX as u64 - (1 << 16);

/// `max`, or -1 as the files of version 1 have it.
pub(super) fn unlimited(text: &[u8]) -> Option<Value> {
    matches!(text, b"max" | b"-1").then_some(Value::Max)
}

/// A decimal number of this range.
pub(super) fn range(text: &[u8], least: u64, most: u64) -> Option<Value> {
    digits(text).filter(|number| (least..=most).contains(number)).map(Value::Number)
}

/// The same with a sign if it is below zero.
pub(super) fn signed(text: &[u8], least: i32, most: i32) -> Option<Value> {
    let number = match text.strip_prefix(b"-") {
        Some(rest) => digits::<i32>(rest).map(|number| -number),
        None => digits(text),
    };
    number.filter(|number| (least..=most).contains(number)).map(Value::Signed)
}

/// A number of CPUs from 0.001, such as 0.2.
pub(super) fn cpus(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let cpus = text.parse::<f64>().ok().filter(|_| decimal)?;
    (0.001..=1e6).contains(&cpus).then_some(cpus)
}

/// The same in percent of one CPU, with the sign.
pub(super) fn percent(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text.strip_suffix(b"%")?).ok()?;
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let cpus = text.parse::<f64>().ok().filter(|_| decimal)? / 100.0;
    // A tenth of a percent, divided, must not fall below a thousandth.
    (0.001 - 1e-12..=1e6).contains(&cpus).then_some(Value::Cpus(cpus))
}

/// A size in bytes from `least`, with K, M, G or T for powers of 1024, in any case, and `B` or `iB` after them; before
/// them it may be a decimal. Parsed here because the kernel takes some suffixes in some files, and silently drops them
/// in others.
pub(super) fn size(text: &[u8], least: u64) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let end = lower.iter().position(|b| !b.is_ascii_digit() && *b != b'.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let shift = match unit {
        b"" | b"b" => 0,
        b"k" | b"kb" | b"kib" => 10,
        b"m" | b"mb" | b"mib" => 20,
        b"g" | b"gb" | b"gib" => 30,
        b"t" | b"tb" | b"tib" => 40,
        _ => return None,
    };
    let (whole, part) = match number.iter().position(|&b| b == b'.') {
        // There are no parts of a byte.
        Some(_) if shift == 0 => return None,
        Some(dot) => (&number[..dot], &number[dot + 1..]),
        None => (number, &b"0"[..]),
    };
    let whole = digits::<u64>(whole)?.checked_mul(1 << shift)?;
    // Twelve decimals are less than a byte of any unit.
    let part = part.get(..12).filter(|_| part.iter().all(u8::is_ascii_digit)).unwrap_or(part);
    let of_unit = (u128::from(digits::<u64>(part)?) << shift) / 10u128.pow(u32::try_from(part.len()).ok()?);
    let bytes = whole.checked_add(u64::try_from(of_unit).ok()?)?;
    (least..HIGHEST).contains(&bytes).then_some(Value::Number(bytes))
}

/// A list of numbers and ranges, as the kernel would print it: `0-3,7`.
pub(super) fn list(text: &[u8]) -> Option<Value> {
    let number = |text: &[u8]| digits::<u32>(text).filter(|number| *number < CPUS);
    let piece = |piece: &[u8]| match piece.iter().position(|&b| b == b'-') {
        Some(dash) => Some((number(&piece[..dash])?, number(&piece[dash + 1..])?)),
        None => number(piece).map(|number| (number, number)),
    };
    let mut ranges = text.split(|&b| b == b',').map(piece).collect::<Option<Vec<_>>>()?;
    if ranges.iter().any(|(first, last)| first > last) {
        return None;
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    let show = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    Some(Value::List(merged.iter().map(show).collect::<Vec<_>>().join(",")))
}

/// `DEVICE:NUMBER`, or `DEVICE:max`. The device may have colons itself.
pub(super) fn of_device(text: &[u8], number: fn(&[u8]) -> Option<Value>) -> Option<Value> {
    let colon = text.iter().rposition(|&b| b == b':')?;
    let (device, rest) = (&text[..colon], &text[colon + 1..]);
    if device.is_empty() || device.contains(&0) {
        return None;
    }
    match unlimited(rest).or_else(|| number(rest))? {
        Value::Number(number) => Some(Value::Device(device.to_vec(), Some(number))),
        _ => Some(Value::Device(device.to_vec(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_decimals() {
        let cases = [
            ("4096", Some(4096)),
            ("64M", Some(64 << 20)),
            ("64mib", Some(64 << 20)),
            ("64MB", Some(64 << 20)),
            ("1.5G", Some(3 << 29)),
            ("1.5k", Some(1536)),
            ("0.1G", Some(107_374_182)),
            ("1.000000000000000000001G", Some(1 << 30)),
            ("8191T", Some(8191 << 40)),
            ("1.5", None),
            ("1.G", None),
            (".5G", None),
            ("1.5.5G", None),
            ("1.xG", None),
            ("G", None),
            ("", None),
            ("64Q", None),
            ("1e3", None),
            ("+5", None),
            ("-1", None),
            ("9223372036854775807", None),
            ("16777216T", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text.as_bytes(), 1), expected.map(Value::Number), "{text}");
        }
        assert_eq!(size(b"0", 0), Some(Value::Number(0)));
        assert_eq!(size(b"4095", 4096), None);
    }

    #[test]
    fn lists_are_written_as_the_kernel_prints_them() {
        let cases = [
            ("0", Some("0")),
            ("0-3,7", Some("0-3,7")),
            ("7,0-3", Some("0-3,7")),
            ("0,1,2", Some("0-2")),
            ("0-5,2-3", Some("0-5")),
            ("3-3", Some("3")),
            ("65535", Some("65535")),
            ("65536", None),
            ("3-1", None),
            ("0-", None),
            ("-1", None),
            ("0,,1", None),
            ("0 1", None),
            ("all", None),
            ("0-1:1/2", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(list(text.as_bytes()), expected.map(|list| Value::List(list.into())), "{text}");
        }
    }

    #[test]
    fn percents_are_of_one_cpu() {
        let cases = [
            ("20%", Some(0.2)),
            ("150%", Some(1.5)),
            ("0.1%", Some(0.001)),
            ("0.01%", None),
            ("-1%", None),
            ("1e1%", None),
            ("%", None),
            ("20", None),
            ("0%", None),
        ];
        for (text, expected) in cases {
            assert_eq!(percent(text.as_bytes()), expected.map(Value::Cpus), "{text}");
        }
    }

    /// Pitfall 2: what follows the number is read here, or it would silently become bytes; and no number has more
    /// than 32 bits where the kernel keeps no more.
    #[test]
    fn devices_stand_before_the_last_colon() {
        let rate: fn(&[u8]) -> Option<Value> = |text| size(text, 1);
        let device = |name: &str, most| Some(Value::Device(name.into(), most));
        let cases = [
            ("/dev/vda:4M", device("/dev/vda", Some(4 << 20))),
            ("8:0:100", device("8:0", Some(100))),
            ("/a:b:1k", device("/a:b", Some(1024))),
            ("/dev/vda:max", device("/dev/vda", None)),
            ("/dev/vda", None),
            ("/dev/vda:", None),
            ("/dev/vda:0", None),
            (":5", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(of_device(text.as_bytes(), rate), expected, "{text}");
        }
    }
}
