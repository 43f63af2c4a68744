//! The view of recorded readings, drawn into a terminal that is none.
use super::rates::Rates;
use super::reading::DaemonReading;
use super::screen;
use super::view::View;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// When the recorded connections had been open for ten seconds.
const NOW: u64 = 1_795_899_798;

/// Two readings of a daemon that relayed 20 texts between them, and refused one.
fn recorded() -> [DaemonReading; 2] {
    serde_json::from_str(include_str!("recorded.json")).unwrap()
}

/// A view that has taken these.
fn view(readings: impl IntoIterator<Item = DaemonReading>) -> View {
    let mut view = View::default();
    for reading in readings {
        view.take(Ok(Box::new(reading)), NOW);
    }
    view
}

/// What a terminal of this size shows, line by line.
fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| screen::draw(view, NOW, frame))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width.max(1)));
    let lines = lines.map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>());
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// Presses keys: a tab for Tab, `\r` for Enter, `\x1b` for Esc.
fn press(view: &mut View, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\t' => KeyCode::Tab,
            '\r' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            key => KeyCode::Char(key),
        };
        view.press(KeyEvent::new(code, KeyModifiers::NONE));
    }
}

#[test]
fn two_readings_make_rates_and_one_makes_none() {
    let [older, newer] = recorded();
    let rates = Rates::between(Some(&older), &newer);
    assert_eq!(rates.over_ms, Some(1_530));
    let relayed = &rates.directions[0];
    assert_eq!(
        (relayed.direction.as_str(), relayed.kind, relayed.count),
        ("client_to_home", "non_invite", 26)
    );
    let per_s = 20.0 / 1.53;
    assert!((relayed.per_s.unwrap() - per_s).abs() < 1e-9);
    // All 20 took less than a millisecond: the middle of the first bucket.
    assert_eq!(relayed.median_ms, Some(0.5));
    assert!(relayed.p95_ms.unwrap() < 1.0);
    assert!((rates.requests_per_s.unwrap() - 21.0 / 1.53).abs() < 1e-9);
    assert!((rates.refused_per_s.unwrap() - 1.0 / 1.53).abs() < 1e-9);
    let fe01 = rates.peers.iter().find(|it| it.figures.connections == 1);
    assert!((fe01.unwrap().in_per_s.unwrap() - per_s).abs() < 1e-9);
    let alone = Rates::between(None, &newer);
    assert_eq!((alone.over_ms, alone.requests_per_s), (None, None));
    assert!(alone.connections.iter().all(|it| it.in_per_s.is_none()));
    // Then the times are those since the start.
    assert!(alone.directions[0].median_ms.is_some());
}

#[test]
fn another_process_begins_anew_and_no_counter_that_shrinks_makes_a_rate() {
    let [mut older, newer] = recorded();
    for count in &mut older.figures.requests {
        count.count += 1_000;
    }
    for times in &mut older.figures.times {
        times.count += 1_000;
    }
    let shrunk = Rates::between(Some(&older), &newer);
    assert_eq!(shrunk.directions[0].per_s, Some(0.0));
    assert_eq!(shrunk.directions[0].median_ms, None);
    older.figures.pid += 1;
    assert_eq!(Rates::between(Some(&older), &newer).over_ms, None);
}

#[test]
fn a_wide_terminal_shows_the_node_requests_refusals_and_peers() {
    let lines = drawn(&view(recorded()), 120, 30);
    assert_eq!(lines.len(), 30);
    let page = lines.join("\n");
    for part in [
        "edge01.contoso.test  sipward 0.1.0 serves, process ",
        "1 clients  0 calls  1 bindings  0 transactions  13.7 requests/s  0.65 refused/s",
        "REQUESTS",
        "from_not_allowed",
        "3 peers, by state",
        "fe01.contoso.test",
        "edge.fabrikam.test",
        " q  quit",
    ] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    let requests = lines.iter().find(|line| line.starts_with("client_to_home"));
    assert!(requests.unwrap().contains("13.1"), "{page}");
    assert!(requests.unwrap().contains("0.5 ms"), "{page}");
}

#[test]
fn every_size_is_drawn_and_a_narrow_one_cuts_no_number() {
    let mut view = view(recorded());
    for table in 0..3 {
        for width in [1, 2, 7, 20, 40, 80, 200] {
            for height in [1, 2, 3, 5, 12, 19, 20, 50] {
                assert_eq!(drawn(&view, width, height).len(), usize::from(height));
            }
        }
        let lines = drawn(&view, 60, 16);
        if table == 1 {
            let alice = lines.iter().find(|line| line.contains("alice@contoso"));
            assert!(alice.unwrap().starts_with("28674188590"), "{lines:#?}");
        }
        press(&mut view, "\t");
    }
}

#[test]
fn keys_sort_filter_reverse_pause_and_end() {
    let mut view = view(recorded());
    press(&mut view, "\t");
    assert_eq!(view.connections().len(), 2);
    assert_eq!(view.connections()[0].who, "alice@contoso.test");
    press(&mut view, "r");
    assert_eq!(view.connections()[0].who, "fe01.contoso.test");
    press(&mut view, "r/ALI");
    assert_eq!(view.connections().len(), 1, "while it is typed");
    // A q is part of the name that is looked for.
    press(&mut view, "q");
    assert!(view.connections().is_empty() && !view.has_ended);
    press(&mut view, "\u{8}\r");
    assert_eq!(view.connections().len(), 1);
    let page = drawn(&view, 100, 20).join("\n");
    assert!(
        page.contains("1 connection, by messages, with \"ALI\""),
        "{page}"
    );
    press(&mut view, "\u{1b}ss");
    assert_eq!((view.connections().len(), view.order()), (2, "age"));
    press(&mut view, "p");
    let [_, mut next] = recorded();
    next.figures.uptime_ms += 1_000;
    next.figures.clients = 77;
    view.take(Ok(Box::new(next.clone())), NOW);
    let page = drawn(&view, 100, 20).join("\n");
    assert!(
        page.contains("paused") && !page.contains("77 clients"),
        "{page}"
    );
    press(&mut view, "p");
    next.figures.uptime_ms += 1_000;
    view.take(Ok(Box::new(next)), NOW);
    let page = drawn(&view, 100, 20).join("\n");
    assert!(
        page.contains("77 clients") && !page.contains("paused"),
        "{page}"
    );
    // Of the interval behind the pause and not of the pause.
    assert_eq!(view.rates.as_ref().unwrap().over_ms, Some(1_000));
    press(&mut view, "\t\t");
    assert_eq!((view.shown.word(), view.order()), ("peers", "state"));
    press(&mut view, "q");
    assert!(view.has_ended);
}

#[test]
fn a_daemon_that_is_gone_is_said_with_how_old_the_figures_are_and_comes_back() {
    let [older, newer] = recorded();
    let mut view = view([older]);
    view.at = NOW - 65;
    let why = "no daemon answers at /run/sipward/control.sock: Connection refused";
    view.take(Err(why.to_owned()), NOW - 60);
    view.take(Err(why.to_owned()), NOW - 2);
    let page = drawn(&view, 160, 20).join("\n");
    let said = format!("{why} (for 1m; what is below is 1m 5s old; asked again)");
    assert!(page.contains(&said), "{page}");
    assert!(page.contains("alice") || page.contains("fe01"), "{page}");
    view.take(Ok(Box::new(newer)), NOW);
    let page = drawn(&view, 160, 20).join("\n");
    assert!(!page.contains("no daemon answers"), "{page}");
}

#[test]
fn what_a_remote_wrote_is_escaped_in_every_table() {
    let hostile = "a\u{1b}[2J\u{9b}2J\r\n\u{202e}b";
    let readings = recorded().map(|mut reading| {
        reading.clients.rows[0].users = vec![hostile.to_owned()];
        reading.figures.peers.rows[0].peer = hostile.to_owned();
        reading.figures.peers.rows[0].reason = Some(hostile.to_owned());
        reading.figures.refused[0].event = hostile.to_owned();
        reading.figures.node = hostile.to_owned();
        reading
    });
    let mut view = view(readings);
    view.filter = String::new();
    view.take(Err(hostile.to_owned()), NOW);
    for _ in 0..3 {
        let page = drawn(&view, 200, 30).join("");
        assert!(page.contains(r"a\u{1b}[2J"), "{page}");
        let acts = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!page.contains(acts), "{page:?}");
        press(&mut view, "\t");
    }
}

#[test]
fn ten_thousand_rows_are_filtered_and_scrolled() {
    let readings = recorded().map(|mut reading| {
        let row = reading.clients.rows[0].clone();
        reading.clients.rows = (0..10_000)
            .map(|n| {
                let mut row = row.clone();
                row.connection += n;
                row.users = vec![format!("u{n:05}@contoso.test")];
                row
            })
            .collect();
        reading.clients.left_off = 7;
        reading
    });
    let mut view = view(readings);
    press(&mut view, "\t");
    view.scrolled = usize::MAX;
    let page = drawn(&view, 120, 30).join("\n");
    assert!(page.contains("7 more are not read (--limit)"), "{page}");
    assert!(page.contains("10001 connections"), "{page}");
    press(&mut view, "/u09999");
    let page = drawn(&view, 120, 30).join("\n");
    assert!(page.contains("u09999@contoso.test"), "{page}");
}
