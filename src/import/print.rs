//! What was imported as YAML, with comments on what was not.

use serde::Serialize;
use std::fmt::Write as _;

use super::{Import, Outcome};

/// Where comments are broken.
const WIDTH: usize = 100;

/// The resources, each with what a person has to be told of it above.
pub fn print(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Server(import) => server(&mut text, import),
            Outcome::Refused { name, why } => {
                comment(&mut text, "# ", &format!("Not imported: {name}. {why}"));
            }
        }
    }
    text
}

fn server(text: &mut String, import: &Import) {
    let name = import.server.metadata.name.as_deref().unwrap_or_default();
    text.push_str("---\n");
    if !import.notes.is_empty() {
        comment(text, "# ", &format!("{name}: look at these first."));
    }
    for note in &import.notes {
        comment(text, "# - ", note);
    }
    text.push_str(&yaml(&import.server));
    let Some(secret) = &import.secret else { return };
    let namespace =
        import.server.metadata.namespace.as_ref().map(|it| format!("  namespace: {it}\n")).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "---\n# Fill in the values before you apply it, or make this Secret in another way and leave it out here.\n\
         apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n{namespace}stringData:\n",
        secret.name
    );
    for key in &secret.keys {
        let _ = writeln!(text, "  {key}: \"\"");
    }
}

/// Comments end where a line does, whatever a file says.
fn comment(text: &mut String, first: &str, content: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in content.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty()) {
        if !is_empty && line.chars().count() + word.chars().count() >= WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("#{}", " ".repeat(first.len() - 1));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// With what is nothing left out, and in the order in which the fields are declared.
fn yaml(object: &impl Serialize) -> String {
    serde_saphyr::to_string(object).unwrap_or_default()
}
