//! A tree for a terminal: marks, labels in a column, and text that is broken where the terminal ends.

use std::fmt::Write as _;

/// Narrower than this, nothing can be read.
const NARROWEST: usize = 40;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    Waiting,
    /// It is neither.
    Plain,
}

/// A line, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub mark: Mark,
    pub label: String,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    pub(super) fn new(mark: Mark, label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { mark, label: label.into(), text: text.into(), children: Vec::new() }
    }

    #[must_use]
    pub(super) fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }
}

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub width: usize,
    pub colour: bool,
}

impl Style {
    /// Colour for a person who wants it and can see it; see <https://no-color.org>.
    pub(super) fn of_terminal() -> Self {
        use std::io::IsTerminal;
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
        let colour = std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb;
        let width = std::env::var("COLUMNS").ok().and_then(|it| it.parse().ok()).unwrap_or(80);
        Self { width: usize::max(width, NARROWEST), colour }
    }
}

/// The tree as text.
pub(super) fn draw(root: &Node, style: Style) -> String {
    let mut output = String::new();
    line(&mut output, root, style, "", "", root.label.chars().count());
    children(&mut output, root, style, "");
    output
}

fn children(output: &mut String, node: &Node, style: Style, indent: &str) {
    let column = node.children.iter().map(|it| it.label.chars().count()).max().unwrap_or_default();
    for (at, child) in node.children.iter().enumerate() {
        let is_last = at + 1 == node.children.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let below = format!("{indent}{below}");
        line(output, child, style, &format!("{indent}{branch}"), &below, column);
        children(output, child, style, &below);
    }
}

/// One node, on as many lines as its text takes.
fn line(output: &mut String, node: &Node, style: Style, first: &str, next: &str, column: usize) {
    let (sign, colour) = match node.mark {
        Mark::Good => ("✓ ", "32"),
        Mark::Bad => ("✗ ", "31"),
        Mark::Waiting => ("… ", "33"),
        Mark::Plain => ("  ", "0"),
    };
    let hang = first.chars().count() + 2 + column + 2;
    let room = style.width.saturating_sub(hang).max(NARROWEST / 4);
    let lines = broken(&node.text, room);
    let sign = if style.colour { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign.to_owned() };
    let head = format!("{first}{sign}{:column$}  {}", node.label, lines.first().map_or("", String::as_str));
    let _ = writeln!(output, "{}", head.trim_end());
    let stem = if node.children.is_empty() { next.to_owned() } else { format!("{next}│") };
    for more in lines.iter().skip(1) {
        let _ = writeln!(output, "{stem:<hang$}{more}");
    }
}

/// Broken between words, and within one that is longer than a line.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let used = lines.last().map_or(0, |it| it.chars().count());
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= room {
                if let Some(line) = lines.last_mut() {
                    line.extend(std::iter::repeat_n(' ', gap).chain(word.drain(..)));
                }
            } else if used > 0 {
                lines.push(String::new());
            } else if let Some(line) = lines.last_mut() {
                line.extend(word.drain(..room));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
        Node::new(Mark::Good, "root", "it is").with([
            Node::new(Mark::Bad, "first", text).with([Node::new(Mark::Plain, "inner", "x".repeat(100))]),
            Node::new(Mark::Waiting, "last", text),
        ])
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in [40, 60, 80] {
            let drawn = draw(&node(), Style { width, colour: false });
            let longest = drawn.lines().map(|it| it.chars().count()).max();
            assert!(longest <= Some(width), "{longest:?} {width}\n{drawn}");
            assert!(drawn.contains("fourteen") && !drawn.contains('\u{1b}'));
        }
        assert!(draw(&node(), Style { width: 80, colour: true }).contains("\u{1b}[31m✗"));
    }

    #[test]
    fn branches_go_on_beside_what_is_below() {
        let drawn = draw(&node(), Style { width: 60, colour: false });
        assert_eq!(
            drawn,
            "✓ root  it is\n\
             ├─ ✗ first  one two three four five six seven eight nine ten\n\
             │  │        eleven twelve thirteen fourteen\n\
             │  └─   inner  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\
             │              xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\
             │              xxxxxxxxxx\n\
             └─ … last   one two three four five six seven eight nine ten\n\
             \u{20}           eleven twelve thirteen fourteen\n"
        );
    }
}
