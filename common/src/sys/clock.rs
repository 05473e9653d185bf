//! Times as people say them.

/// A time in seconds since 1970 as `2026-11-29 08:15:30 +0000`, in the time zone of the caller. None if it is out of all bounds.
/// Source: localtime(3), strftime(3).
pub fn local_time(seconds: i64) -> Option<String> {
    let mut text = [0u8; 64];
    // SAFETY: all fields are numbers, but for a pointer, of which null is one.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of these types.
    if unsafe { libc::localtime_r(&seconds, &mut parts) }.is_null() {
        return None;
    }
    // SAFETY: the buffer is as long as is said, the format ends with a zero, and the name of the zone lives as long as the program.
    let length = unsafe {
        libc::strftime(text.as_mut_ptr().cast(), text.len(), c"%Y-%m-%d %H:%M:%S %z".as_ptr(), &parts)
    };
    text.get(..length).filter(|text| !text.is_empty()).map(|text| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_date_and_its_zone() {
        // Whatever the zone, it is the last day of the year or the first.
        let text = local_time(0).expect("a time");
        assert!(text.starts_with("1970-01-01 ") || text.starts_with("1969-12-31 "), "{text}");
        assert_eq!((text.len(), text.as_bytes()[13]), (25, b':'));
        assert_eq!(local_time(i64::MAX), None);
    }
}
