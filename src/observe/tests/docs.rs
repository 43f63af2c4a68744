//! docs/events.md is made from the tables of the code: `UPDATE_DOCS=1 cargo test --lib observe` writes it.
use crate::observe::EventKind;
use crate::observe::keys::ALL_KEYS;
use crate::observe::limits::WINDOW;
use crate::observe::table::Limited;
use std::collections::HashMap;
use std::fmt::Write as _;

/// What stands before the tables.
const HEAD: &str = r#"# The log

sipward writes one line for each event to standard error, as an entry with fields to systemd's journal, or to a file:
[logging.md](logging.md). The names below are stable: a name keeps its meaning, and a field keeps its type. New events and
new fields may come.

`[log] format` chooses the form: `json`, `human`, or `auto` (human on a terminal, JSON otherwise). A JSON line begins with

| field | type | meaning |
|---|---|---|
| `schema` | number | the version of these names: 1; it would change if a name or a type ever had to |
| `ts` | text | when it happened, RFC 3339 in UTC with microseconds |
| `level` | text | `info`, `warn` or `error` |
| `event` | text | the event's name |

and goes on with the event's own fields, flat. A field marked `?` is left out when it has no value. The human form has one
aligned line with `name=value` pairs, without the fields that the table of fields marks with "no"; the items of `details`
follow on indented lines.

```sh
journalctl -u sipward -o cat | jq -cR 'fromjson? | select(.event == "handshake_refused") | {ts, remote, reason, names, line}'
journalctl -u sipward -o cat | jq -cR 'fromjson? | select(.call_id == "a84b4c76e66710")'
```

What holds for every line:

* **It is valid JSON, whatever a message or a certificate holds.** Bytes that are not UTF-8 become U+FFFD. Control
  characters, and characters that turn the direction of writing or cannot be seen, are escaped in both forms: nothing that a
  stranger sends can forge a line or control your terminal.
* **It has a bound.** A text takes at most 1 KiB as written, a list 4 KiB (`details`: 24 KiB); what was cut ends with `…`. A
  line stays below 48 KiB, where the journal would split it.
* **It holds no body, no token, no key and no password.** No event has a field for one.
* **It never holds up a message.** Lines wait in a queue (`limits.log_queue`) for one writer thread; what finds no place, or
  cannot be written, is counted, and `log_dropped` says how many lines are missing.

`[log] requests` chooses which requests have a line: `all`, `calls` (INVITE, BYE, REGISTER and every refusal; the default) or
`refused`. What libraries report (the TLS library, for one) appears as `library`, warnings and errors only.
"#;

/// The whole page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    limits(&mut page);
    events(&mut page);
    fields(&mut page);
    former(&mut page);
    page
}

fn limits(page: &mut String) {
    let seconds = WINDOW.as_secs();
    writeln!(
        page,
        "\n## Limits\n\nNobody can fill the disk: events that others can bring about have a line for the first few of an event and \
         reason in {seconds} s, and `events_suppressed` has the number of the rest when these are over. Lines and sums \
         together are exact. The numbers are those of the node, however many shards it has. The column `limited` below says who can bring an event about:\n\n\
         | limited | lines in {seconds} s |\n|---|---|"
    )
    .unwrap();
    for limited in [
        Limited::Never,
        Limited::Operator,
        Limited::Stranger,
        Limited::Client,
        Limited::Peer,
        Limited::Request,
    ] {
        writeln!(page, "| {} | {} |", limited.word(), limited.lines()).unwrap();
    }
}

fn events(page: &mut String) {
    page.push_str(
        "\n## Events\n\nEach event is counted, by its reason if it has one, before `[log] requests` and the limits are asked; \
         the last column says what the counter counts.\n\n\
         | event | level | when | fields | limited | counts |\n|---|---|---|---|---|---|\n",
    );
    for kind in EventKind::ALL {
        let row = kind.row();
        let fields: Vec<_> = row
            .fields()
            .map(|field| {
                let mark = if field.optional { "?" } else { "" };
                format!("`{}{mark}`", field.key.name)
            })
            .collect();
        let fields = if fields.is_empty() {
            "none".to_owned()
        } else {
            fields.join(", ")
        };
        writeln!(
            page,
            "| `{}` | {} | {} | {fields} | {} | {} |",
            row.name,
            row.levels(),
            row.when,
            row.limited.word(),
            row.counts
        )
        .unwrap();
    }
}

fn fields(page: &mut String) {
    let types: HashMap<_, _> = EventKind::ALL
        .iter()
        .flat_map(|kind| kind.row().fields())
        .map(|field| (field.key.name, field.kind))
        .collect();
    page.push_str("\n## Fields\n\n| field | type | on a terminal | meaning |\n|---|---|---|---|\n");
    for key in ALL_KEYS {
        let kind = types[key.name].word();
        let on_terminal = if key.on_terminal { "yes" } else { "no" };
        writeln!(
            page,
            "| `{}` | {kind} | {on_terminal} | {} |",
            key.name, key.meaning
        )
        .unwrap();
    }
}

fn former(page: &mut String) {
    page.push_str(
        "\n## Former names\n\nWhat lines without `schema` called them; these names do not come back. `sipward explain NAME` knows them.\n\n\
         | former name | name |\n|---|---|\n",
    );
    for kind in EventKind::ALL {
        for former in kind.row().former {
            writeln!(page, "| event `{former}` | `{}` |", kind.row().name).unwrap();
        }
    }
    for key in ALL_KEYS {
        if let Some(former) = key.former {
            writeln!(page, "| field `{former}` | `{}` |", key.name).unwrap();
        }
    }
}

#[test]
fn the_page_is_what_the_tables_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap() == page(),
        "docs/events.md is not what the tables say: UPDATE_DOCS=1 cargo test --lib observe"
    );
}
