use super::Upgrade;
use super::{Account, DataVersion, parse_tag};
use crate::api::PresetName;

#[test]
fn the_numbers_of_a_tag_are_found() {
    for (tag, numbers) in [
        ("17", vec![17]),
        ("v1.15.4", vec![1, 15, 4]),
        ("pg17", vec![17]),
        ("cpu-1.8", vec![1, 8]),
        ("17.2-alpine", vec![17, 2]),
        ("5.26-community", vec![5, 26]),
        ("latest", vec![]),
        ("", vec![]),
        ("99999999999", vec![]),
    ] {
        assert_eq!(parse_tag(tag), numbers, "{tag}");
    }
}

#[test]
fn data_is_given_only_to_a_version_that_can_read_it() {
    let check = |before: &str, after: &str| DataVersion::read(after).check_after(&DataVersion::read(before));
    for (before, after) in [
        ("postgres 17.2", "postgres 17.5"),
        ("postgres 17", "postgres 17.5"),
        ("postgres", "postgres 17"),
        ("qdrant 1.15.4", "qdrant 1.16.0"),
        ("qdrant 1.16.3", "qdrant 2.0.0"),
        ("mongodb 7.0", "mongodb 8.0"),
        ("redis 6", "redis 8"),
        ("own 3", "own 1"),
    ] {
        assert_eq!(check(before, after), Ok(()), "{before} -> {after}");
    }
    for (before, after, expected) in [
        ("postgres 16", "postgres 17", "postgres 17 cannot read it: stay within 16"),
        ("postgres 17.5", "postgres 17.2", "is older"),
        ("redis 8", "redis 7", "is older"),
        ("mongodb 6.0", "mongodb 8.0", "go to 7 first"),
        ("qdrant 1.13.1", "qdrant 1.15.4", "go to 1.14 first"),
        ("qdrant 1.15", "qdrant 3.0", "go to 2 first"),
        ("redis 8", "valkey 8", "give this dependency another name"),
    ] {
        let found = check(before, after).expect_err(after);
        assert!(found.contains(expected), "{before} -> {after}: {found}");
    }
}

#[test]
fn the_version_of_data_is_that_of_the_image() {
    let text = |image: &str| DataVersion::of_image(PresetName::Postgres, image).text();
    assert_eq!(text("postgres:17.2"), "postgres 17.2");
    assert_eq!(text("registry:5000/postgres"), "postgres");
    assert_eq!(text("registry:5000/team/postgres:16-alpine@sha256:0123"), "postgres 16");
    assert_eq!(DataVersion::read(&text("postgres:17.2")), DataVersion::of_image(PresetName::Postgres, "postgres:17.2"));
}

#[test]
fn every_entry_is_complete() {
    for name in PresetName::ALL {
        let preset = name.preset();
        let major = parse_tag(preset.version).first().copied();
        assert!(major.is_some_and(|it| preset.majors.contains(&it)), "{name}: the default is among the supported");
        assert!(!preset.image.is_empty() && !preset.ports.is_empty() && preset.tag.contains("{}"), "{name}");
        assert!(preset.image_of(None).ends_with(|it: char| it.is_ascii_alphanumeric()), "{name}");
        let Some(credentials) = &preset.credentials else { continue };
        let made = |it: Account| matches!(it, Account::Made(_));
        let known = |variable: &str| credentials.env.iter().any(|(_, part)| part.variable() == variable);
        assert!(known("PASSWORD"), "{name}");
        assert_eq!(made(credentials.username), known("USERNAME"), "{name}");
        assert_eq!(made(credentials.database), known("DATABASE"), "{name}");
    }
}

#[test]
fn the_table_is_documented() {
    let row = |name: &PresetName| {
        let preset = name.preset();
        let data = preset.data.as_ref().map_or_else(String::new, |it| format!("`{}`, {}", it.path, it.size));
        let password = match &preset.credentials {
            None => "none",
            Some(credentials) if credentials.by_default => "yes",
            Some(_) => "on demand",
        };
        let upgrade = match preset.upgrade {
            Upgrade::WithinMajor => "within the major",
            Upgrade::MajorByMajor => "one major at a time",
            Upgrade::MinorByMinor => "one minor at a time",
            Upgrade::Forward => "any newer",
        };
        let (image, port, user) = (preset.image_of(None), preset.ports[0].1, preset.user);
        format!("| `{name}` | `{image}` | {port} | {data} | {user} | {password} | {upgrade} |\n")
    };
    let table: String = PresetName::ALL.iter().map(row).collect();
    assert!(include_str!("../../docs/dependencies.md").contains(&table), "docs/dependencies.md should have\n{table}");
}
