//! Judges that need no cluster: the rules of the API server, then the operator's pure steps.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

use crate::cases::{Case, Cases, Place};
use crate::made::{Made, Maker, Refusal, names};
use crate::values;

/// Every leaf of the schema has a case, and the report says what becomes of each.
pub fn every_leaf_is_covered() -> Result<()> {
    let cases = Cases::read()?;
    let useless = cases.useless();
    ensure!(useless.is_empty(), "cases.yaml speaks of fields that there are not: {}", useless.join(", "));
    let all = cases.all();
    ensure!(all.len() > 400, "the walk over the schema finds no more than {} leaves", all.len());
    let judged = all.iter().filter(|it| it.before.as_ref() != Some(&it.after)).count();
    let elsewhere: BTreeMap<_, _> =
        all.iter().filter_map(|it| Some((it.leaf.to_string(), it.shows.as_ref()?.why.as_str()))).collect();
    let never: BTreeMap<_, _> = all.iter().filter_map(|it| Some((it.leaf.to_string(), it.never.as_deref()?))).collect();
    let in_children = all.len() - elsewhere.len() - never.len();
    let listed = |what: &BTreeMap<String, &str>| {
        what.iter().flat_map(|(leaf, why)| ["\n    ", leaf, ": ", why]).collect::<String>()
    };
    let report = format!(
        "leaves of spec: {}, changed: {judged} ({} %)\n  a change shows in the children: {in_children}\n  \
         a change shows elsewhere: {}{}\n  no value is taken: {}{}\n",
        all.len(),
        judged * 100 / all.len(),
        elsewhere.len(),
        listed(&elsewhere),
        never.len(),
        listed(&never),
    );
    // Not by println, which is shown of tests that fail alone.
    std::io::stderr().write_all(report.as_bytes())?;
    ensure!(judged == all.len(), "not every leaf is changed");
    Ok(())
}

/// A value that fits shows in the children, or where the table says.
pub fn a_change_shows() -> Result<()> {
    let maker = Maker::new()?;
    each(|case| {
        let made = |spec: &Value| maker.make(spec).map_err(|refusal| anyhow::anyhow!("{}: {spec}", refusal.text()));
        if case.never.is_some() {
            // By the operator here, or by the cluster on the real thing.
            if let Err(refusal) = maker.make(&case.after()) {
                ensure!(names(&refusal.text(), &case.leaf), "not named: {}", refusal.text());
            }
            return Ok(());
        }
        let (before, after) = (made(&case.before())?, made(&case.after())?);
        match case.shows.as_ref().map(|it| it.place) {
            None => shows(case, &before, &after),
            Some(place) => {
                ensure!(before.written() == after.written(), "the children differ, although cases.yaml says otherwise");
                shows_elsewhere(place, &maker, case, &before, &after)
            }
        }
    })
}

fn shows(case: &Case, before: &Made, after: &Made) -> Result<()> {
    let (before, after) = (before.written(), after.written());
    ensure!(before != after, "the change shows nowhere: {}", case.after());
    if case.hidden.is_some() || case.after.is_boolean() || case.leaf.is_raw() {
        return Ok(());
    }
    let value = case.after.as_str().map_or_else(|| case.after.to_string(), str::to_owned);
    let count = |children: &[Value]| json!(children).to_string().matches(&value).count();
    ensure!(count(&after) > count(&before), "the value itself shows nowhere: {}", case.after());
    Ok(())
}

fn shows_elsewhere(place: Place, maker: &Maker, case: &Case, before: &Made, after: &Made) -> Result<()> {
    match place {
        Place::Verification => ensure!(before.server.verification != after.server.verification),
        Place::Suspension => ensure!(!before.server.suspend && after.server.suspend),
        Place::Admission => {
            let (mut before, mut after) = (case.before(), case.after());
            (before["replicas"], after["replicas"]) = (json!(2), json!(2));
            let refusal = maker.make(&before).err().context("two pods are taken")?;
            ensure!(names(&refusal.text(), &case.leaf), "not named: {}", refusal.text());
            ensure!(maker.make(&after).is_ok(), "two pods are refused: {after}");
        }
    }
    Ok(())
}

/// A value of another type, out of its bounds, too long or unknown does not get past the API server,
/// which names the field.
pub fn what_does_not_fit_the_schema_is_refused_by_name() -> Result<()> {
    let maker = Maker::new()?;
    each(|case| {
        for value in values::against_the_schema(&case.leaf) {
            let shown = shortened(&value);
            match maker.make(&case.spec(Some(&value))) {
                Err(Refusal::Admission(problems)) => {
                    let text = Refusal::Admission(problems).text();
                    ensure!(names(&text, &case.leaf), "{shown} was refused without its name: {text}");
                }
                Err(refusal) => anyhow::bail!("{shown} was stored, and refused with: {}", refusal.text()),
                Ok(_) => anyhow::bail!("{shown} was taken"),
            }
        }
        Ok(())
    })
}

/// A value of the right type that may not make sense is refused by whoever knows, with the field's
/// name, or is used: it is never dropped without a word.
pub fn an_odd_value_is_refused_by_name_or_used() -> Result<()> {
    let maker = Maker::new()?;
    each(|case| {
        let without = maker.make(&case.spec(None)).map(|it| it.written()).unwrap_or_default();
        let usual = maker.make(&case.after()).map(|it| it.written()).unwrap_or_default();
        for value in values::odd(&case.leaf) {
            match maker.make(&case.spec(Some(&value))) {
                Err(refusal) => {
                    let text = refusal.text();
                    ensure!(names(&text, &case.leaf), "{} was refused without its name: {text}", shortened(&value));
                }
                Ok(made)
                    if case.shows.is_none() && case.never.is_none() && !is_empty(&value) && value != case.after =>
                {
                    let made = made.written();
                    ensure!(
                        made != without || Some(&value) == case.default.as_ref(),
                        "{} was taken and not used",
                        shortened(&value)
                    );
                    ensure!(made != usual, "{} was taken for {}", shortened(&value), case.after);
                }
                Ok(_) => {}
            }
        }
        Ok(())
    })
}

/// Judges every case, and tells of all that fail.
fn each(judge: impl Fn(&Case) -> Result<()>) -> Result<()> {
    let cases = Cases::read()?.all();
    let judged = cases.iter().map(|case| judge(case).with_context(|| format!("spec.{}", case.leaf)));
    let failures: Vec<_> = judged.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(failures.is_empty(), "{} of {} leaves:\n{}", failures.len(), cases.len(), failures.join("\n"));
    Ok(())
}

fn shortened(value: &Value) -> String {
    landfall::text::shortened(&value.to_string(), 60)
}

/// What Kubernetes does not tell from an absent field.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}
