//! The reason codes that a test has seen the real program write, whether it looked at them or not.
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// The keys under which events and reports have a reason code.
const KEYS: [&str; 3] = ["reason", "trust_reason", "code"];

/// What was seen since [`Observed::begin`] on one thread: in the log of every daemon that was started there, and in the output
/// of every command. A copy collects into the same set.
#[derive(Clone, Default)]
pub(crate) struct Observed(Arc<Mutex<BTreeSet<String>>>);

thread_local! {
    // A test runs on one thread, its runtime included, and so do the tests that the table of reasons calls.
    static CURRENT: RefCell<Observed> = RefCell::default();
}

impl Observed {
    /// Begins anew on this thread.
    pub(crate) fn begin() -> Self {
        let new = Self::default();
        CURRENT.set(new.clone());
        new
    }

    /// What is collected on this thread.
    pub(crate) fn of_thread() -> Self {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Adds the codes of an event or of a report.
    pub(crate) fn add_all(&self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if let Some(code) = value.as_str()
                        && KEYS.contains(&key.as_str())
                    {
                        self.add(code);
                    }
                    self.add_all(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Adds the codes of a line of the log or of the output of a command; what is not JSON has none.
    pub(crate) fn add_text(&self, text: &[u8]) {
        if let Ok(value) = serde_json::from_slice(text) {
            self.add_all(&value);
        }
    }

    /// Adds one code.
    pub(crate) fn add(&self, code: &str) {
        self.0.lock().unwrap().insert(code.to_owned());
    }

    /// All of them.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Runs `sipward ARGUMENTS...` to its end.
pub(crate) fn sipward(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    let output = command.args(arguments).output().unwrap();
    Observed::of_thread().add_text(&output.stdout);
    output
}
