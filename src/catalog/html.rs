//! HTML, put together from elements. Names of tags and attributes are this program's own; all else is text,
//! and is escaped wherever it stands: there is no way to put markup in.

use std::fmt;

/// Elements that hold nothing.
const VOID: [&str; 3] = ["input", "link", "meta"];

/// An element, with all that is in it.
pub(super) struct Element {
    tag: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Content>,
}

enum Content {
    Text(String),
    Element(Element),
}

/// An empty element.
pub(super) fn element(tag: &'static str) -> Element {
    Element { tag, attributes: Vec::new(), content: Vec::new() }
}

impl Element {
    pub(super) fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        self.attribute("class", class)
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.content.push(Content::Text(text.into()));
        self
    }

    pub(super) fn with(mut self, elements: impl IntoIterator<Item = Self>) -> Self {
        self.content.extend(elements.into_iter().map(Content::Element));
        self
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.tag)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"{}\"", Escaped(value))?;
        }
        f.write_str(">")?;
        for content in &self.content {
            match content {
                Content::Text(text) => Escaped(text).fmt(f)?,
                Content::Element(element) => element.fmt(f)?,
            }
        }
        if VOID.contains(&self.tag) { Ok(()) } else { write!(f, "</{}>", self.tag) }
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (before, special) = rest.split_at(at);
            f.write_str(before)?;
            f.write_str(match special.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            })?;
            // All of them are one byte long.
            rest = special.get(1..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_wherever_it_stands() {
        let hostile = "</p><script>alert('1')</script>\" onclick=\"x&amp;";
        let html = element("p").attribute("title", hostile).text(hostile).with([element("input")]).to_string();
        let escaped = "&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onclick=&quot;x&amp;amp;";
        assert_eq!(html, format!("<p title=\"{escaped}\">{escaped}<input></p>"));
    }
}
