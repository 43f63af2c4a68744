//! Draws a view: what the node is on top, requests and refusals below it, then the table that is chosen, and the keys.
//!
//! A terminal may be as small as one cell: what does not fit is left out from the bottom up, and the chosen table goes last.
//!
//! Every cell goes through `plain`, since names of users and what a certificate says come from remotes. A column that does not
//! fit is left out, and no number is cut.
use super::rates::{Rates, RefusalRate};
use super::view::{MainTable, View, latency, rate};
use crate::cli::listing::span;
use crate::cli::output::{counted, listed, plain};
use crate::cli::table::cut;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use unicode_width::UnicodeWidthStr as _;

/// Rows of requests and of refusals that stand above the chosen table.
const ABOVE: u16 = 6;
/// Below this height there is the chosen table alone.
const HIGH: u16 = 20;
/// From this width on requests and refusals stand beside each other.
const WIDE: u16 = 110;
/// No column of text is narrower.
const NARROWEST: usize = 18;

/// A head, and whether the cells below it are numbers.
type Head = (&'static str, bool);

/// A table before it is known how much room there is.
///
/// Not the tables of the other commands: those are written once and cut to the terminal, these have colours and scroll.
struct Grid {
    heads: Vec<Head>,
    rows: Vec<(Vec<String>, Style)>,
}

/// Draws all of it. `now`: Unix seconds.
pub(super) fn draw(view: &View, now: u64, frame: &mut Frame<'_>) {
    let area = frame.area();
    // Decided by the size alone, so that nothing jumps while figures change.
    let is_high = area.height >= HIGH;
    let is_wide = area.width >= WIDE;
    let above = match (is_high, is_wide) {
        (false, _) => 0,
        (true, true) => ABOVE + 1,
        (true, false) => 2 * ABOVE - 2,
    };
    let parts = [
        Constraint::Length(3),
        Constraint::Length(above),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [head, middle, body, keys] = Layout::vertical(parts).areas(area);
    frame.render_widget(Paragraph::new(head_lines(view, now)), head);
    if let Some(rates) = view.rates.as_ref().filter(|_| is_high) {
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        // Beside each other with a gap, or one below the other.
        let [left, right] = match is_wide {
            true => Layout::horizontal(halves).spacing(2).areas(middle),
            false => Layout::vertical(halves).areas(middle),
        };
        requests(rates).draw(0, left, frame);
        let mut lately = refusals(&rates.refusals);
        lately.rows.truncate(usize::from(ABOVE));
        lately.draw(0, right, frame);
    }
    main_table(view, now, body, frame);
    frame.render_widget(Paragraph::new(key_line(view)), keys);
}

/// Three lines: the node, its figures, and what is the matter.
fn head_lines(view: &View, now: u64) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(rates) = &view.rates {
        let state = if rates.draining { "drains" } else { "serves" };
        let (up, node) = (span(rates.up_s), plain(&rates.node));
        let version = plain(&rates.version);
        let (pid, generation) = (rates.pid, rates.generation);
        lines.push(Line::styled(
            format!(
                "{node}  sipward {version} {state}, process {pid}, up {up}, generation {generation}"
            ),
            Modifier::BOLD,
        ));
        lines.push(Line::raw(format!(
            "{} clients  {} calls  {} bindings  {} transactions  {} requests/s  {} refused/s",
            rates.clients,
            rates.calls,
            rates.bindings,
            rates.transactions,
            rate(rates.requests_per_s),
            rate(rates.refused_per_s),
        )));
    } else {
        lines.extend([Line::raw("asks the daemon"), Line::raw("")]);
    }
    lines.push(matter(view, now));
    lines
}

/// What an operator must not overlook; nothing if all is well.
///
/// A line of its own that is always there, so that the tables do not move when something happens.
fn matter(view: &View, now: u64) -> Line<'static> {
    let red = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    if let Some(gone) = &view.gone {
        let (why, for_time) = (plain(&gone.why), span(now.saturating_sub(gone.since)));
        let old = span(now.saturating_sub(view.at));
        // The reason first: it is what is cut last.
        return Line::styled(
            format!("{why} (for {for_time}; what is below is {old} old; asked again)"),
            red,
        );
    }
    let mut said = Vec::new();
    if view.is_paused {
        said.push("paused".to_owned());
    }
    if let Some(rates) = &view.rates {
        if !rates.silent.is_empty() {
            let silent = listed(&rates.silent);
            said.push(format!("shards that do not answer: {silent}"));
        }
        if rates.log_lost > 0 {
            said.push(format!("{} log lines lost", rates.log_lost));
        }
    }
    Line::styled(said.join("; "), red)
}

/// By direction and kind, as many as there is room for; `--once` prints all.
fn requests(rates: &Rates) -> Grid {
    let mut grid = Grid::new(&[
        ("REQUESTS", false),
        ("PER S", true),
        ("MEDIAN", true),
        ("95%", true),
        ("FAILED/S", true),
        ("COUNT", true),
    ]);
    for it in rates.directions.iter().take(usize::from(ABOVE)) {
        let kind = if it.kind == "invite" { " INVITE" } else { "" };
        let has_failed = it.failed_per_s.is_some_and(|rate| rate > 0.0);
        let cells = [
            format!("{}{kind}", it.direction),
            rate(it.per_s),
            latency(it.median_ms),
            latency(it.p95_ms),
            rate(it.failed_per_s),
            it.count.to_string(),
        ];
        grid.row(cells, has_failed.then_some(Color::Yellow));
    }
    grid
}

/// By reason. What is refused right now is seen at once, and what was refused long ago still stands below.
fn refusals<'r>(rows: impl IntoIterator<Item = &'r RefusalRate>) -> Grid {
    let mut grid = Grid::new(&[
        ("REFUSED", false),
        ("PER S", true),
        ("COUNT", true),
        ("EVENT", false),
    ]);
    for it in rows {
        let is_now = it.per_s.is_some_and(|rate| rate > 0.0);
        let cells = [
            it.reason.clone(),
            rate(it.per_s),
            it.count.to_string(),
            it.event.clone(),
        ];
        grid.row(cells, is_now.then_some(Color::Yellow));
    }
    grid
}

/// The chosen table, below a line that says what it is.
fn main_table(view: &View, now: u64, area: Rect, frame: &mut Frame<'_>) {
    let (grid, left_off) = match view.shown {
        MainTable::Peers => peers(view),
        MainTable::Connections => connections(view, now),
        MainTable::Refusals => (refusals(view.refusals()), 0),
    };
    let [title, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    // How many there are, in which order: of a filter it is seen what it leaves.
    let mut said = format!(
        "{}, by {}{}",
        counted(grid.rows.len(), view.shown.word().trim_end_matches('s')),
        view.order(),
        if view.is_reversed { " reversed" } else { "" }
    );
    if !view.filter.is_empty() {
        said += &format!(", with \"{}\"", plain(&view.filter));
    }
    if left_off > 0 {
        said += &format!(", {left_off} more are not read (--limit)");
    }
    let style = Style::new().fg(Color::Cyan);
    frame.render_widget(Paragraph::new(Line::styled(said, style)), title);
    // A reading may have fewer rows than the one before.
    let scrolled = view.scrolled.min(grid.rows.len().saturating_sub(1));
    grid.draw(scrolled, body, frame);
}

/// Red is what takes nothing; yellow what has no connection, which may only mean that nothing was sent to it yet.
fn peers(view: &View) -> (Grid, usize) {
    let mut grid = Grid::new(&[
        ("PEER", false),
        ("STATE", false),
        ("IN/S", true),
        ("OUT/S", true),
        ("IN FLIGHT", true),
        ("CONNECTIONS", true),
        ("SINCE", false),
        ("KIND", false),
        ("WHY", false),
    ]);
    for it in view.peers() {
        let of = &it.figures;
        let color = match (of.state.as_str(), of.connections) {
            ("up", 0) => Some(Color::Yellow),
            ("up", _) => None,
            _ => Some(Color::Red),
        };
        let cells = [
            of.peer.clone(),
            of.state.clone(),
            rate(it.in_per_s),
            rate(it.out_per_s),
            of.in_flight.to_string(),
            of.connections.to_string(),
            of.since_s.map_or_else(|| "start".to_owned(), span),
            of.kind.clone(),
            of.reason.clone().unwrap_or_default(),
        ];
        grid.row(cells, color);
    }
    let left_off = view.rates.as_ref().map_or(0, |it| it.peers_left_off);
    (grid, left_off)
}

/// Number, who and from where come first: the last columns are those that a narrow terminal does not show.
fn connections(view: &View, now: u64) -> (Grid, usize) {
    let mut grid = Grid::new(&[
        ("NUMBER", true),
        ("WHO", false),
        ("ADDRESS", false),
        ("IN/S", true),
        ("OUT/S", true),
        ("QUEUED", true),
        ("OPEN", false),
        ("MESSAGES", true),
        ("THROUGH", false),
    ]);
    for it in view.connections() {
        let state = if it.withdrawn { " (withdrawn)" } else { "" };
        let cells = [
            it.connection.to_string(),
            format!("{}{state}", it.who),
            it.remote.clone(),
            rate(it.in_per_s),
            rate(it.out_per_s),
            it.queued.to_string(),
            span(now.saturating_sub(it.since)),
            it.messages.to_string(),
            it.through.clone(),
        ];
        grid.row(cells, it.withdrawn.then_some(Color::Red));
    }
    let left_off = view.rates.as_ref().map_or(0, |it| it.connections_left_off);
    (grid, left_off)
}

/// The keys, or the filter while it is written.
///
/// All of them, always: nobody reads a manual while something is wrong.
fn key_line(view: &View) -> Line<'static> {
    // The cursor is hidden: a mark stands for it.
    if view.is_typing {
        let filter = plain(&view.filter);
        return Line::raw(format!("filter: {filter}_  (Enter keeps it, Esc drops it)"));
    }
    let keys = [
        ("q", "quit"),
        ("Tab", "table"),
        ("s", "sort"),
        ("r", "reverse"),
        ("/", "filter"),
        ("p", "pause"),
    ];
    let spans = keys.into_iter().flat_map(|(key, what)| {
        let bold = Style::new().add_modifier(Modifier::REVERSED);
        [
            Span::styled(format!(" {key} "), bold),
            Span::raw(format!(" {what}  ")),
        ]
    });
    Line::from(spans.collect::<Vec<_>>())
}

impl Grid {
    /// Without rows.
    fn new(heads: &[Head]) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One row more, of a colour that says something.
    fn row<const N: usize>(&mut self, cells: [String; N], color: Option<Color>) {
        // Here and nowhere else: no table can forget it.
        let cells = cells.iter().map(|cell| plain(cell)).collect();
        let style = color.map_or(Style::new(), |color| Style::new().fg(color));
        self.rows.push((cells, style));
    }

    /// As much of it as there is room for, from this row on.
    fn draw(self, from: usize, area: Rect, frame: &mut Frame<'_>) {
        let shown = usize::from(area.height).saturating_sub(1);
        let rows: Vec<_> = self.rows.into_iter().skip(from).take(shown).collect();
        // Of the rows that are shown: a long name far below makes no column wide.
        let widest = |(at, (head, _)): (usize, &Head)| {
            let cells = rows.iter().filter_map(|(cells, _)| cells.get(at));
            cells
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
                .max(head.width())
        };
        let widths: Vec<usize> = self.heads.iter().enumerate().map(widest).collect();
        let widths = fitting(&self.heads, widths, usize::from(area.width));
        // Numbers end at one edge, so that a larger one is seen at once.
        let aligned = |text: String, is_number: bool| match is_number {
            true => Cell::from(Text::from(text).right_aligned()),
            false => Cell::from(text),
        };
        let heads = self.heads.iter().zip(&widths);
        let constraints = widths.iter().map(|width| {
            let width = u16::try_from(*width).unwrap_or(u16::MAX);
            Constraint::Length(width)
        });
        let head = heads.clone();
        let head = head.map(|((head, is_number), _)| aligned((*head).to_owned(), *is_number));
        let head = Row::new(head).style(Modifier::UNDERLINED);
        let rows = rows.into_iter().map(|(cells, style)| {
            let cells = cells.into_iter().zip(heads.clone());
            let cells = cells
                .map(|(cell, ((_, is_number), width))| aligned(cut(&cell, *width), *is_number));
            Row::new(cells.collect::<Vec<_>>()).style(style)
        });
        let table = Table::new(rows.collect::<Vec<_>>(), constraints).header(head);
        frame.render_widget(table.column_spacing(2), area);
    }
}

/// How wide each column is that there is room for. What is too wide in all is taken from the widest column of text; if that
/// does not do, the last columns are left out.
fn fitting(heads: &[Head], mut widths: Vec<usize>, room: usize) -> Vec<usize> {
    loop {
        let gaps = 2 * widths.len().saturating_sub(1);
        if widths.iter().sum::<usize>() + gaps <= room {
            return widths;
        }
        let columns = widths.iter_mut().zip(heads);
        let texts = columns.filter(|(width, (_, is_number))| !is_number && **width > NARROWEST);
        if let Some((widest, _)) = texts.max_by_key(|(width, _)| **width) {
            *widest -= 1;
            continue;
        }
        widths.pop();
        // One column is always there, whatever is left of it.
        if widths.is_empty() {
            return vec![room];
        }
    }
}
