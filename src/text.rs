//! Text from outside (servers, containers, the API server), made fit to be shown.
//!
//! In: whatever was said. Out: one line without control or direction-changing
//! characters, short enough for a condition. Status is read in terminals and by
//! agents, and nobody outside must be able to write there what they like.

/// Longest name, title or version that is shown, in characters.
pub const NAME: usize = 128;

/// Longest sentence of a server that is shown, in characters.
pub const MESSAGE: usize = 256;

/// One line of at most `cap` characters, white space collapsed.
pub fn clean(text: &str, cap: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            gap = length > 0;
            continue;
        }
        if is_invisible(character) {
            continue;
        }
        if length + usize::from(gap) >= cap {
            line.push('…');
            break;
        }
        if gap {
            line.push(' ');
            length += 1;
            gap = false;
        }
        line.push(character);
        length += 1;
    }
    line
}

/// Like [`clean`], for text that may not be UTF-8.
pub fn clean_bytes(text: &[u8], cap: usize) -> String {
    // Four bytes a character at most; the rest leaves room for what is dropped.
    let start = text.get(..cap * 16).unwrap_or(text);
    clean(&String::from_utf8_lossy(start), cap)
}

/// At most `limit` bytes, cut at a character.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()))])
}

/// Characters that take no room or turn the direction of writing, with which a
/// name can be made to look like another; and the tag characters, which only
/// programs see.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_bytes, shortened};

    #[test]
    fn keeps_plain_text() {
        assert_eq!(clean("Überprüfung 1.2", 128), "Überprüfung 1.2");
    }

    #[test]
    fn makes_one_line_of_many() {
        assert_eq!(clean("  a\r\n\tb\u{7}c  ", 128), "a b c");
    }

    #[test]
    fn drops_what_cannot_be_seen() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{e0041}", 128), "abc");
        assert_eq!(clean("\u{1b}[31mred", 128), "[31mred");
    }

    #[test]
    fn cuts_at_characters() {
        assert_eq!(clean("ääääää", 3), "äää…");
        assert_eq!(clean("äää", 3), "äää");
        assert_eq!(clean("ab cd", 2), "ab…");
        assert_eq!(clean("ab  ", 2), "ab");
    }

    #[test]
    fn survives_broken_utf8() {
        assert_eq!(clean_bytes(b"a\xff\xfeb", 10), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("ääää", 6), "ä…");
        assert_eq!(shortened("äää", 6), "äää");
        assert!(shortened("ää", 1).len() <= 3);
    }
}
