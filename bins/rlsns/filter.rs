//! The language of `--filter`: which lines are shown.

use std::cmp::Ordering;
use std::ffi::CString;

use common::error::{Error, Result};
use common::sys::Regex;
use common::tool::table::{self, Cell, Shape};

use super::columns::COLUMNS;
use super::picture::{Picture, Row};

/// So many bytes a filter may have.
const LONGEST: usize = 1024;

/// So many values and operators.
const MOST: usize = 256;

/// So many bytes a regular expression may have.
const LONGEST_REGEX: usize = 256;

/// So deep parentheses may stand in each other.
const DEEPEST: usize = 64;

/// A column of the listing.
pub(crate) type Column = table::Column<Picture, Row>;

/// What a line must be to be shown.
pub(crate) struct Filter {
    root: Node,
    columns: Vec<&'static Column>,
}

enum Node {
    Column(&'static Column),
    Literal(Value),
    Not(Box<Node>),
    /// Both sides are made what `r#as` says, and compared.
    Compare {
        r#as: Type,
        by: Comparison,
        sides: Box<[Node; 2]>,
    },
    Match {
        value: Box<Node>,
        regex: Regex,
        negated: bool,
    },
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
}

/// As what values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Number,
    Float,
    Text,
    Bool,
}

/// A value. An empty cell is a number or text that is not there.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(Option<u64>),
    Float(f64),
    Text(Option<Vec<u8>>),
    Bool(bool),
}

/// A comparison, as the orders that make it true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Comparison {
    less: bool,
    equal: bool,
    greater: bool,
}

/// What the operators are called; words in any case.
#[rustfmt::skip]
const COMPARISONS: &[(&str, &str, Comparison)] = &[
    ("==", "EQ", Comparison { less: false, equal: true,  greater: false }),
    ("!=", "NE", Comparison { less: true,  equal: false, greater: true  }),
    ("<=", "LE", Comparison { less: true,  equal: true,  greater: false }),
    (">=", "GE", Comparison { less: false, equal: true,  greater: true  }),
    ("<",  "LT", Comparison { less: true,  equal: false, greater: false }),
    (">",  "GT", Comparison { less: false, equal: false, greater: true  }),
];

impl Filter {
    /// Reads one; none where nothing stands there.
    pub(crate) fn parse(text: &[u8]) -> Result<Option<Filter>> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > LONGEST {
            return Err(Error::refused(format!("the filter has more than {LONGEST} bytes")));
        }
        let mut parser =
            Parser { text, at: 0, next: Token::End, from: 0, count: 0, depth: 0, columns: Vec::new() };
        parser.step()?;
        let root = parser.junction()?;
        match parser.next {
            Token::End => Ok(Some(Filter { root, columns: parser.columns })),
            Token::Close => Err(parser.error(parser.from, "no parenthesis is open", NO_HINT)),
            _ => Err(parser.error(parser.from, "an operator or the end is expected", OPERATORS)),
        }
    }

    /// The columns that it asks for.
    pub(crate) fn columns(&self) -> &[&'static Column] {
        &self.columns
    }

    /// Is it true of a line with these cells?
    pub(crate) fn holds(&self, cell: &dyn Fn(&'static Column) -> Cell) -> bool {
        self.root.value(cell).truth()
    }
}

impl Node {
    fn value(&self, cell: &dyn Fn(&'static Column) -> Cell) -> Value {
        Value::Bool(match self {
            Node::Column(column) => return Value::of(column, cell(column)),
            Node::Literal(value) => return value.clone(),
            Node::Not(node) => !node.value(cell).truth(),
            Node::Compare { r#as, by, sides } => {
                by.holds(sides[0].value(cell).compare(sides[1].value(cell), *r#as))
            }
            Node::Match { value, regex, negated } => {
                let text = value.value(cell).text().unwrap_or_default();
                // No text of the kernel has a zero byte in it.
                let text = CString::new(text.split(|&b| b == 0).next().unwrap_or_default());
                text.is_ok_and(|text| regex.is_match(&text)) != *negated
            }
            Node::And(sides) => sides.iter().all(|side| side.value(cell).truth()),
            Node::Or(sides) => sides.iter().any(|side| side.value(cell).truth()),
        })
    }

    fn is_column(&self) -> bool {
        matches!(self, Node::Column(_))
    }

    fn r#type(&self) -> Type {
        match self {
            Node::Column(column) if column.shape == Shape::Number => Type::Number,
            Node::Column(_) | Node::Literal(Value::Text(_)) => Type::Text,
            Node::Literal(Value::Number(_)) => Type::Number,
            Node::Literal(Value::Float(_)) => Type::Float,
            _ => Type::Bool,
        }
    }

    /// A cell is compared as what it is compared with; else the left side decides, as in lsns(8).
    fn compared(by: Comparison, left: Node, right: Node) -> Node {
        let (one, other) = match (left.is_column(), right.is_column()) {
            (true, false) => (right.r#type(), left.r#type()),
            _ => (left.r#type(), right.r#type()),
        };
        let numbers = [one, other] == [Type::Number, Type::Float];
        Node::Compare { r#as: if numbers { other } else { one }, by, sides: Box::new([left, right]) }
    }
}

impl Value {
    fn of(column: &Column, cell: Cell) -> Value {
        match cell {
            Cell::Number(number) => Value::Number(Some(number)),
            Cell::Text(text) => Value::Text(Some(text)),
            Cell::Lines(lines) => Value::Text(Some(lines.join(&b','))),
            Cell::Empty if column.shape == Shape::Number => Value::Number(None),
            Cell::Empty => Value::Text(None),
        }
    }

    /// Is it true where it stands alone: a number other than 0, or a text with something in it?
    fn truth(&self) -> bool {
        match self {
            Value::Number(number) => number.is_some_and(|number| number != 0),
            Value::Float(float) => *float != 0.0,
            Value::Text(text) => text.as_ref().is_some_and(|text| !text.is_empty()),
            Value::Bool(yes) => *yes,
        }
    }

    /// Which of the two is greater; none where they cannot be compared.
    fn compare(self, other: Value, r#as: Type) -> Option<Ordering> {
        match r#as {
            Type::Number => Some(self.number()?.cmp(&other.number()?)),
            Type::Float => self.float()?.partial_cmp(&other.float()?),
            // An empty cell stands before all texts, the empty one included.
            Type::Text => Some(self.text().cmp(&other.text())),
            Type::Bool => Some(self.bool().cmp(&other.bool())),
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Value::Number(number) => number,
            Value::Float(_) => None,
            Value::Text(text) => common::text::digits(text?.trim_ascii()),
            Value::Bool(yes) => Some(yes.into()),
        }
    }

    fn float(self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(number? as f64),
            Value::Float(float) => Some(float),
            Value::Text(text) => {
                let float: f64 = std::str::from_utf8(&text?).ok()?.trim_ascii().parse().ok()?;
                float.is_finite().then_some(float)
            }
            Value::Bool(yes) => Some(f64::from(u8::from(yes))),
        }
    }

    fn text(self) -> Option<Vec<u8>> {
        match self {
            Value::Number(number) => Some(number?.to_string().into()),
            Value::Float(float) => Some(float.to_string().into()),
            Value::Text(text) => text,
            Value::Bool(yes) => Some(yes.to_string().into()),
        }
    }

    fn bool(self) -> bool {
        match self {
            Value::Text(text) => {
                let text = text.unwrap_or_default();
                ["1", "true", "yes", "y"]
                    .iter()
                    .any(|yes| text.trim_ascii().eq_ignore_ascii_case(yes.as_bytes()))
            }
            other => other.truth(),
        }
    }
}

impl Comparison {
    fn holds(self, order: Option<Ordering>) -> bool {
        match order {
            Some(Ordering::Less) => self.less,
            Some(Ordering::Equal) => self.equal,
            Some(Ordering::Greater) => self.greater,
            None => false,
        }
    }
}

/// The smallest part that means something.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Literal(Value),
    Word(Vec<u8>),
    Compare(Comparison),
    Match { negated: bool },
    And,
    Or,
    Not,
    End,
}

const NO_HINT: &str = "";
const VALUES: &str = "a value is a column, a number, a text in quotes, true or false";
const OPERATORS: &str = "one of: == != < <= > >= =~ !~ && ||, or a word for it";

struct Parser<'a> {
    text: &'a [u8],
    /// Where the token behind the next one begins, or spaces before it.
    at: usize,
    next: Token,
    /// Where the next one begins.
    from: usize,
    /// How many values and operators there were.
    count: usize,
    /// How many parentheses are open.
    depth: usize,
    columns: Vec<&'static Column>,
}

impl Parser<'_> {
    /// What is wrong, and where: characters are counted from 1.
    fn error(&self, offset: usize, what: impl AsRef<[u8]>, hint: &str) -> Error {
        let (before, rest) = self.text.split_at(offset);
        let number = String::from_utf8_lossy(before).chars().count() + 1;
        let place = match rest {
            [] => format!("its end, character {number}").into_bytes(),
            rest => [format!("character {number}, before `").as_bytes(), &excerpt(rest), b"`"].concat(),
        };
        let what = [b"cannot read the filter at ", &place[..], b": ", what.as_ref()].concat();
        match hint {
            NO_HINT => Error::refused(what),
            hint => Error::refused(what).with_hint(hint),
        }
    }

    /// AND and OR, which bind alike: from left to right.
    fn junction(&mut self) -> Result<Node> {
        let mut left = self.comparison()?;
        loop {
            let join = match self.next {
                Token::And => Node::And,
                Token::Or => Node::Or,
                _ => return Ok(left),
            };
            self.operator()?;
            left = join(Box::new([left, self.comparison()?]));
        }
    }

    fn comparison(&mut self) -> Result<Node> {
        let from = self.from;
        let mut left = self.unary()?;
        loop {
            match self.next {
                Token::Compare(by) => {
                    self.operator()?;
                    left = Node::compared(by, left, self.unary()?);
                }
                Token::Match { negated } => {
                    if left.r#type() == Type::Bool
                        || matches!(left, Node::Literal(_)) && left.r#type() != Type::Text
                    {
                        let hint = "match in parentheses, as in NOT (COMMAND =~ \"^sleep\"), or by !~";
                        return Err(self.error(from, "only a column or a text can be matched", hint));
                    }
                    self.operator()?;
                    left = Node::Match { value: Box::new(left), regex: self.regex()?, negated };
                }
                _ => return Ok(left),
            }
        }
    }

    fn unary(&mut self) -> Result<Node> {
        match self.next {
            Token::Not => {
                self.operator()?;
                Ok(Node::Not(Box::new(self.unary()?)))
            }
            _ => self.value(),
        }
    }

    fn value(&mut self) -> Result<Node> {
        let from = self.from;
        match std::mem::replace(&mut self.next, Token::End) {
            Token::Open => {
                if self.depth == DEEPEST {
                    let what = format!("more than {DEEPEST} parentheses are open");
                    return Err(self.error(from, what, NO_HINT));
                }
                self.depth += 1;
                self.step()?;
                let inner = self.junction()?;
                if self.next != Token::Close {
                    let what = "the parenthesis that begins here does not end";
                    return Err(match self.next {
                        Token::End => self.error(from, what, NO_HINT),
                        _ => self.error(self.from, "an operator or `)` is expected", OPERATORS),
                    });
                }
                self.depth -= 1;
                self.step()?;
                Ok(inner)
            }
            Token::Literal(value) => {
                self.operator()?;
                Ok(Node::Literal(value))
            }
            Token::Word(word) => {
                let known = COLUMNS.iter().find(|column| column.name.as_bytes().eq_ignore_ascii_case(&word));
                let column = known.ok_or_else(|| self.unknown(from, &word))?;
                self.columns.push(column);
                self.operator()?;
                Ok(Node::Column(column))
            }
            _ => Err(self.error(from, "a value is expected", VALUES)),
        }
    }

    fn unknown(&self, from: usize, word: &[u8]) -> Error {
        let number = String::from_utf8_lossy(&self.text[..from]).chars().count() + 1;
        let place = format!(", at character {number} of the filter");
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        Error::refused([b"unknown column: ", word, place.as_bytes()].concat())
            .with_hint(format!("text stands in quotes; columns are {}", names.join(" ")))
    }

    fn regex(&mut self) -> Result<Regex> {
        let from = self.from;
        let Token::Literal(Value::Text(Some(text))) = std::mem::replace(&mut self.next, Token::End) else {
            return Err(self.error(from, "a text in quotes is expected", "as in COMMAND =~ \"^sleep\""));
        };
        let hint = "it is an extended regular expression: see regex(7)";
        if text.len() > LONGEST_REGEX {
            let what = format!("a regular expression has at most {LONGEST_REGEX} bytes");
            return Err(self.error(from, what, NO_HINT));
        }
        let compiled = CString::new(text).map_err(|_| b"a zero byte stands in it".to_vec());
        let regex = compiled.and_then(|text| Regex::new(&text)).map_err(|e| self.error(from, e, hint))?;
        self.operator()?;
        Ok(regex)
    }

    /// Goes on behind a value or an operator, which are counted.
    fn operator(&mut self) -> Result<()> {
        self.count += 1;
        match self.count > MOST {
            true => Err(Error::refused(format!("the filter has more than {MOST} values and operators"))),
            false => self.step(),
        }
    }

    /// Reads the next token.
    fn step(&mut self) -> Result<()> {
        let rest = &self.text[self.at..];
        let from = self.at + rest.len() - rest.trim_ascii_start().len();
        let rest = &self.text[from..];
        let (token, length) = self.token(from, rest)?;
        (self.next, self.from, self.at) = (token, from, from + length);
        Ok(())
    }

    /// The first token of this text, and how many bytes it takes.
    fn token(&self, from: usize, rest: &[u8]) -> Result<(Token, usize)> {
        #[rustfmt::skip]
        const SIGNS: &[(&str, Token)] = &[
            ("=~", Token::Match { negated: false }), ("!~", Token::Match { negated: true }),
            ("&&", Token::And), ("||", Token::Or), ("(", Token::Open), (")", Token::Close),
        ];
        let Some(&first) = rest.first() else { return Ok((Token::End, 0)) };
        let has = |sign: &str| rest.starts_with(sign.as_bytes());
        if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| has(sign)) {
            return Ok((token.clone(), sign.len()));
        }
        if let Some((sign, _, by)) = COMPARISONS.iter().find(|(sign, ..)| has(sign)) {
            return Ok((Token::Compare(*by), sign.len()));
        }
        match first {
            b'!' => Ok((Token::Not, 1)),
            b'"' | b'\'' => match rest[1..].iter().position(|&b| b == first) {
                Some(length) => {
                    Ok((Token::Literal(Value::Text(Some(rest[1..=length].to_vec()))), length + 2))
                }
                None => {
                    let hint = "it ends with the same quote, and cannot have that one in it";
                    Err(self.error(from, "the text that begins here does not end", hint))
                }
            },
            b'0'..=b'9' => self.number(from, rest),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                let is_of_word = |b: &u8| b.is_ascii_alphanumeric() || b"_.%:/-".contains(b);
                let word = &rest[..rest.iter().position(|b| !is_of_word(b)).unwrap_or(rest.len())];
                Ok((keyword(word), word.len()))
            }
            b'=' => Err(self.error(from, "one `=` alone means nothing", "equal is ==, and matching is =~")),
            b'&' | b'|' => Err(self.error(from, "one of these alone means nothing", "write && or ||")),
            _ => Err(self.error(from, "a value or an operator is expected", VALUES)),
        }
    }

    /// `5`, `5K`, `5KiB`, `0.5`.
    fn number(&self, from: usize, rest: &[u8]) -> Result<(Token, usize)> {
        let digits = |text: &[u8]| text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
        let whole = digits(rest);
        let too_large = || self.error(from, "the number is too large", NO_HINT);
        if rest.get(whole) == Some(&b'.') {
            let length = whole + 1 + digits(&rest[whole + 1..]);
            let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
            let float: f64 = text.parse().map_err(|_| too_large())?;
            return match (length > whole + 1, float.is_finite()) {
                (true, true) => Ok((Token::Literal(Value::Float(float)), length)),
                (true, false) => Err(too_large()),
                (false, _) => Err(self.error(from + length, "a digit is expected", NO_HINT)),
            };
        }
        let power = rest.get(whole).and_then(|unit| b"KMGTPEZY".iter().position(|known| known == unit));
        let length = match power {
            Some(_) if rest[whole + 1..].starts_with(b"iB") => whole + 3,
            Some(_) => whole + 1,
            None => whole,
        };
        let number: u64 = common::text::digits(&rest[..whole]).ok_or_else(too_large)?;
        let factor = 1u64.checked_shl(power.map_or(0, |power| 10 * (power as u32 + 1)));
        let number = factor.and_then(|factor| number.checked_mul(factor)).ok_or_else(too_large)?;
        Ok((Token::Literal(Value::Number(Some(number))), length))
    }
}

/// What a word means, in any case: an operator, true, false, or else a column.
fn keyword(word: &[u8]) -> Token {
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match COMPARISONS.iter().find(|(_, name, _)| is(name)) {
        Some((_, _, by)) => Token::Compare(*by),
        None if is("and") => Token::And,
        None if is("or") => Token::Or,
        None if is("not") => Token::Not,
        None if is("true") => Token::Literal(Value::Bool(true)),
        None if is("false") => Token::Literal(Value::Bool(false)),
        None => Token::Word(word.to_vec()),
    }
}

/// The beginning of a text, whole characters of it.
fn excerpt(text: &[u8]) -> Vec<u8> {
    const SHOWN: usize = 30;
    if text.len() <= SHOWN {
        return text.to_vec();
    }
    let continued = |at: &usize| text[*at] & 0xc0 != 0x80;
    let end = (SHOWN - 3..=SHOWN).rev().find(continued).unwrap_or(SHOWN);
    [&text[..end], b"..."].concat()
}
