//! The manifest of config/scale, read by a YAML parser of somebody else: its parts name each other, and the daemon's keys.
//!
//! No cluster is at hand, so that nothing applies it: what a cluster would refuse beyond these keys is not found here.
use crate::harness::{Program, Stage};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Its documents.
fn manifest() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scale/kubernetes.yaml");
    let read = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let output = Command::new("python3")
        .args(["-c", read])
        .arg(file)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_parts_of_the_manifest_name_each_other_and_the_daemons_keys() {
    let Some(_stage) = Stage::enter(&[Program::PythonYaml]) else {
        return;
    };
    let all = manifest();
    let kinds: Vec<_> = all.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["Service", "Service", "StatefulSet", "PodDisruptionBudget"]
    );
    let [phones, nodes, set, budget] = &all[..] else {
        panic!("four documents");
    };
    // Phones come by the balancer, with their own address.
    let spec = &phones["spec"];
    assert_eq!(spec["type"], "LoadBalancer");
    assert_eq!(spec["externalTrafficPolicy"], "Local");
    assert_eq!(spec["ports"][0]["port"], 5061);
    // Siblings find each other by a name for each, also while a node drains.
    assert_eq!(nodes["spec"]["clusterIP"], "None");
    assert_eq!(nodes["spec"]["publishNotReadyAddresses"], true);
    assert_eq!(set["spec"]["serviceName"], nodes["metadata"]["name"]);
    assert!(set["spec"]["replicas"].as_u64() >= Some(2));
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    // All mean the same pods.
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert!(labels.is_object());
    assert_eq!(&phones["spec"]["selector"], labels);
    assert_eq!(&nodes["spec"]["selector"], labels);
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    // What the daemon is started with, and asked.
    let command = container["command"].as_array().unwrap();
    assert!(command.iter().any(|word| {
        word.as_str()
            .unwrap()
            .contains("exec sipward run /etc/sipward/$(hostname).toml")
    }));
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    let asked = &container["readinessProbe"]["httpGet"]["port"];
    let ports = container["ports"].as_array().unwrap();
    for port in [asked, &phones["spec"]["ports"][0]["targetPort"]] {
        assert!(
            ports.iter().any(|it| &it["containerPort"] == port),
            "{port}"
        );
    }
    // Longer than the daemon takes to stop (`limits.drain`).
    let drain = sipward::topology::Limits::default().drain.as_secs();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > drain);
    // Each volume that is mounted is there.
    let claims = set["spec"]["volumeClaimTemplates"].as_array().unwrap();
    let volumes = pod["volumes"].as_array().unwrap().iter();
    let mut names: Vec<_> = volumes.map(|volume| &volume["name"]).collect();
    names.extend(claims.iter().map(|claim| &claim["metadata"]["name"]));
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(names.contains(&&mount["name"]), "{mount}");
    }
}
