//! What `sipward check` finds in a topology: each code by the change that its unit test makes, given to the real binary.
#[path = "../../../src/topology/tests/cases.rs"]
#[expect(dead_code, reason = "the unit tests look at lines and words too")]
mod cases;
#[path = "../../../src/topology/tests/site.rs"]
#[expect(dead_code, reason = "the unit tests make more changes")]
mod site;

use crate::harness::observed::sipward;
use cases::CASES;
use serde_json::Value;
use sipward::reason::TopologyReason;
use site::{Lab, edited};
use std::collections::HashSet;

pub(super) fn each_code_is_reported_by_check() {
    let lab = Lab::new();
    let mut seen = HashSet::new();
    for case in CASES.iter().filter(|case| seen.insert(case.code)) {
        lab.write("topology.toml", &edited(case.edits));
        let file = lab.path("topology.toml");
        let nobody = lab.path("nobody.sock");
        let (file, nobody) = (file.to_str().unwrap(), nobody.to_str().unwrap());
        let output = sipward(&["check", file, "--json", "--socket", nobody]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = ["faults", "warnings"].into_iter().any(|list| {
            let list = report[list].as_array().into_iter().flatten();
            list.clone().any(|one| one["code"] == case.code.code())
        });
        assert!(found, "{} is not in {report}", case.code);
    }
}
