//! The documentation: every page is found, every link leads somewhere, every topology in it is good, every command runs.
use crate::harness::http::program;
use crate::harness::{SOON, World};
use sipward::cli::check::CheckCommand;
use sipward_lab::End;
use sipward_lab::pki::{LeafSpec, now};
use sipward_lab::site::{EDGE, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use toml::{Table, Value};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of docs/, and those beside it that a reader begins with.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec!["README.md".into(), "certs/README.md".into()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(repository().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if repository().join(&path).is_dir() {
                folders.push(path);
            } else {
                pages.push(path);
            }
        }
    }
    pages
}

fn read(page: &Path) -> String {
    fs::read_to_string(repository().join(page)).unwrap()
}

/// The fenced blocks of a page in this language, with the line that each begins at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<OpenBlock> = None;
    for (index, line) in text.lines().enumerate() {
        // A block within a list is indented.
        let within = line.strip_prefix("   ").unwrap_or(line);
        match (&mut open, within.strip_prefix("```")) {
            (None, Some(named)) => {
                open = Some(OpenBlock {
                    at: index + 2,
                    is_wanted: named == language,
                    is_indented: within.len() < line.len(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => {
                if let Some(block) = open.take().filter(|block| block.is_wanted) {
                    blocks.push((block.at, block.text));
                }
            }
            (Some(block), None) => {
                block
                    .text
                    .push_str(if block.is_indented { within } else { line });
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block does not end");
    blocks
}

/// A block whose end has not come yet.
struct OpenBlock {
    /// Its first line.
    at: usize,
    is_wanted: bool,
    is_indented: bool,
    text: String,
}

/// What is between `](` and `)`, outside of code.
fn links(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    let outside = outside.flat_map(|part| part.split('`').step_by(2));
    // A label may be code itself: what follows it begins with its end.
    outside
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect()
}

/// The anchors of a page as browsers of its source make them: the words of its headings, and those set by hand.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then_some(heading.trim())
    });
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    let mut anchors: BTreeSet<String> = headings
        .map(|h| h.to_lowercase().chars().filter(kept).collect::<String>())
        .map(|h| h.replace(' ', "-"))
        .collect();
    let by_hand = text.split("<a id=\"").skip(1);
    anchors.extend(by_hand.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    anchors
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let summary = read(Path::new("docs/SUMMARY.md"));
    for page in pages() {
        let within = page.strip_prefix("docs").ok();
        if let Some(within) = within.filter(|p| *p != Path::new("SUMMARY.md")) {
            let entry = format!("]({})", within.display());
            assert!(
                summary.contains(&entry),
                "{} is not in SUMMARY.md",
                page.display()
            );
        }
        let text = read(&page);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let at = repository().join(&target);
            assert!(at.exists(), "{}: no {link}", page.display());
            assert!(
                anchor.is_empty() || anchors(&read(&target)).contains(anchor),
                "{}: no heading for {link}",
                page.display()
            );
        }
    }
}

/// What a part of a topology in the docs is added to, and the files that it may name.
struct Whole {
    site: Site,
    text: Table,
}

impl Whole {
    fn new() -> Self {
        let site = Site::new().unwrap();
        fs::create_dir(site.path().join("certs")).unwrap();
        let spec = LeafSpec {
            dns: [EDGE, "sip.contoso.test", "contoso.test"]
                .map(str::to_owned)
                .to_vec(),
            not_after: 90 * 86_400,
            ..LeafSpec::server(EDGE)
        };
        let edge = site.enterprise.issue(&spec).unwrap();
        let partner = site.fabrikam.server("edge.fabrikam.test").unwrap();
        let day = Duration::from_secs(86_400);
        for (ca, name) in [
            (&site.enterprise, "enterprise-ca"),
            (&site.fabrikam, "fabrikam-ca"),
        ] {
            let put = |file: String, text: &str| site.write(&file, text).unwrap();
            put(format!("certs/{name}.pem"), &ca.certificate_pem());
            let crl = ca.crl_pem(&[], day).unwrap();
            put(format!("certs/{name}.crl.pem"), &crl);
        }
        let keys = format!("1 {}\n", "5a".repeat(32));
        let password = "of a test\n".to_owned();
        for (file, text) in [
            ("certs/edge.chain.pem", &edge.chain_pem),
            ("certs/edge.key.pem", &edge.key_pem),
            ("certs/fabrikam-edge.pem", &partner.chain_pem),
            ("certs/tokens", &keys),
            ("tokens.key", &keys),
            ("token.keys", &keys),
            ("hep.password", &password),
        ] {
            site.write(file, text).unwrap();
        }
        let text = read(Path::new("config/edge.toml")).parse().unwrap();
        Self { site, text }
    }

    /// Checks a block as it stands if it is a whole topology, else what it changes or adds in the whole one.
    fn check(&self, block: &str) -> Result<(), String> {
        let part: Table = block.parse().map_err(|e: toml::de::Error| e.to_string())?;
        let text = if part.contains_key("node") && part.contains_key("identity") {
            block.to_owned()
        } else {
            let mut whole = self.text.clone();
            add(&mut whole, part);
            toml::to_string(&whole).unwrap()
        };
        let file = self.site.write("topology.toml", &text).unwrap();
        let check = CheckCommand {
            file,
            // Nobody's daemon is asked.
            socket: Some(self.site.path().join("nobody.sock")),
            user: None,
            json: false,
        };
        let mut page = Vec::new();
        match check.run(now(), &mut page).unwrap() {
            true => Ok(()),
            false => Err(format!("{}\n{text}", String::from_utf8_lossy(&page))),
        }
    }
}

/// A table's keys take the place of those that are there. An entry of a list of tables is the one of its name; without a
/// name it is the first.
fn add(whole: &mut Table, part: Table) {
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(new)) => add(there, new),
            // They have no names, and none takes another's place.
            (Some(Value::Array(there)), Value::Array(new)) if key == "expect" => there.extend(new),
            (Some(Value::Array(there)), Value::Array(new)) if new.iter().all(Value::is_table) => {
                for entry in new {
                    let Value::Table(entry) = entry else { continue };
                    let name = |t: &Table| t.get("name").or_else(|| t.get("fqdn")).cloned();
                    let named = name(&entry);
                    let same = there.iter_mut().filter_map(Value::as_table_mut);
                    let same = same
                        .into_iter()
                        .find(|old| named.is_none() || name(old) == named);
                    match same {
                        Some(old) => add(old, entry),
                        None => there.push(Value::Table(entry)),
                    }
                }
            }
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

#[test]
fn every_topology_in_the_docs_is_good_by_check() {
    let whole = Whole::new();
    let mut good = 0;
    for page in pages() {
        for (line, block) in blocks(&read(&page), "toml") {
            if let Err(why) = whole.check(&block) {
                panic!("{}:{line}: {why}", page.display());
            }
            good += 1;
        }
    }
    assert!(good >= 8, "only {good} found");
}

/// The words of each command of ours in a line, without its comment.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" # ").next().unwrap().split("  #").next();
    let parts = line.into_iter().flat_map(|it| it.split(['|', '&', '>']));
    let ours = parts.filter_map(|part| {
        let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
        let (program, arguments) = words.split_first()?;
        let is_ours = ["sipward", "target/release/sipward"].contains(&program.as_str());
        is_ours.then(|| arguments.to_vec())
    });
    ours.collect()
}

/// What would take the daemon away, or needs a build of its own: tests of their own run these.
const ELSEWHERE: &[&str] = &["run", "upgrade", "demo", "top"];

/// The files with this ending below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// A daemon at the default place of its control socket would be in the way of the machine's own, and take its commands.
#[test]
fn whoever_starts_a_daemon_in_a_test_or_bench_names_its_runtime_directory() {
    let mut files = Vec::new();
    for folder in ["tests", "benches"] {
        sources(&repository().join(folder), &mut files);
    }
    let (mut starts, word) = (0, "run");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let is_start = [format!(".arg(\"{word}\")"), format!("([\"{word}\", ")];
        // `Service::spawn` of tests/service names one for its callers.
        let has_place = ["RUNTIME_DIRECTORY", "Service::spawn("];
        if is_start.iter().any(|it| text.contains(it)) {
            assert!(
                has_place.iter().any(|it| text.contains(it)),
                "{}",
                file.display()
            );
            starts += 1;
        }
    }
    assert!(starts > 5, "only {starts} found");
}

/// What a command prints of itself.
fn help(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Commands with further words behind them.
const WITH_ACTIONS: &[&str] = &["deny", "crls"];

#[test]
fn every_command_and_option_that_a_sentence_of_the_docs_names_is_one() {
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let mut known: BTreeMap<Vec<String>, String> = BTreeMap::new();
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        let outside: String = text.split("```").step_by(2).collect();
        for code in outside.split('`').skip(1).step_by(2) {
            let mut words = code.split_whitespace();
            if words.next() != Some("sipward") {
                continue;
            }
            let Some(command) = words.next().filter(is_word) else {
                continue;
            };
            let mut asked = vec![command.to_owned()];
            let action = words.next().filter(is_word);
            asked.extend(
                action
                    .filter(|_| WITH_ACTIONS.contains(&command))
                    .map(str::to_owned),
            );
            let said = known.entry(asked.clone()).or_insert_with(|| {
                let words: Vec<&str> = asked.iter().map(String::as_str).collect();
                let (status, said) = help(&words);
                assert_eq!(status, Some(0), "{}: {code}", page.display());
                said
            });
            let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
            for option in code
                .split(|c| !is_part(c))
                .filter(|it| it.starts_with("--"))
            {
                assert!(
                    said.contains(option),
                    "{}: {code}: no {option}",
                    page.display()
                );
            }
            named += 1;
        }
    }
    assert!(named > 100, "only {named} found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_in_the_docs_runs() {
    let world = World::new().await;
    for server in [&world.fe01, &world.partner] {
        let end: End = (**server).clone();
        tokio::spawn(async move {
            while let Ok(ping) = end.expect("OPTIONS").await {
                let _sent = end.reply(&ping, 200).await;
            }
        });
    }
    let site = &world.lab.site;
    let partner = site.fabrikam.server("edge.fabrikam.test").unwrap();
    site.write("fabrikam-edge.pem", &partner.chain_pem).unwrap();
    let log = world.edge.log.up_to("ready", |_| true).await.unwrap();
    let log = site.write("sipward.log", &log.to_text()).unwrap();
    let mut ran = BTreeSet::new();
    for page in pages() {
        for (line, block) in blocks(&read(&page), "sh") {
            for arguments in block.lines().flat_map(commands) {
                let at = format!("{}:{line}: {arguments:?}", page.display());
                let command = arguments.first().expect(&at).clone();
                let is_elsewhere = ELSEWHERE.contains(&command.as_str());
                if is_elsewhere || arguments == ["drain"] {
                    // Read as it stands, and then not carried out.
                    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
                    let (code, said) = help(&words);
                    assert_eq!(code, Some(0), "{at}: {said}");
                    continue;
                }
                let mut run = Command::new(env!("CARGO_BIN_EXE_sipward"));
                run.args(here(&arguments, &world, line));
                let output = run
                    .current_dir(site.path())
                    .env("RUNTIME_DIRECTORY", site.path())
                    // For what reads the log of another program.
                    .stdin(File::open(&log).unwrap())
                    .output()
                    .unwrap();
                // 1 is an answer as well: there is no such connection, this certificate is refused.
                let told = String::from_utf8_lossy(&output.stderr);
                let answered = matches!(output.status.code(), Some(0 | 1));
                assert!(answered, "{at}: {:?} {told}", output.status);
                ran.insert(command);
            }
        }
    }
    for command in [
        "check",
        "status",
        "connections",
        "probe",
        "explain",
        "plan",
        "init",
        "trace",
        "ladder",
        "drain",
    ] {
        assert!(ran.contains(command), "{ran:?}");
    }
    world.stop().await;
}

/// A command of the docs with what there is here in place of what the page names.
fn here(arguments: &[String], world: &World, line: usize) -> Vec<String> {
    let site = world.lab.site.path();
    let at = |name: &str| site.join(name).display().to_string();
    let command = arguments.first().map_or("", String::as_str);
    let partner = world.partner.address().to_string();
    let unlisted = |word: &String| word.starts_with("edge.fabrikam.test:");
    let is_newcomer = command == "probe" && arguments.get(1).is_some_and(unlisted);
    let mut words: Vec<String> = arguments
        .iter()
        .map(|word| match word.as_str() {
            // A server that is not in the file yet, whose name no name server knows here.
            name if is_newcomer && unlisted(word) => name.replace("edge.fabrikam", "edge.new"),
            "/etc/sipward/topology.toml" | "/tmp/lab/topology.toml" => at("topology.toml"),
            "/etc/sipward" => at(&format!("init-{line}")),
            "/var/log/sipward.log" | "/var/log/sipward/sipward.log" => at("sipward.log"),
            word => word.to_owned(),
        })
        .collect();
    // Its default is the file of a service, where the page names none.
    if command == "probe" && !words.iter().any(|it| it == "--config") {
        words.extend(["--config".to_owned(), at("topology.toml")]);
    }
    if is_newcomer {
        words.extend(["--address".to_owned(), partner]);
    }
    if command == "trace" {
        // Nothing passes here, and nobody waits for it.
        if let Some(at) = words.iter().position(|it| it == "--for") {
            words.drain(at..at + 2);
        }
        words.extend(["--for".to_owned(), "1s".to_owned()]);
    }
    words
}

/// A shell that reads this and does nothing of it.
fn is_shell(block: &str) -> Result<(), String> {
    let output = Command::new("sh").args(["-n", "-c", block]).output();
    let output = output.unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What jq is given: its options, and the program in quotes.
fn jq_programs(block: &str) -> Vec<(&str, &str)> {
    let after = block.split("| jq ").skip(1);
    let quoted = after.filter_map(|rest| {
        let mut parts = rest.split('\'');
        Some((parts.next()?.trim(), parts.next()?))
    });
    quoted.collect()
}

/// What Python thinks of a block: nothing, if it is good.
fn python(program: &str, block: &str) -> String {
    let mut python = Command::new("python3");
    let python = python.args(["-c", program, block]);
    let output = python.output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Settings for Loki, Prometheus and Kubernetes are YAML, those of FreeSWITCH parts of XML.
#[test]
fn settings_of_other_programs_in_the_docs_can_be_read() {
    if program("python3").is_none() || !python("import yaml", "").is_empty() {
        eprintln!("SKIPPED: python3 or its yaml is not installed");
        return;
    }
    let yaml = "import sys, yaml; [yaml.safe_load(sys.argv[1])]";
    let xml =
        "import sys, xml.dom.minidom as dom; dom.parseString('<all>' + sys.argv[1] + '</all>')";
    let mut read_so_far = 0;
    for page in pages() {
        for (language, program) in [("yaml", yaml), ("xml", xml)] {
            for (line, block) in blocks(&read(&page), language) {
                let said = python(program, &block);
                assert!(said.is_empty(), "{}:{line}: {said}", page.display());
                read_so_far += 1;
            }
        }
    }
    assert!(read_so_far >= 5, "only {read_so_far} found");
}

/// Of other programs what can be tried here: shells read each block, jq takes each of its programs and finds what it looks for,
/// and openssl does as it is told.
#[tokio::test]
async fn what_the_docs_give_to_other_programs_is_taken_by_them() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
    world.logged("call_ended", |_| true).await;
    let rogue = world.lab.home("rogue").await;
    if let Ok(wire) = rogue.dial(world.edge.address, EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    let log = world.edge.log.up_to("handshake_refused", |_| true).await;
    let text = log.unwrap().to_text();
    let log = world.lab.site.write("sipward.log", &text).unwrap();
    let (jq, openssl) = (program("jq"), program("openssl"));
    let (mut filtered, mut made) = (0, 0);
    for page in pages() {
        for (line, block) in blocks(&read(&page), "sh") {
            let at = format!("{}:{line}", page.display());
            if let Err(why) = is_shell(&block) {
                panic!("{at}: {why}");
            }
            for (options, filter) in jq_programs(&block) {
                let Some(jq) = &jq else { continue };
                let input = File::open(&log).unwrap();
                let run = Command::new(jq)
                    .args([options, filter])
                    .stdin(input)
                    .output();
                let output = run.unwrap();
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{at}: {filter}: {told}");
                let found = String::from_utf8(output.stdout).unwrap();
                let is_there = !filter.contains(".event ==") || !found.is_empty();
                assert!(is_there, "{at}: {filter}");
                filtered += 1;
            }
            for command in block.lines().filter(|it| it.starts_with("openssl ")) {
                let Some(_openssl) = &openssl else { continue };
                let mut sh = Command::new("sh");
                let sh = sh.args(["-c", command]).current_dir(world.lab.site.path());
                let output = sh.stdin(Stdio::null()).output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{at}: {command}: {told}");
                made += 1;
            }
        }
    }
    assert!(jq.is_none() || filtered >= 4, "only {filtered} found");
    assert!(openssl.is_none() || made >= 1, "only {made} found");
    world.stop().await;
}
