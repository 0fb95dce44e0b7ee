//! Text from outside (containers, the API server) on its way into a status: people and agents read
//! it there, so it is kept short and plain.

/// One line without control characters, at most `limit` bytes, cut at a character.
pub fn cleaned(text: &str, limit: usize) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    shortened(&line, limit)
}

/// At most `limit` bytes, cut at a character.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_line_breaks_become_spaces() {
        assert_eq!(cleaned("  a\u{1b}[31m red\n\tb\0 ", 100), "a [31m red b");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("ääää", 6), "ä…");
        assert_eq!(shortened("äää", 6), "äää");
        assert!(shortened("ää", 1).len() <= 3);
    }
}
