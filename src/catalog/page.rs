//! The page for people: each server, how it is, and how to connect. It is read without a script, and a click into a
//! field selects all of it.

use std::sync::Arc;

use super::html::{Element, element};
use super::query::Query;
use super::{Entry, State};
use crate::connect::{Client, Connection, alone};
use crate::text;

/// How the page looks; a file of its own, so that no style has to be allowed within the page.
pub(super) const STYLE: &str = include_str!("style.css");

/// The page that is asked for.
pub(super) fn page(entries: &[Arc<Entry>], query: &Query) -> String {
    let shown = query.page(entries.iter().cloned());
    let mut main = element("main").with(shown.entries.iter().map(|it| server(it)));
    if shown.entries.is_empty() {
        main = main.with([element("article").with([element("p").text("There is no such server.")])]);
    }
    let following = shown.next.iter().map(|next| {
        let link = format!("?{}", query.following(next));
        element("nav").with([element("a").attribute("href", link).attribute("rel", "next").text("More servers")])
    });
    let body = element("body").with([header(entries, query), main.with(following), footer()]);
    format!("<!doctype html>\n{}\n", element("html").attribute("lang", "en").with([head(), body]))
}

fn head() -> Element {
    let viewport =
        element("meta").attribute("name", "viewport").attribute("content", "width=device-width, initial-scale=1");
    let style = element("link").attribute("rel", "stylesheet").attribute("href", "style.css");
    let no_icon = element("link").attribute("rel", "icon").attribute("href", "data:,");
    let title = element("title").text("MCP servers");
    element("head").with([element("meta").attribute("charset", "utf-8"), viewport, title, style, no_icon])
}

fn header(entries: &[Arc<Entry>], query: &Query) -> Element {
    let ready = entries.iter().filter(|it| it.is_ready()).count();
    let count = format!("{ready} of {} ready", entries.len());
    let title = element("div").with([element("h1").text("MCP servers"), element("p").class("soft").text(count)]);
    let field = element("input")
        .attribute("type", "search")
        .attribute("name", "search")
        .attribute("value", query.search.as_str())
        .attribute("placeholder", "Namespace or name")
        .attribute("aria-label", "Namespace or name of a server");
    let button = element("button").attribute("type", "submit").text("Search");
    element("header").with([title, element("form").attribute("role", "search").with([field, button])])
}

fn footer() -> Element {
    let list = element("a").attribute("href", "v0.1/servers").text("v0.1/servers");
    let text = "The same for programs, in the form of the MCP registry: ";
    element("footer").with([element("p").text(text).with([list])])
}

fn server(entry: &Entry) -> Element {
    let name = entry.name();
    let title = element("div").class("title").with([element("h2").text(name.as_str()), state(entry)]);
    let mut article = element("article").with([title, facts(entry)]);
    let Some(connection) = &entry.connection else { return article };
    article = article.with([element("p").class("soft").text("URL"), field(&connection.url, &format!("URL of {name}"))]);
    if entry.is_inside {
        let (namespace, name) = entry.place();
        let command = format!("kubectl --namespace {namespace} port-forward service/{name}");
        let note = format!("This is an address within the cluster. From outside, {command} leads there.");
        article = article.with([element("p").class("soft").text(note)]);
    }
    article.with([install(connection), connect(connection, &name)])
}

fn state(entry: &Entry) -> Element {
    let (class, text) = match entry.state {
        State::Ready => ("state good", "Ready".to_owned()),
        State::NotReady => ("state bad", format!("Not ready: {}", entry.reason)),
        State::Unknown if entry.reason.is_empty() => ("state wait", "Not known yet".into()),
        State::Unknown => ("state wait", format!("Not known: {}", entry.reason)),
    };
    element("span").class(class).text(text)
}

fn facts(entry: &Entry) -> Element {
    let version = entry.said.version.as_deref().map(|it| text::clean(it, text::NAME)).unwrap_or_default();
    let program = entry.title().map(|it| format!("{it} {version}").trim_end().to_owned());
    let protocol = entry.said.protocol_version.as_deref().map(|it| text::clean(it, text::NAME));
    let facts = [
        ("Server", program),
        ("Tools", entry.said.tool_count.and_then(|_| entry.tools())),
        ("Protocol", protocol),
        ("Asks for", entry.connection.as_ref().map(asks_for)),
    ];
    let known = facts.into_iter().filter_map(|(term, fact)| Some((term, fact?)));
    element("dl")
        .with(known.map(|(term, fact)| element("div").with([element("dt").text(term), element("dd").text(fact)])))
}

fn asks_for(connection: &Connection) -> String {
    let names: Vec<_> = connection.headers.iter().map(|it| it.name.as_str()).collect();
    if names.is_empty() { "no credentials".into() } else { names.join(", ") }
}

/// Links that this program made, of what it encoded itself.
fn install(connection: &Connection) -> Element {
    let links = Client::all().iter().filter_map(|client| {
        let link = client.install_link(connection)?;
        Some(element("a").class("button").attribute("href", link).text(format!("Add to {}", client.title())))
    });
    element("p").class("install").with(links)
}

fn connect(connection: &Connection, name: &str) -> Element {
    let clients = Client::all().iter().filter_map(|client| {
        let text = alone(*client, connection).ok()?;
        let summary = element("summary").text(client.title());
        let file = element("p").class("soft").text(format!("In {}", client.file()));
        let label = format!("Configuration of {} for {name}", client.title());
        let hint = client.hint(connection).map(|hint| element("p").class("soft").text(capitalized(&hint)));
        Some(element("details").with([summary, file, field(text.trim_end(), &label)]).with(hint))
    });
    let summary = element("summary").text("Configure a client by hand");
    element("details").class("connect").with([summary]).with(clients)
}

/// Text to copy: a click selects all of it.
fn field(text: &str, label: &str) -> Element {
    element("pre")
        .attribute("tabindex", "0")
        .attribute("role", "textbox")
        .attribute("aria-readonly", "true")
        .attribute("aria-label", label)
        .text(text)
}

fn capitalized(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{entry, ready};
    use super::*;
    use serde_json::json;

    fn shown(entries: Vec<Entry>, query: &str) -> String {
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        page(&entries, &Query::of(query).expect("a query"))
    }

    #[test]
    fn a_server_is_shown_with_all_that_it_takes_to_connect() {
        let page = shown(vec![entry("team/echo", &ready())], "");
        for part in [
            "1 of 1 ready",
            "<h2>team/echo</h2>",
            ">Ready</span>",
            "<dd>echo-server 0.1.0</dd>",
            "<dd>2 tools</dd>",
            "<dd>no credentials</dd>",
            ">https://echo.example.com/mcp</pre>",
            "href=\"cursor://anysphere.cursor-deeplink/mcp/install?name=echo&amp;config=",
            "href=\"vscode:mcp/install?%7B",
        ] {
            assert!(page.contains(part), "no {part}\n{page}");
        }
        for client in Client::all() {
            assert!(page.contains(&format!("<summary>{}</summary>", client.title())), "{client:?}");
        }
        assert!(!page.contains("port-forward") && !page.contains("<script"));
    }

    #[test]
    fn a_server_that_is_not_ready_says_why_in_a_word() {
        let mut status = ready();
        status["conditions"][0] = json!({
            "type": "Ready", "status": "False", "reason": "CrashLooping", "message": "password hunter2 is wrong",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let page = shown(vec![entry("team/echo", &status), entry("team/new", &json!({}))], "");
        assert!(page.contains("Not ready: CrashLooping") && page.contains("Not known yet"), "{page}");
        assert!(page.contains("0 of 2 ready") && !page.contains("hunter2"), "{page}");
    }

    #[test]
    fn what_is_looked_for_stays_in_the_field_and_in_the_link_to_more() {
        let entries = vec![entry("a/one", &ready()), entry("a/two", &ready())];
        let page = shown(entries, "search=%22%3Ea&limit=1");
        assert!(page.contains("value=\"&quot;&gt;a\"") && page.contains("There is no such server"), "{page}");
        let page = shown(vec![entry("a/one", &ready()), entry("a/two", &ready())], "search=a&limit=1");
        assert!(page.contains("href=\"?search=a&amp;cursor=a%2Fone&amp;limit=1\""), "{page}");
    }

    #[test]
    fn hostile_words_stay_words() {
        let mut status = ready();
        status["url"] = json!("https://a/\"><script>alert(1)</script>");
        status["server"]["name"] = json!("</dd><img src=x onerror=alert(1)>\u{202e}evil");
        status["server"]["version"] = json!("<!--");
        let page = shown(vec![entry("team/echo", &status)], "");
        for part in ["<script", "<img", "<!--", "\u{202e}"] {
            assert!(!page.contains(part), "{part} in\n{page}");
        }
        assert!(page.contains("&lt;/dd&gt;&lt;img src=x onerror=alert(1)&gt;evil &lt;!--"), "{page}");
    }
}
