//! `$(NAME)` in a text, read as Kubernetes reads it: `$$` is an escaped `$`, and what is never
//! closed is plain text.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// `$$`, which stands for `$`.
    Escape,
    /// `$(NAME)`.
    Reference(&'a str),
}

/// The parts of `text`, in order.
pub(super) fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(at) = text.find('$') {
        let after = &text[at + 1..];
        let (piece, length) = if after.starts_with('$') {
            (Piece::Escape, 2)
        } else if let Some(name) = after.strip_prefix('(').and_then(|it| Some(it.split_once(')')?.0)) {
            (Piece::Reference(name), name.len() + 3)
        } else {
            (Piece::Text("$"), 1)
        };
        if at > 0 {
            pieces.push(Piece::Text(&text[..at]));
        }
        pieces.push(piece);
        text = &text[at + length..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// Whether somebody who writes `$(NAME)` means a variable: `$(date +%s)` is for a shell, and
/// Kubernetes leaves it as it is.
pub(super) fn is_conventional(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// `text` with the value of each reference that `value` knows, and all else as it is written.
pub(super) fn expanded<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let written = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Escape => "$$".to_owned(),
        Piece::Reference(name) => value(name).map_or_else(|| format!("$({name})"), str::to_owned),
    };
    pieces(text).iter().map(written).collect()
}

/// `text` such that Kubernetes takes it as it is.
pub(super) fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Escape, Reference, Text};

    #[test]
    fn a_text_is_read_as_kubernetes_reads_it() {
        let cases: [(&str, &[Piece<'_>]); 9] = [
            ("", &[]),
            ("plain", &[Text("plain")]),
            ("a$(B)c", &[Text("a"), Reference("B"), Text("c")]),
            ("$$(B)", &[Escape, Text("(B)")]),
            ("$$$(B)", &[Escape, Reference("B")]),
            ("$(B", &[Text("$"), Text("(B")]),
            ("$B$", &[Text("$"), Text("B"), Text("$")]),
            ("$()", &[Reference("")]),
            ("ä$(ö)ü", &[Text("ä"), Reference("ö"), Text("ü")]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_known_is_expanded() {
        let value = |name: &str| (name == "A").then_some("1");
        assert_eq!(expanded("$(A) $(B) $$(A) $x", value), "1 $(B) $$(A) $x");
    }

    #[test]
    fn an_escaped_text_has_no_reference() {
        let text = escaped("a$(B)$$");
        assert!(pieces(&text).iter().all(|it| !matches!(it, Reference(_))), "{text}");
    }
}
