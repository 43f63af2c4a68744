//! config/topology.schema.json: what editors hold a topology file against, made from the table of keys.
//!
//! `UPDATE_DOCS=1 cargo test --lib topology::` writes it anew. JSON Schema draft-07, which every editor's TOML plug-in knows.
use super::*;
use crate::topology::keys::{Effect, Key, Presence, SECTIONS, ValueType};
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/topology.schema.json");

/// What a value may be.
fn value(of: ValueType) -> Value {
    match of {
        ValueType::Text => json!({ "type": "string", "pattern": "\\S" }),
        ValueType::Flag => json!({ "type": "boolean" }),
        ValueType::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ValueType::Duration(_, _, never) => {
            let never = never.map_or_else(String::new, |never| format!("|^{never}$"));
            json!({ "type": "string", "pattern": format!("^[0-9]+ *(ms|s|m|h|d)${never}") })
        }
        ValueType::Size(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$" },
        ] }),
        // TOML's own date-times reach a validator as strings.
        ValueType::Time => {
            json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*([Zz]|[+-][0-9]{2}:[0-9]{2})$" })
        }
        ValueType::Word(words) => json!({ "enum": words }),
        ValueType::Texts(least, most) => list(value(ValueType::Text), least, most),
        ValueType::Words(words, least) => list(json!({ "enum": words }), least, usize::MAX),
        ValueType::Numbers(least, most) => json!({
            "type": "object",
            "additionalProperties": { "type": "integer", "minimum": least, "maximum": most },
        }),
        ValueType::Table(keys) => table(keys),
        ValueType::WordOrTable(words, keys) => json!({ "anyOf": [{ "enum": words }, table(keys)] }),
    }
}

fn list(items: Value, least: usize, most: usize) -> Value {
    let mut list = json!({ "type": "array", "items": items });
    if least > 0 {
        list["minItems"] = json!(least);
    }
    if most < usize::MAX {
        list["maxItems"] = json!(most);
    }
    list
}

/// A table with exactly these keys.
fn table(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let mut table =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| key.is_required())
        .map(|key| key.name)
        .collect();
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

/// A key as an editor shows it: what it means, what holds without it, and what a change takes.
fn property(key: &Key) -> Value {
    let mut property = value(key.value);
    let mut text = key.meaning.to_owned();
    if let Some((least, most)) = key.value.range() {
        text.push_str(&format!(" Range: {least} to {most}."));
    }
    let default = match key.presence {
        Presence::Required => None,
        Presence::Optional(instead) => {
            text.push_str(&format!(" Without it: {instead}."));
            // A word or number in backticks is a value, and nothing else is.
            instead
                .strip_prefix('`')
                .and_then(|rest| rest.strip_suffix('`'))
                .map(str::to_owned)
        }
        Presence::Default(default) => Some(default(key.value)),
    };
    if let Some(default) = default.and_then(|default| serde_json::from_str::<Value>(&default).ok())
    {
        property["default"] = default;
    }
    text.push_str(match key.effect {
        Effect::Reload => "",
        Effect::Restart => " A change needs a restart.",
        Effect::RestartInPart => " A change may need a restart.",
    });
    property["description"] = json!(text);
    property
}

/// The whole schema.
fn schema() -> Value {
    let properties: Map<String, Value> = SECTIONS
        .iter()
        .map(|section| {
            let keys = table(section.keys);
            let schema = if section.is_single() {
                keys
            } else {
                list(keys, usize::from(section.is_needed()), usize::MAX)
            };
            (section.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = SECTIONS
        .iter()
        .filter(|s| s.is_needed())
        .map(|s| s.name)
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "sipward topology",
        "description": "The topology file of sipward. docs/topology.md has more on each key; `sipward check FILE` checks what a schema cannot.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

/// What holds documents against a schema: python3-jsonschema, since a validator of ours would only show that we agree with
/// ourselves, and one as a crate costs every build of the tests more than it is worth.
const VALIDATOR: &str = r#"
import json, sys
import jsonschema
job = json.load(sys.stdin)
validator = jsonschema.validators.validator_for(job["schema"])
validator.check_schema(job["schema"])
validator = validator(job["schema"])
for name, document in job["good"]:
    for error in validator.iter_errors(document):
        print(name + ": " + error.json_path + ": " + error.message)
for name, document in job["bad"]:
    if validator.is_valid(document):
        print(name + " fits")
"#;

/// What the validator says of documents that should fit and of some that should not; `None` where there is none.
fn judged(good: &[(String, Value)], bad: &[(String, Value)]) -> Option<String> {
    let python = || {
        let mut python = Command::new("python3");
        python.stdin(Stdio::piped()).stdout(Stdio::piped());
        python
    };
    let found = python()
        .args(["-c", "import jsonschema"])
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        let why = "python3-jsonschema is not installed: no document was held against the schema";
        assert!(
            std::env::var_os("SIPWARD_INTEROP").is_none_or(|how| how != "require"),
            "{why}"
        );
        eprintln!("SKIPPED: {why}");
        return None;
    }
    let mut child = python().args(["-c", VALIDATOR]).spawn().unwrap();
    let job = json!({ "schema": schema(), "good": good, "bad": bad }).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(job.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the schema is none, or the validator failed"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A TOML file as a validator sees it.
fn as_json(text: &str) -> Value {
    fn convert(value: toml::Value) -> Value {
        match value {
            toml::Value::Table(table) => Value::Object(
                table
                    .into_iter()
                    .map(|(key, value)| (key, convert(value)))
                    .collect(),
            ),
            toml::Value::Array(list) => Value::Array(list.into_iter().map(convert).collect()),
            toml::Value::Datetime(time) => json!(time.to_string()),
            toml::Value::String(text) => json!(text),
            toml::Value::Integer(number) => json!(number),
            toml::Value::Float(number) => json!(number),
            toml::Value::Boolean(flag) => json!(flag),
        }
    }
    convert(toml::Value::Table(text.parse().unwrap()))
}

#[test]
fn the_schema_file_says_what_the_table_says() {
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(FILE).unwrap();
    assert!(
        written == text,
        "UPDATE_DOCS=1 cargo test --lib topology:: writes {FILE} anew"
    );
}

/// Every file in config/ with its name.
fn examples() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let examples = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    examples
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_example_names_the_schema() {
    let examples = examples();
    assert!(examples.len() >= 6);
    for (name, text) in examples {
        assert!(
            text.starts_with("#:schema ./topology.schema.json\n"),
            "{name}"
        );
    }
}

/// What loading refuses for its form alone, an editor marks as well.
#[test]
fn every_example_fits_the_schema_and_what_the_table_forbids_does_not() {
    let by_form = [
        TopologyReason::UnknownKey,
        TopologyReason::WrongType,
        TopologyReason::UnknownWord,
        TopologyReason::MissingKey,
        TopologyReason::EmptyList,
        TopologyReason::InvalidDuration,
        TopologyReason::InvalidSize,
        TopologyReason::InvalidTime,
    ];
    let cases = cases::CASES
        .iter()
        .filter(|case| by_form.contains(&case.code));
    // Which of two keys needs the other is beyond the form.
    let cases = cases.filter(|case| !case.says.contains("client_private_key"));
    let mut bad: Vec<String> = cases.map(|case| edited(case.edits)).collect();
    assert!(bad.len() > 15);
    bad.push(String::new());
    bad.extend([
        edited(&[("handshakes = 100", "handshakes = 0")]),
        edited(&[("handshakes = 100", "handshakes = -5")]),
        edited(&[("= 3 }", "= 0 }")]),
        edited(&[("handshakes = 100", "head_bytes = 1")]),
        edited(&[(
            "domains = [\"contoso.test\"]\n",
            "domains = [\"contoso.test\"]\nshards = 65\n",
        )]),
        edited(&[("[node]", "[[node]]")]),
        edited(&[("[limits]", "[dns]\nservers = []\n[limits]")]),
    ]);
    let named = |(name, text): (String, String)| (name, as_json(&text));
    let good: Vec<(String, Value)> = examples().into_iter().map(named).collect();
    let bad: Vec<(String, Value)> = bad
        .into_iter()
        .map(|text| (text.clone(), text))
        .map(named)
        .collect();
    if let Some(objections) = judged(&good, &bad) {
        assert!(objections.is_empty(), "{objections}");
    }
}
