//! Writing JSON that is valid whatever bytes stand in it.

use std::time::Duration;

use crate::text::{base64, json_string};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing is known, or there is nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// One that can be less than nothing.
    Signed(i64),
    /// So many millionths of one: seconds to the microsecond, for example.
    Millionths(u64),
    /// Bytes that anybody may have chosen.
    Text(Vec<u8>),
    /// Several of those as one text with this byte between them.
    Lines {
        /// The texts.
        lines: Vec<Vec<u8>>,
        /// What stands between two.
        between: u8,
    },
    /// Values in order.
    List(Vec<Value>),
    /// Keys and values. Text that is not valid UTF-8 appears a second time, in base 64 under the key with
    /// `_b64` at its end; text in a list cannot, so let it stand in objects.
    Object(Vec<(&'static str, Value)>),
}

impl Value {
    /// A number that may be missing.
    pub fn number(number: Option<impl Into<u64>>) -> Value {
        number.map_or(Value::Null, |number| Value::Number(number.into()))
    }

    /// A time in seconds, that may be missing.
    pub fn seconds(time: Option<Duration>) -> Value {
        time.map_or(Value::Null, |time| Value::Millionths(time.as_micros().try_into().unwrap_or(u64::MAX)))
    }

    /// A whole document.
    pub fn document(&self) -> String {
        let mut out = String::new();
        write(&mut out, 0, self);
        out.push('\n');
        out
    }

    fn is_simple(&self) -> bool {
        !matches!(self, Value::List(_) | Value::Object(_))
    }
}

/// Writes a key and its value. `steps` is how deep they stand.
pub(super) fn member(out: &mut String, steps: usize, key: &str, value: &Value) {
    out.push_str(&format!("\"{key}\": "));
    write(out, steps, value);
    if let Some(bytes) = lost(value) {
        out.push_str(&format!(",\n{}\"{key}_b64\": \"{}\"", indent(steps), base64(&bytes)));
    }
}

/// The bytes of a text that JSON cannot hold. Of several texts, which cannot have a zero byte in them, it stands
/// between two.
fn lost(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Text(bytes) => std::str::from_utf8(bytes).is_err().then(|| bytes.clone()),
        Value::Lines { lines, between } => {
            let told = |line: &Vec<u8>| std::str::from_utf8(line).is_ok() && !line.contains(between);
            (!lines.iter().all(told)).then(|| lines.join(&0))
        }
        _ => None,
    }
}

fn write(out: &mut String, steps: usize, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Signed(number) => out.push_str(&number.to_string()),
        Value::Millionths(number) => {
            let text = format!("{}.{:06}", number / 1_000_000, number % 1_000_000);
            out.push_str(text.trim_end_matches('0').trim_end_matches('.'));
        }
        Value::Text(bytes) => out.push_str(&json_string(bytes)),
        Value::Lines { lines, between } => out.push_str(&json_string(&lines.join(between))),
        Value::List(values) if values.iter().all(Value::is_simple) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(out, steps, value);
            }
            out.push(']');
        }
        Value::List(values) => {
            block(out, steps, ['[', ']'], values, |out, value| write(out, steps + 1, value));
        }
        Value::Object(members) => block(out, steps, ['{', '}'], members, |out, (key, value)| {
            member(out, steps + 1, key, value);
        }),
    }
}

/// Things on lines of their own, one step deeper than the brackets around them.
fn block<T>(
    out: &mut String,
    steps: usize,
    [open, close]: [char; 2],
    things: &[T],
    one: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (at, thing) in things.iter().enumerate() {
        out.push_str(if at > 0 { ",\n" } else { "\n" });
        out.push_str(&indent(steps + 1));
        one(out, thing);
    }
    out.push_str(&format!("\n{}{close}", indent(steps)));
}

/// Deep trees are indented only so far: a chain of thousands would be mostly spaces.
pub(super) fn indent(steps: usize) -> String {
    " ".repeat(3 * steps.min(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_as_short_as_they_can_be() {
        let cases =
            [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (20_000_000, "20"), (20_050_000, "20.05")];
        for (millionths, expected) in cases {
            assert_eq!(Value::Millionths(millionths).document(), format!("{expected}\n"));
        }
        assert_eq!(Value::seconds(Some(Duration::from_millis(1250))), Value::Millionths(1_250_000));
        assert_eq!(Value::seconds(None), Value::Null);
        assert_eq!(Value::Signed(-5).document(), "-5\n");
    }

    #[test]
    fn a_document_is_valid_for_any_bytes() {
        let text = |bytes: &[u8]| Value::Text(bytes.to_vec());
        let document = Value::Object(vec![
            ("nothing", Value::Null),
            ("numbers", Value::List(vec![Value::Number(1), Value::Number(2)])),
            ("none", Value::List(vec![])),
            (
                "things",
                Value::List(vec![
                    Value::Object(vec![("odd", text(b"\x1b\n\xff")), ("yes", Value::Bool(true))]),
                    Value::Object(vec![("odd", text(b"a"))]),
                ]),
            ),
        ]);
        let expected = r#"{
   "nothing": null,
   "numbers": [1, 2],
   "none": [],
   "things": [
      {
         "odd": "\u001b\n?",
         "odd_b64": "Gwr/",
         "yes": true
      },
      {
         "odd": "a"
      }
   ]
}
"#;
        assert_eq!(document.document(), expected.replace('?', "\u{fffd}"));
    }
}
