//! Printing tables: columns are rows of a table themselves, and one set of rows can be shown for people, for
//! scripts (raw) and as JSON, flat or as a tree.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::error::{Error, Result};
use crate::text::{Charset, cut, json_string, show, show_raw, width};
use crate::tool::json::{Value, indent, member};
use crate::tool::paint::Paint;

/// One column: everything that is known of it. `M` is the whole picture, `R` one row's thing.
pub struct Column<M, R> {
    /// The heading; in lower case the key in JSON.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// How its cells look.
    pub shape: Shape,
    /// The cell of a row.
    pub cell: fn(&M, &R) -> Cell,
}

/// How the cells of a column look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Numbers, to the right.
    Number,
    /// Text, to the left.
    Text,
    /// Text, to the right: words among which numbers stand.
    Right,
    /// Text that a terminal too narrow for it cuts.
    LongText,
}

impl Shape {
    fn is_right(self) -> bool {
        matches!(self, Shape::Number | Shape::Right)
    }
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Number(u64),
    /// Bytes that anybody may have chosen.
    Text(Vec<u8>),
    /// Several of those, at least one: see [`Style::wrap`].
    Lines(Vec<Vec<u8>>),
    /// Nothing is known, or there is nothing.
    Empty,
}

impl Cell {
    /// A number that may be missing.
    pub fn number(number: Option<impl Into<u64>>) -> Cell {
        number.map_or(Cell::Empty, |number| Cell::Number(number.into()))
    }

    /// Text that may be missing.
    pub fn text(text: Option<impl Into<Vec<u8>>>) -> Cell {
        text.map_or(Cell::Empty, |text| Cell::Text(text.into()))
    }

    /// Lines of text; nothing where there are none.
    pub fn lines(lines: Vec<Vec<u8>>) -> Cell {
        if lines.is_empty() { Cell::Empty } else { Cell::Lines(lines) }
    }

    /// Each line of it as it may be shown.
    fn wrapped(&self, show: impl Fn(&[u8]) -> String) -> Vec<String> {
        match self {
            Cell::Number(number) => vec![number.to_string()],
            Cell::Text(bytes) => vec![show(bytes)],
            Cell::Lines(lines) => lines.iter().map(|line| show(line)).collect(),
            Cell::Empty => vec![String::new()],
        }
    }

    /// All of it on one line.
    fn shown(&self, show: impl Fn(&[u8]) -> String) -> String {
        match self {
            // A comma that is not between two is escaped as [`show_raw`] does, so that they can be told apart.
            Cell::Lines(_) => self.wrapped(|line| show(line).replace(',', "\\x2c")).join(","),
            _ => self.wrapped(show).concat(),
        }
    }

    fn value(self, wrap: bool) -> Value {
        match self {
            Cell::Number(number) => Value::Number(number),
            Cell::Text(bytes) => Value::Text(bytes),
            Cell::Lines(lines) => Value::Lines { lines, between: if wrap { b'\n' } else { b',' } },
            Cell::Empty => Value::Null,
        }
    }
}

impl From<Cell> for Value {
    fn from(cell: Cell) -> Value {
        cell.value(true)
    }
}

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned, for people.
    Human,
    /// Fields with one space between them.
    Raw,
    /// JSON.
    Json,
}

/// How a table is to be printed.
#[derive(Debug)]
pub struct Style {
    /// The form.
    pub form: Form,
    /// Print the names of the columns?
    pub headings: bool,
    /// Characters that may be used.
    pub charset: Charset,
    /// The width to which long text is cut, in columns of the terminal.
    pub width: Option<usize>,
    /// The column in which a tree is drawn.
    pub tree: Option<usize>,
    /// Do lines of a cell stand below each other? Else there are commas between them, as always in raw output.
    pub wrap: bool,
    /// The key of the array in JSON.
    pub key: &'static str,
    /// What else stands at the top level of the JSON.
    pub facts: Vec<(&'static str, Value)>,
    /// Further lines for people: a cell for each column.
    pub below: Vec<Vec<Cell>>,
    /// The looks of the rows, if there are to be colours; those that it does not name are plain.
    pub paint: Option<Vec<Paint>>,
}

/// The rows of a forest in the order in which it is drawn, each with its depth. `parents` gives for each row
/// the one it stands under. A circle of parents, which only a wrong picture has, is cut open.
pub fn forest(parents: &[Option<usize>]) -> Vec<(usize, usize)> {
    let mut children = vec![Vec::new(); parents.len()];
    let mut roots = Vec::new();
    for (row, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) if *parent != row && *parent < parents.len() => children[*parent].push(row),
            _ => roots.push(row),
        }
    }
    let mut seen = vec![false; parents.len()];
    let mut out = Vec::with_capacity(parents.len());
    for root in roots.into_iter().chain(0..parents.len()) {
        let mut open = vec![(0, root)];
        while let Some((depth, row)) = open.pop() {
            if !std::mem::replace(&mut seen[row], true) {
                out.push((depth, row));
                open.extend(children[row].iter().rev().map(|&child| (depth + 1, child)));
            }
        }
    }
    out
}

/// What trees are drawn with: another follows, the last, past a row, past the last.
fn glyphs(charset: Charset) -> [&'static str; 4] {
    match charset {
        Charset::Utf8 => ["├─", "└─", "│ ", "  "],
        Charset::Ascii => ["|-", "`-", "| ", "  "],
    }
}

/// What stands below a branch, beside further lines of its row.
fn beside(branch: &str, charset: Charset) -> String {
    let [middle, last, line, gap] = glyphs(charset);
    branch.replace(middle, line).replace(last, gap)
}

/// The lines before each row of a forest, from the depths of its rows in order.
fn branches(depths: &[usize], charset: Charset) -> Vec<String> {
    let [middle, last, line, gap] = glyphs(charset);
    // From the last row upward: does another row of this depth follow, below the same parent?
    let mut follows: Vec<bool> = Vec::new();
    let mut out = vec![String::new(); depths.len()];
    for (row, &depth) in depths.iter().enumerate().rev() {
        let another = follows.get(depth).copied().unwrap_or(false);
        follows.resize(depth + 1, false);
        follows[depth] = true;
        if depth > 0 {
            let above = follows[1..depth].iter().map(|follows| if *follows { line } else { gap });
            out[row] = above.chain([if another { middle } else { last }]).collect();
        }
    }
    out
}

/// Text of a table. `rows` are depth and thing, in order; the depth is 0 in flat tables.
pub fn render<M, R>(model: &M, columns: &[&Column<M, R>], rows: &[(usize, &R)], style: &Style) -> String {
    match style.form {
        Form::Human => human(model, columns, rows, style),
        Form::Raw => raw(model, columns, rows, style),
        Form::Json => json(model, columns, rows, style),
    }
}

fn human<M, R>(model: &M, columns: &[&Column<M, R>], rows: &[(usize, &R)], style: &Style) -> String {
    let depths: Vec<usize> = rows.iter().map(|(depth, _)| *depth).collect();
    let branches = branches(&depths, style.charset);
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
    // They count for the widths even where they are not printed, so that lines are the same either way.
    lines.push(columns.iter().map(|column| column.name.to_string()).collect());
    // Of each line below: its row, and what is drawn of the tree.
    let mut marks: Vec<(usize, String)> = Vec::with_capacity(rows.len());
    for (number, ((_, row), branch)) in rows.iter().zip(branches).enumerate() {
        let show = |bytes: &[u8]| show(bytes, style.charset);
        let cells = columns.iter().map(|column| match ((column.cell)(model, row), style.wrap) {
            (cell, true) => cell.wrapped(show),
            (cell, false) => vec![cell.shown(show)],
        });
        let cells: Vec<Vec<String>> = cells.collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(1) {
            let branch = if line == 0 { branch.clone() } else { beside(&branch, style.charset) };
            let parts = cells.iter().enumerate().map(|(at, cell)| {
                let text = cell.get(line).map_or("", String::as_str);
                if style.tree == Some(at) { format!("{branch}{text}") } else { text.to_string() }
            });
            lines.push(parts.collect());
            marks.push((number, branch));
        }
    }
    for cells in &style.below {
        lines.push(cells.iter().map(|cell| cell.shown(|bytes| show(bytes, style.charset))).collect());
    }
    if let Some(width) = style.width {
        fit(columns, &mut lines, width);
    }
    // In which column of the terminal a tree begins.
    let widest = |at: usize| lines.iter().map(|cells| width(&cells[at])).max().unwrap_or(0) + 1;
    let drawn = style.tree.filter(|_| style.paint.is_some()).map(|tree| (0..tree).map(widest).sum());

    // The last column stays out of the table, which would pad every line to the longest command.
    let last: Vec<String> = lines.iter_mut().map(|cells| cells.pop().unwrap_or_default()).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).add_rows(lines);
    for (at, (column, of)) in table.column_iter_mut().zip(columns).enumerate() {
        column.set_padding((0, 1));
        if of.shape.is_right() && style.tree != Some(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = String::new();
    let mut padded = table.lines();
    let alone = columns.len() == 1;
    let widest = last.iter().map(|cell| width(cell)).max().unwrap_or(0);
    let right = columns.last().is_some_and(|column| column.shape.is_right());
    for (at, cell) in last.iter().enumerate() {
        let mut line = if alone { String::new() } else { padded.next().unwrap_or_default() };
        if right && style.tree != Some(columns.len() - 1) {
            line.extend(std::iter::repeat_n(' ', widest - width(cell)));
        }
        line.push_str(cell);
        if at > 0 || style.headings {
            let mark = at
                .checked_sub(1)
                .map(|line| marks.get(line).map_or((usize::MAX, ""), |(row, branch)| (*row, branch)));
            out.push_str(&painted(line.trim_end(), mark, drawn, style));
            out.push('\n');
        }
    }
    out
}

/// A line with its colours. They come last, so that nothing has counted them as text. `mark` is the row of the line and
/// what is drawn of the tree, none for the headings; `drawn` is the column of the terminal in which that begins.
fn painted(line: &str, mark: Option<(usize, &str)>, drawn: Option<usize>, style: &Style) -> String {
    let Some(paint) = &style.paint else { return line.to_string() };
    let (look, branch) = match mark {
        None => (Paint::Bold, ""),
        Some((row, branch)) => (paint.get(row).copied().unwrap_or_default(), branch),
    };
    let (before, rest) = line.split_at(cut(line, drawn.unwrap_or(0)).len());
    match rest.strip_prefix(branch) {
        Some(rest) if !branch.is_empty() => [look.on(before), Paint::Dim.on(branch), look.on(rest)].concat(),
        // A tree that was cut.
        _ => look.on(line),
    }
}

/// Cuts the cells of the long text so that lines are no wider than the terminal.
fn fit<M, R>(columns: &[&Column<M, R>], lines: &mut [Vec<String>], available: usize) {
    let Some(long) = columns.iter().position(|column| column.shape == Shape::LongText) else { return };
    let widest = |at: usize| lines.iter().map(|cells| width(&cells[at])).max().unwrap_or(0);
    let others: usize = (0..columns.len()).filter(|&at| at != long).map(|at| widest(at) + 1).sum();
    let room = available.saturating_sub(others).max(columns[long].name.len());
    for cells in lines {
        let kept = cut(&cells[long], room).len();
        cells[long].truncate(kept);
    }
}

fn raw<M, R>(model: &M, columns: &[&Column<M, R>], rows: &[(usize, &R)], style: &Style) -> String {
    let mut out = String::new();
    let mut line = |fields: Vec<String>| {
        out.push_str(&fields.join(" "));
        out.push('\n');
    };
    if style.headings {
        line(columns.iter().map(|column| column.name.to_string()).collect());
    }
    for (_, row) in rows {
        let fields = columns.iter().map(|column| (column.cell)(model, row));
        line(fields.map(|cell| cell.shown(|bytes| show_raw(bytes, style.charset))).collect());
    }
    out
}

fn json<M, R>(model: &M, columns: &[&Column<M, R>], rows: &[(usize, &R)], style: &Style) -> String {
    // A column asked for twice would be a key twice.
    let mut seen = BTreeSet::new();
    let columns: Vec<_> = columns.iter().filter(|column| seen.insert(column.name)).collect();
    let mut out = format!("{{\n   {}: [", json_string(style.key.as_bytes()));
    let mut open = 0;
    for (at, (depth, row)) in rows.iter().enumerate() {
        // A row that stands deeper than the one before is its first child; else objects end, down to the
        // depth of this one.
        match at.checked_sub(1).map(|before| rows[before].0) {
            Some(before) if *depth > before => {
                out.push_str(&format!(",\n{}\"children\": [", indent(2 * before + 3)));
            }
            Some(_) => {
                close(&mut out, open, *depth);
                out.push(',');
            }
            None => {}
        }
        open = *depth;
        let indent = indent(2 * depth + 3);
        let opening = if out.ends_with(',') { "{" } else { &format!("\n{}{{", &indent[3..]) };
        out.push_str(opening);
        let mut comma = "";
        for column in &columns {
            let key = column.name.to_ascii_lowercase();
            let cell = (column.cell)(model, row);
            out.push_str(&format!("{comma}\n{indent}"));
            member(&mut out, 2 * depth + 3, &key, &cell.value(style.wrap));
            comma = ",";
        }
    }
    if !rows.is_empty() {
        close(&mut out, open, 0);
    }
    out.push_str("\n   ]");
    for (name, value) in &style.facts {
        out.push_str(",\n   ");
        member(&mut out, 1, name, value);
    }
    out.push_str("\n}\n");
    out
}

/// Ends the object of this depth, and those above it whose children it was the last of, down to `to`.
fn close(out: &mut String, from: usize, to: usize) {
    out.push_str(&format!("\n{}}}", indent(2 * from + 2)));
    for depth in (to..from).rev() {
        out.push_str(&format!("\n{}]\n{}}}", indent(2 * depth + 3), indent(2 * depth + 2)));
    }
}

/// The columns that a list names, in any case, with commas between; `+` before it adds to the usual ones.
pub fn choose<'a, M, R>(
    all: &'a [Column<M, R>],
    usual: &[&str],
    list: Option<&[u8]>,
) -> Result<Vec<&'a Column<M, R>>> {
    let find = |name: &[u8]| all.iter().find(|column| column.name.as_bytes().eq_ignore_ascii_case(name));
    let usual: Vec<_> = usual.iter().filter_map(|name| find(name.as_bytes())).collect();
    let (mut chosen, list) = match list {
        None => return Ok(usual),
        Some([b'+', more @ ..]) => (usual, more),
        Some(list) => (Vec::new(), list),
    };
    for name in list.split(|&b| b == b',').map(|name| name.trim_ascii()) {
        let column = find(name).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|column| column.name).collect();
            Error::refused([b"unknown column: ", name].concat())
                .with_hint(format!("one of: {}", names.join(" ")))
        })?;
        chosen.push(column);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, &'static [u8]);

    const COLUMNS: &[Column<(), Row>] = &[
        Column { name: "ID", help: "", shape: Shape::Number, cell: |_, row| Cell::Number(row.0) },
        Column { name: "WORDS", help: "", shape: Shape::LongText, cell: |_, row| Cell::Text(row.1.to_vec()) },
        Column { name: "NONE", help: "", shape: Shape::Text, cell: |_, _| Cell::Empty },
    ];

    const ROWS: &[(usize, &Row)] = &[
        (0, &(7, b"seven")),
        (1, &(1234, b"a b\\\x1b\xff")),
        (2, &(5, b"")),
        (1, &(6, b"x")),
        (0, &(8, b"y")),
    ];

    fn style(form: Form) -> Style {
        Style {
            form,
            headings: true,
            charset: Charset::Utf8,
            width: None,
            tree: None,
            wrap: true,
            key: "things",
            facts: vec![],
            below: vec![],
            paint: None,
        }
    }

    fn text(columns: &str, style: &Style) -> String {
        let columns = choose(COLUMNS, &[], Some(columns.as_bytes())).expect("columns");
        render(&(), &columns, ROWS, style)
    }

    #[test]
    fn people_get_columns() {
        let expected = "  ID WORDS\n   7 seven\n1234 a b\\\\x1b\\xff\n   5\n   6 x\n   8 y\n";
        assert_eq!(text("id,words", &style(Form::Human)), expected);
        let numbers_last = "WORDS          ID\nseven           7\na b\\\\x1b\\xff 1234\n                5\nx               6\ny               8\n";
        assert_eq!(text("words,id", &style(Form::Human)), numbers_last);
        assert_eq!(text("none,none", &Style { headings: false, ..style(Form::Human) }), "\n\n\n\n\n");
    }

    #[test]
    fn trees_are_drawn_in_one_column() {
        let tree = Style { tree: Some(0), ..style(Form::Human) };
        assert_eq!(text("id", &tree), "ID\n7\n├─1234\n│ └─5\n└─6\n8\n");
        assert_eq!(text("id", &Style { charset: Charset::Ascii, ..tree }), "ID\n7\n|-1234\n| `-5\n`-6\n8\n");
    }

    #[test]
    fn long_text_is_cut_to_the_terminal_and_nothing_else_is() {
        let narrow = Style { width: Some(8), ..style(Form::Human) };
        assert_eq!(text("id,words", &narrow), "  ID WORDS\n   7 seven\n1234 a b\\\\\n   5\n   6 x\n   8 y\n");
    }

    #[test]
    fn colours_take_no_room_and_are_for_people_alone() {
        let plain = Style { tree: Some(0), width: Some(9), ..style(Form::Human) };
        let paint = || Some(vec![Paint::Plain, Paint::Bright, Paint::Plain, Paint::Dim]);
        let painted =
            text("words,id", &Style { tree: Some(0), width: Some(9), paint: paint(), ..style(Form::Human) });
        let expected = "\x1b[1mWORDS   ID\x1b[0m\nseven    7\n\x1b[2m├─\x1b[0m\x1b[33ma b 1234\x1b[0m\n\
                        \x1b[2m│ └─\x1b[0m     5\n\x1b[2m└─\x1b[0m\x1b[2mx      6\x1b[0m\ny        8\n";
        assert_eq!(painted, expected);
        let without: String = painted
            .split("\x1b[")
            .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('m'))
            .collect();
        assert_eq!(without, text("words,id", &plain));
        for form in [Form::Raw, Form::Json] {
            assert_eq!(
                text("id,words", &Style { paint: paint(), ..style(form) }),
                text("id,words", &style(form))
            );
        }
    }

    #[test]
    fn further_lines_stand_below_in_the_same_columns() {
        let below = vec![vec![Cell::Number(123456), Cell::Text(b"~\x1b".to_vec())]];
        let more = Style { below, ..style(Form::Human) };
        let expected =
            "    ID WORDS\n     7 seven\n  1234 a b\\\\x1b\\xff\n     5\n     6 x\n     8 y\n123456 ~\\x1b\n";
        assert_eq!(text("id,words", &more), expected);
    }

    #[test]
    fn scripts_get_fields_without_spaces_in_them() {
        let expected = "ID WORDS NONE\n7 seven \n1234 a\\x20b\\x5c\\x1b\\xff \n5  \n6 x \n8 y \n";
        assert_eq!(text("id,words,none", &style(Form::Raw)), expected);
    }

    #[test]
    fn json_nests_and_keeps_every_byte() {
        let facts = Style { facts: vec![("unreadable", Value::Number(3))], ..style(Form::Json) };
        let expected = r#"{
   "things": [
      {
         "id": 7,
         "words": "seven",
         "children": [
            {
               "id": 1234,
               "words": "a b\\\u001b?",
               "words_b64": "YSBiXBv/",
               "children": [
                  {
                     "id": 5,
                     "words": ""
                  }
               ]
            },{
               "id": 6,
               "words": "x"
            }
         ]
      },{
         "id": 8,
         "words": "y"
      }
   ],
   "unreadable": 3
}
"#;
        assert_eq!(text("id,words", &facts), expected.replace('?', "\u{fffd}"));
        let columns = choose(COLUMNS, &["ID"], None).expect("columns");
        assert_eq!(render(&(), &columns, &[], &style(Form::Json)), "{\n   \"things\": [\n   ]\n}\n");
    }

    #[test]
    fn a_cell_of_several_lines_is_one_of_its_row() {
        type Mounted = (u64, &'static [&'static [u8]]);
        #[rustfmt::skip]
        const OF_MOUNTED: &[Column<(), Mounted>] = &[
            Column { name: "ID", help: "", shape: Shape::Right, cell: |_, row| Cell::Number(row.0) },
            Column { name: "AT", help: "", shape: Shape::Text, cell: |_, row| Cell::lines(row.1.iter().map(|line| line.to_vec()).collect()) },
        ];
        let rows: &[(usize, &Mounted)] = &[
            (0, &(7, &[b"/a", b"/b c"])),
            (1, &(10, &[b"/x\n,", b"/y"])),
            (1, &(11, &[b"/\xff", b"/\\"])),
            (0, &(8, &[])),
        ];
        let text = |list: &str, style: &Style| {
            let columns = choose(OF_MOUNTED, &[], Some(list.as_bytes())).expect("columns");
            render(&(), &columns, rows, style)
        };
        let human = style(Form::Human);
        let expected = "ID AT\n 7 /a\n   /b c\n10 /x\\x0a,\n   /y\n11 /\\xff\n   /\\\n 8\n";
        assert_eq!(text("id,at", &human), expected);
        let expected = "AT      ID\n/a       7\n/b c\n/x\\x0a, 10\n/y\n/\\xff   11\n/\\\n         8\n";
        assert_eq!(text("at,id", &human), expected);
        let flat = Style { wrap: false, ..style(Form::Human) };
        let expected = "ID AT\n 7 /a,/b c\n10 /x\\x0a\\x2c,/y\n11 /\\xff,/\\\n 8\n";
        assert_eq!(text("id,at", &flat), expected);
        let expected = "ID AT\n7 /a,/b\\x20c\n10 /x\\x0a\\x2c,/y\n11 /\\xff,/\\x5c\n8 \n";
        assert_eq!(text("id,at", &style(Form::Raw)), expected);
        let tree = Style { tree: Some(0), ..style(Form::Human) };
        let expected = "ID   AT\n7    /a\n     /b c\n├─10 /x\\x0a,\n│    /y\n└─11 /\\xff\n     /\\\n8\n";
        assert_eq!(text("id,at", &tree), expected);
        let json = |wrap| {
            let json = text("at", &Style { wrap, ..style(Form::Json) }).replace([' ', '\n'], "");
            json.replace("{\"things\":[", "").replace("\"children\":[", "")
        };
        // The second and the third cannot be told from others without all their bytes, a zero byte between them.
        let expected = r#"{"at":"/a\n/bc",{"at":"/x\n,\n/y","at_b64":"L3gKLAAveQ=="},{"at":"/?\n/\\","at_b64":"L/8AL1w="}]},{"at":null}]}"#;
        assert_eq!(json(true), expected.replace('?', "\u{fffd}"));
        assert!(json(false).starts_with(r#"{"at":"/a,/bc",{"at":"/x\n,,/y","at_b64":"L3gKLAAveQ=="}"#));
    }

    #[test]
    fn columns_are_chosen_by_name() {
        let names = |list: Option<&str>| {
            choose(COLUMNS, &["ID", "NONE"], list.map(str::as_bytes))
                .map(|columns| columns.iter().map(|column| column.name).collect::<Vec<_>>().join(" "))
                .map_err(|e| e.to_string())
        };
        assert_eq!(names(None), Ok("ID NONE".into()));
        assert_eq!(names(Some("words,Id")), Ok("WORDS ID".into()));
        assert_eq!(names(Some("+words")), Ok("ID NONE WORDS".into()));
        assert_eq!(names(Some("nope")), Err("unknown column: nope".into()));
        assert_eq!(names(Some("")), Err("unknown column: ".into()));
    }

    #[test]
    fn forests_keep_every_row() {
        assert_eq!(forest(&[None, Some(0), Some(3), None]), [(0, 0), (1, 1), (0, 3), (1, 2)]);
        assert_eq!(forest(&[Some(1), Some(0), Some(2)]), [(0, 2), (0, 0), (1, 1)]);
        assert_eq!(forest(&[]), []);
    }
}
