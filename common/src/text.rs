//! Untrusted bytes and what of them may be shown: the one sanitiser.
//!
//! Process names, command lines, paths and host names are chosen by other people. Shown raw they could move
//! the cursor, rename the window or forge a line of output.

use std::fmt::Write;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What the reader's terminal understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// ASCII only: the C and POSIX locales.
    Ascii,
    /// All of Unicode.
    Utf8,
}

impl Charset {
    /// What the locale variables say: the first non-empty one of LC_ALL, LC_CTYPE, LANG decides (locale(7)).
    pub fn from_env() -> Charset {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(std::env::var_os)
            .find(|value| !value.is_empty())
            .unwrap_or_default();
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        match locale.contains("utf-8") || locale.contains("utf8") {
            true => Charset::Utf8,
            false => Charset::Ascii,
        }
    }
}

/// Can this character change what a terminal shows elsewhere, or hide there: control characters, those that
/// turn the writing direction, line separators, and all that may be shown as nothing? Source: Unicode's
/// properties Bidi_Control, Default_Ignorable_Code_Point, Zl and Zp.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Bytes as text that is safe on a terminal: what is not valid UTF-8 becomes `\xNN`, what [`is_unsafe`]
/// becomes `\xNN` or `\u{NNNN}`, and with [`Charset::Ascii`] all that is not ASCII does. A backslash that could
/// be taken for the beginning of such an escape is escaped itself.
pub fn show(bytes: &[u8], charset: Charset) -> String {
    escape(bytes, charset, |c, next| c == '\\' && matches!(next, Some('x' | 'u')))
}

/// Adds what [`show`] makes of bytes to a text, and answers how many columns of a terminal it takes.
pub fn show_into(out: &mut String, bytes: &[u8], charset: Charset) -> usize {
    let plain = |b: &u8| matches!(b, b' '..=b'~' if *b != b'\\');
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(plain) => {
            out.push_str(text);
            text.len()
        }
        _ => {
            let shown = show(bytes, charset);
            out.push_str(&shown);
            shown.width()
        }
    }
}

/// The beginning of a text that takes no more columns of a terminal than this, and how many it takes.
pub fn beginning(text: &str, columns: usize) -> (&str, usize) {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if taken + width > columns {
            return (&text[..at], taken);
        }
        taken += width;
    }
    (text, taken)
}

/// Like [`show`], and in one field without white space: every space and backslash is escaped, so the field can
/// be turned back.
pub fn show_raw(bytes: &[u8], charset: Charset) -> String {
    escape(bytes, charset, |c, _| c.is_whitespace() || c == '\\')
}

fn escape(bytes: &[u8], charset: Charset, also: impl Fn(char, Option<&char>) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    // Most names are plain from beginning to end.
    if bytes.iter().all(|&b| matches!(b, b'!'..=b'~' if b != b'\\') || b == b' ' && !also(' ', None)) {
        out.extend(bytes.iter().map(|&b| char::from(b)));
        return out;
    }
    for chunk in bytes.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            let escaped = is_unsafe(c) || also(c, chars.peek());
            // Writing to a String cannot fail.
            let _ = match c {
                c if c.is_ascii() && escaped => write!(out, "\\x{:02x}", c as u32),
                c if escaped => write!(out, "\\u{{{:x}}}", c as u32),
                c if !c.is_ascii() && charset == Charset::Ascii => {
                    let mut utf8 = [0; 4];
                    c.encode_utf8(&mut utf8).bytes().try_for_each(|b| write!(out, "\\x{b:02x}"))
                }
                c => out.write_char(c),
            };
        }
        chunk.invalid().iter().for_each(|b| {
            let _ = write!(out, "\\x{b:02x}");
        });
    }
    out
}

/// Bytes as one word of a command for a POSIX shell, safe to show and to paste: what may not be shown is written as
/// octal numbers for printf(1). None where that cannot be: no argument holds a zero byte, and the shell would
/// drop newlines at the end.
pub fn shell_word(bytes: &[u8], charset: Charset) -> Option<String> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/-_.:@+,".contains(b);
    let shown = show(bytes, charset);
    match shown {
        _ if bytes.contains(&0) || bytes.ends_with(b"\n") => None,
        shown if !bytes.is_empty() && bytes.iter().all(plain) => Some(shown),
        // A backslash means something between these quotes in some shells.
        shown if shown.as_bytes() == bytes && !bytes.contains(&b'\\') => {
            Some(format!("'{}'", shown.replace('\'', "'\"'\"'")))
        }
        _ => {
            let octal = |out: String, b: &u8| match plain(b) {
                true => out + char::from(*b).encode_utf8(&mut [0; 4]),
                // Whether its number begins a conversion is left open by POSIX.
                _ if *b == b'%' => out + "%%",
                false => out + &format!("\\{b:03o}"),
            };
            Some(format!("\"$(printf -- '{}')\"", bytes.iter().fold(String::new(), octal)))
        }
    }
}

/// Bytes as a JSON string with its quotes: always valid UTF-8 (what was not becomes U+FFFD), and unsafe
/// characters are written as `\uNNNN`.
pub fn json_string(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| {
                    let _ = write!(out, "\\u{unit:04x}");
                });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Bytes in base 64 (RFC 4648 section 4), for what JSON cannot hold as text.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// A time: seconds, whole or with a fraction, or with ms, s, m, h or d behind. Not negative, and at most a thousand years.
pub fn parse_duration(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * factor;
    (seconds < 3.2e10).then(|| Duration::from_secs_f64(seconds))
}

/// A decimal number without a sign; nothing else, and none that does not fit.
pub fn digits<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    // A listing reads eight for each process.
    let add = |sum: u64, b: &u8| match b {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    };
    match text {
        [] => None,
        text => T::try_from(text.iter().try_fold(0, add)?).ok(),
    }
}

/// A moment, in seconds since 1970, as ISO 8601 writes it: `2026-11-22T08:25:31Z`.
pub fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years of 365.2425 days that begin in March, counted from that of the year 0; so the leap day is their last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// How many columns of a terminal this text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning of this text that takes at most so many columns.
pub fn cut(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// Bytes for people, by powers of 1024: `512 B`, `64 MiB`, `12.3 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // One that would be rounded up to 1024 has the next unit.
    let mut number = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while number >= 1023.95 {
        let Some(next) = units.next() else { break };
        (number, unit) = (number / 1024.0, next);
    }
    let text = format!("{number:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_is_not_a_fraction() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1 MiB"),
            ((1 << 20) - 1, "1 MiB"),
            (64 << 20, "64 MiB"),
            (12_900_000, "12.3 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        let cases = [
            ("5", Some(5000)),
            ("1.5", Some(1500)),
            (".5", Some(500)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("0", Some(0)),
            ("-1", None),
            ("1e3", None),
            ("5 s", None),
            ("1w", None),
            ("s", None),
            ("", None),
            ("99999999999999999999", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse_duration(text.as_bytes()), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn nothing_unsafe_is_shown() {
        let cases: [(&[u8], &str, &str); 12] = [
            (b"\\x1b \\n", "\\x5cx1b \\n", "\\x5cx1b\\x20\\x5cn"),
            ("a\u{2003}b".as_bytes(), "a\u{2003}b", "a\\u{2003}b"),
            (b"sleep 60", "sleep 60", "sleep\\x2060"),
            (b"a\x1b]0;x\x07\nb", "a\\x1b]0;x\\x07\\x0ab", "a\\x1b]0;x\\x07\\x0ab"),
            (b"\xff\xc3", "\\xff\\xc3", "\\xff\\xc3"),
            ("é".as_bytes(), "é", "é"),
            (b"\xc2\x9b31m", "\\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj".as_bytes(), "\\u{202e}gpj", "\\u{202e}gpj"),
            (
                "a\u{3164}\u{fe0f}\u{e0100}".as_bytes(),
                "a\\u{3164}\\u{fe0f}\\u{e0100}",
                "a\\u{3164}\\u{fe0f}\\u{e0100}",
            ),
            (b"\x7f", "\\x7f", "\\x7f"),
            (b"a\\b", "a\\b", "a\\x5cb"),
            (b"", "", ""),
        ];
        for (bytes, plain, raw) in cases {
            assert_eq!(show(bytes, Charset::Utf8), plain);
            assert_eq!(show_raw(bytes, Charset::Utf8), raw);
        }
        assert_eq!(show("é".as_bytes(), Charset::Ascii), "\\xc3\\xa9");
    }

    #[test]
    fn a_word_for_a_shell_is_one_word_and_nothing_unsafe() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"/run/netns/a-1", Some("/run/netns/a-1")),
            (b"net:[4026532508]", Some("'net:[4026532508]'")),
            (b"", Some("''")),
            (b"/a b$(c)`d`;!", Some("'/a b$(c)`d`;!'")),
            (b"it's", Some("'it'\"'\"'s'")),
            (b"/a\\b", Some("\"$(printf -- '/a\\134b')\"")),
            (b"/\x1b[1m\n%'x", Some("\"$(printf -- '/\\033\\1331m\\012%%\\047x')\"")),
            (b"/\xff", Some("\"$(printf -- '/\\377')\"")),
            (b"/a\n", None),
            (b"/a\0b", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shell_word(bytes, Charset::Utf8).as_deref(), expected);
        }
        assert_eq!(
            shell_word("é".as_bytes(), Charset::Ascii).as_deref(),
            Some("\"$(printf -- '\\303\\251')\"")
        );
    }

    #[test]
    fn json_strings_are_valid_and_have_no_raw_control() {
        assert_eq!(json_string(b"a\"b\\c\nd\te"), r#""a\"b\\c\nd\te""#);
        assert_eq!(json_string(b"\x1b\x7f\xc2\x9b"), r#""\u001b\u007f\u009b""#);
        assert_eq!(json_string("\u{e0041}".as_bytes()), r#""\udb40\udc41""#);
        assert_eq!(json_string(b"\xff"), "\"\u{fffd}\"");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_335_931, "2026-11-22T08:25:31Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("容器"), 4);
        assert_eq!(cut("容器", 3), "容");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }
}
