//! The live terminal view: symbols, signals, positions, stops, money, margin, alerts. Reads the board, changes nothing.

use super::board::{AccountBoard, Board, SharedBoard};
use anyhow::{Context, Result};
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use helios_core::messages::{AccountSnapshot, LadderLevel, Severity, WorkerReport};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, Wrap};
use ratatui::{DefaultTerminal, Frame};
use rust_decimal::Decimal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Wall time between frames.
const FRAME: Duration = Duration::from_millis(200);

/// The view, if there is one.
pub struct View {
    quit: Arc<Notify>,
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl View {
    /// Takes the terminal over where there is one. Drawing has its own thread: a slow terminal holds nothing up.
    ///
    /// # Errors
    /// The terminal can't be used: run with `--plain`.
    pub fn start(on_terminal: bool, board: &SharedBoard) -> Result<Self> {
        let (quit, end) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let mut view = Self {
            quit: quit.clone(),
            end: end.clone(),
            thread: None,
        };
        if on_terminal {
            let terminal =
                ratatui::try_init().context("this terminal can't be drawn on: run with --plain")?;
            let board = board.clone();
            view.thread = Some(std::thread::spawn(move || {
                draw_until(terminal, &board, &quit, &end)
            }));
        }
        Ok(view)
    }

    /// Resolves when the person asks to leave (q, or Ctrl-C which a raw terminal hands on as a key).
    pub async fn quit(&self) {
        self.quit.notified().await;
    }

    /// Gives the terminal back.
    pub fn stop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
            ratatui::restore();
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.stop();
    }
}

fn draw_until(mut terminal: DefaultTerminal, board: &SharedBoard, quit: &Notify, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        let now = board.lock().clone();
        if terminal.draw(|f| draw(f, &now)).is_err() {
            return;
        }
        if event::poll(FRAME).unwrap_or(false)
            && let Ok(Event::Key(k)) = event::read()
            && (k.code == KeyCode::Char('q')
                || (k.code == KeyCode::Char('c') && k.modifiers.contains(KeyModifiers::CONTROL)))
        {
            quit.notify_one();
        }
    }
}

fn draw(f: &mut Frame<'_>, board: &Board) {
    let alerts = 8.min(board.alerts.len() as u16 + 2).max(3);
    let problem = if board.manifest_problem.is_empty() {
        0
    } else {
        4
    };
    let mut rows = vec![];
    for a in board.accounts.values() {
        rows.push(Constraint::Length(4));
        rows.push(Constraint::Min(a.reports.len() as u16 + 3));
    }
    rows.extend([
        Constraint::Length(problem),
        Constraint::Length(alerts),
        Constraint::Length(1),
    ]);
    let areas = Layout::vertical(rows).split(f.area());
    let mut area = areas.iter().copied();
    for (name, a) in &board.accounts {
        if let (Some(head), Some(body)) = (area.next(), area.next()) {
            f.render_widget(header(name, a), head);
            f.render_widget(symbols(a), body);
        }
    }
    if let (Some(p), Some(al), Some(foot)) = (area.next(), area.next(), area.next()) {
        let text = Paragraph::new(board.manifest_problem.as_str())
            .wrap(Wrap { trim: false })
            .style(Style::new().fg(Color::Red));
        f.render_widget(
            text.block(Block::bordered().title(" the edit is not used ")),
            p,
        );
        f.render_widget(alert_lines(board, alerts), al);
        f.render_widget(
            Line::from(
                " q or Ctrl-C: leave as onDelete says · logs/helios.log · helios kill | release ",
            )
            .dim(),
            foot,
        );
    }
}

fn header(name: &str, a: &AccountBoard) -> Paragraph<'static> {
    let mut first = vec![
        Span::from(format!(" {name} ")).bold(),
        Span::from(a.label.clone()).yellow(),
    ];
    if let Some(m) = &a.market {
        first.push(Span::from(format!(
            "  speed {:.0} (reached {:.1})  {} market",
            m.speed,
            m.achieved_speed,
            clock(m.market_elapsed_ms)
        )));
    } else {
        first.push(Span::from("  market time has not started").dim());
    }
    // Before the first read an account has no equity and no margin: that is no warning.
    let read = |s: &&AccountSnapshot| s.known || !s.equity.is_zero();
    let second = a.snapshot.as_ref().filter(read).map_or_else(
        || Line::from(" no account picture yet").dim(),
        |s| {
            let style = match s.level {
                LadderLevel::Normal => Style::new().fg(Color::Green),
                LadderLevel::Warning => Style::new().fg(Color::Yellow),
                _ => Style::new().fg(Color::Red),
            };
            let halted = if s.halted { "  HALTED" } else { "" };
            Line::from(vec![
                Span::from(format!(
                    " equity {:.2}  exposure {:.0}  margin ratio {:.1} %  ",
                    s.equity, s.gross_notional, s.margin_ratio
                )),
                Span::styled(format!("{:?}{halted}", s.level), style),
                Span::from(format!("  {}", s.latches.join(" "))).red(),
            ])
        },
    );
    Paragraph::new(vec![Line::from(first), second]).block(Block::bordered().title(" helios up "))
}

fn symbols(a: &AccountBoard) -> Table<'static> {
    let head = [
        "symbol",
        "mid",
        "NOBI",
        "regime",
        "position",
        "entry",
        "stop",
        "unrealised",
        "net PnL",
        "trips",
        "state",
    ];
    let rows = a.reports.values().map(row);
    let widths = [13, 12, 7, 9, 12, 12, 12, 11, 11, 6, 40].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(head).style(Style::new().bold()))
        .block(Block::bordered())
}

fn row(r: &WorkerReport) -> Row<'static> {
    let v = &r.view;
    let number = |d: Option<Decimal>| d.map_or_else(|| "–".into(), |d| d.normalize().to_string());
    let state = if !v.book_synced {
        "book not synced".into()
    } else if v.position.is_zero() {
        v.reason.clone().unwrap_or_else(|| {
            if v.granted {
                "ready".into()
            } else {
                "no grant".into()
            }
        })
    } else if v.anchor_confirmed {
        "stop confirmed".into()
    } else {
        "STOP NOT CONFIRMED".to_string()
    };
    let side = match v.position {
        p if p > Decimal::ZERO => Color::Green,
        p if p < Decimal::ZERO => Color::Red,
        _ => Color::Reset,
    };
    Row::new(vec![
        Cell::from(r.symbol.clone()),
        Cell::from(number(v.mid.map(|m| m.round_dp(5)))),
        Cell::from(v.nobi.map_or_else(|| "–".into(), |n| format!("{n:+.2}"))),
        Cell::from(v.regime.map_or_else(|| "–".into(), |g| format!("{g:?}"))),
        Cell::from(number((!v.position.is_zero()).then_some(v.position)))
            .style(Style::new().fg(side)),
        Cell::from(number(v.entry_price.map(|m| m.round_dp(5)))),
        Cell::from(number(v.stop)),
        Cell::from(format!("{:.2}", v.unrealised)),
        Cell::from(format!("{:.2}", v.realised_net)),
        Cell::from(v.round_trips.to_string()),
        Cell::from(state),
    ])
}

fn alert_lines(board: &Board, height: u16) -> Paragraph<'static> {
    let newest = board
        .alerts
        .iter()
        .rev()
        .take(height.saturating_sub(2).into());
    let lines: Vec<Line<'static>> = newest
        .map(|a| {
            let colour = match a.severity {
                Severity::Info => Color::Reset,
                Severity::Warning => Color::Yellow,
                Severity::Critical => Color::Red,
            };
            let symbol = a.symbol.as_deref().unwrap_or("account");
            Line::styled(
                format!(" {} {symbol}: {}", a.code, a.text),
                Style::new().fg(colour),
            )
        })
        .collect();
    Paragraph::new(lines).block(Block::bordered().title(" alerts, newest first "))
}

fn clock(ms: i64) -> String {
    let s = ms / 1000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}
