//! Lines of a recording, plain or gzip, with a progress bar; a damaged end ends the reading, not the report.

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

/// Longest line taken; a snapshot of 1000 levels has about 50 kB.
const MAX_LINE: usize = 16 << 20;

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// From 1.
    pub number: u64,
    /// Local receive time, ns since the epoch; `None` where the line has none.
    pub local_ns: Option<i64>,
    /// The rest, or what is wrong with the line.
    pub frame: Result<&'a [u8], &'static str>,
}

/// How the reading ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Lines read.
    pub lines: u64,
    /// The file breaks off in the middle, and how.
    pub truncated: Option<String>,
}

/// Reads lines.
pub struct Lines {
    input: Box<dyn BufRead>,
    bar: ProgressBar,
    buffer: Vec<u8>,
    end: End,
}

impl Lines {
    /// Opens a recording and looks whether it is gzip.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let mut magic = [0; 2];
        let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        file.rewind()?;
        // Draws to stderr, and only when that is a terminal.
        let bar = ProgressBar::new(file.metadata()?.len()).with_style(
            ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let counted = bar.wrap_read(file);
        let input: Box<dyn BufRead> = if gzip {
            Box::new(BufReader::with_capacity(
                1 << 16,
                MultiGzDecoder::new(counted),
            ))
        } else {
            Box::new(BufReader::with_capacity(1 << 16, counted))
        };
        Ok(Self {
            input,
            bar,
            buffer: Vec::new(),
            end: End::default(),
        })
    }

    /// The next line; `None` at the end, whole or not.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        loop {
            if self.end.truncated.is_some() {
                return None;
            }
            self.buffer.clear();
            let complete = match read_line(&mut *self.input, &mut self.buffer) {
                Ok(c) => c,
                Err(e) => {
                    // What stands before the damage in this line is no whole frame: left out.
                    self.end.truncated =
                        Some(format!("after line {}: {}", self.end.lines, explain(&e)));
                    return None;
                }
            };
            if self.buffer.is_empty() && !complete {
                return None;
            }
            self.end.lines += 1;
            let text = self.buffer.trim_ascii();
            if text.is_empty() {
                continue;
            }
            if !complete && text.last() != Some(&b'}') {
                self.end.truncated =
                    Some(format!("line {} is cut off in the middle", self.end.lines));
                return None;
            }
            break;
        }
        let number = self.end.lines;
        if self.buffer.len() > MAX_LINE {
            return Some(Line {
                number,
                local_ns: None,
                frame: Err("line longer than 16 MiB"),
            });
        }
        let (local_ns, frame) = split(self.buffer.trim_ascii());
        Some(Line {
            number,
            local_ns,
            frame,
        })
    }

    /// How it ended.
    pub fn end(self) -> End {
        self.end.clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn explain(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "the gzip stream ends in the middle".into(),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            format!("the gzip stream is corrupt ({e})")
        }
        _ => e.to_string(),
    }
}

/// Appends one line without its end to `out`; true when its line feed was there. Of a line that is too long only the
/// start is kept.
fn read_line(input: &mut dyn BufRead, out: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let chunk = match input.fill_buf() {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if chunk.is_empty() {
            return Ok(false);
        }
        let end = chunk.iter().position(|c| *c == b'\n');
        let take = end.unwrap_or(chunk.len());
        if out.len() <= MAX_LINE {
            out.extend_from_slice(&chunk[..take]);
        }
        input.consume(end.map_or(take, |e| e + 1));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// `<local ns> <json>`; a line that starts with the JSON itself has no time.
fn split(line: &[u8]) -> (Option<i64>, Result<&[u8], &'static str>) {
    if line.first() == Some(&b'{') {
        return (None, Ok(line));
    }
    let Some(blank) = line.iter().position(u8::is_ascii_whitespace) else {
        return (None, Err("no `<local ns> <json>`"));
    };
    let (time, rest) = line.split_at(blank);
    let local = std::str::from_utf8(time)
        .ok()
        .and_then(|t| t.parse::<i64>().ok())
        .filter(|t| *t >= 0);
    if local.is_none() {
        return (
            None,
            Err("the line's local time is no number of nanoseconds"),
        );
    }
    (local, Ok(rest.trim_ascii_start()))
}
