//! Files that import each other in circles: the strongly connected parts of the graph of imports (Tarjan).

use crate::imports::Modules;
use crate::sources::Crate;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Files of which each is reached from each other one.
pub(crate) struct Circle {
    pub(crate) files: Vec<String>,
    arrows: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a circle of {} files:\n  {}",
            self.files.len(),
            self.arrows.join("\n  ")
        )
    }
}

type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The circles of a crate.
pub(crate) fn circles(krate: &Crate) -> Vec<Circle> {
    let graph = graph(krate);
    let mut search = Search {
        graph: &graph,
        order: BTreeMap::new(),
        low: BTreeMap::new(),
        stack: vec![],
        parts: vec![],
    };
    for file in graph.keys() {
        if !search.order.contains_key(file.as_str()) {
            search.visit(file);
        }
    }
    search
        .parts
        .into_iter()
        .filter(|it| it.len() > 1)
        .map(|files| describe(&graph, &files))
        .collect()
}

/// Which file uses which, and by what names.
fn graph(krate: &Crate) -> Graph {
    let modules = Modules::of(krate);
    let mut graph = Graph::new();
    for file in krate.shipped() {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in modules.paths(file) {
            for target in modules.used(&path, file) {
                if target.path != file.path && !target.test {
                    let names = used.entry(target.path.clone()).or_default();
                    names.insert(path.last().cloned().unwrap_or_default());
                }
            }
        }
        graph.insert(file.path.clone(), used);
    }
    graph
}

fn describe(graph: &Graph, files: &[&str]) -> Circle {
    let mut files: Vec<String> = files.iter().map(|it| (*it).to_owned()).collect();
    files.sort();
    let mut arrows = Vec::new();
    for file in &files {
        for (target, names) in &graph[file] {
            if files.contains(target) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                arrows.push(format!("{file} -> {target}: {}", names.join(", ")));
            }
        }
    }
    Circle { files, arrows }
}

struct Search<'g> {
    graph: &'g Graph,
    order: BTreeMap<&'g str, usize>,
    low: BTreeMap<&'g str, usize>,
    stack: Vec<&'g str>,
    parts: Vec<Vec<&'g str>>,
}

impl<'g> Search<'g> {
    fn visit(&mut self, file: &'g str) {
        let number = self.order.len();
        self.order.insert(file, number);
        self.low.insert(file, number);
        self.stack.push(file);
        for target in self.graph[file].keys() {
            if !self.graph.contains_key(target) {
                continue;
            }
            if !self.order.contains_key(target.as_str()) {
                self.visit(target);
                self.lower(file, self.low[target.as_str()]);
            } else if self.stack.contains(&target.as_str()) {
                self.lower(file, self.order[target.as_str()]);
            }
        }
        if self.low[file] == number {
            let at = self.stack.iter().position(|it| *it == file).unwrap();
            self.parts.push(self.stack.split_off(at));
        }
    }

    fn lower(&mut self, file: &'g str, to: usize) {
        let low = self.low.get_mut(file).unwrap();
        *low = (*low).min(to);
    }
}
