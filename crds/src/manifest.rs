//! Manifest files: reading them, and saying where in them something is wrong.
//!
//! A file holds one or more YAML documents. An error names the file, the line, the field and what to write instead; a
//! file set is used whole or not at all.

use crate::account::HeliosAccount;
use crate::strategy::HeliosStrategy;
use crate::validate::{self, Problem};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A document with where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// File.
    pub file: String,
    /// First line of the document, 1-based.
    pub line: usize,
    /// Text of the document.
    text: String,
}

/// All manifests of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// Accounts, in file order.
    pub accounts: Vec<Located<HeliosAccount>>,
    /// Strategies, in file order: the age order of claims where there is no API server.
    pub strategies: Vec<Located<HeliosStrategy>>,
}

/// One thing wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// File.
    pub file: String,
    /// Line, 1-based; 0 where the file itself is the problem.
    pub line: usize,
    /// Field, empty where none is known.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl std::fmt::Display for FileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything wrong with a set of files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ManifestError(pub Vec<FileProblem>);

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    kind: String,
}

/// Reads manifests from files and directories (`*.yaml`, `*.yml`, sorted; not recursive).
///
/// # Errors
/// Every problem found, each with file, line and field; nothing is used then.
pub fn load(paths: &[PathBuf]) -> Result<Manifests, ManifestError> {
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for path in paths {
        match files_of(path) {
            Ok(files) => {
                for file in files {
                    match std::fs::read_to_string(&file) {
                        Ok(text) => texts.push((file.display().to_string(), text)),
                        Err(e) => problems.push(whole(&file, format!("can't be read: {e}"))),
                    }
                }
            }
            Err(message) => problems.push(whole(path, message)),
        }
    }
    if !problems.is_empty() {
        return Err(ManifestError(problems));
    }
    parse(&texts)
}

/// The files a path stands for.
///
/// # Errors
/// What is wrong with it, in words.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return if path.exists() {
            Ok(vec![path.into()])
        } else {
            Err("no such file or directory".into())
        };
    }
    let entries = std::fs::read_dir(path).map_err(|e| format!("can't be read: {e}"))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.is_file() && p.extension().is_some_and(|x| x == "yaml" || x == "yml"))
        .collect();
    files.sort();
    if files.is_empty() {
        Err("holds no *.yaml file: write a HeliosAccount and a HeliosStrategy there".into())
    } else {
        Ok(files)
    }
}

fn whole(path: &Path, message: String) -> FileProblem {
    FileProblem {
        file: path.display().to_string(),
        line: 0,
        field: String::new(),
        message,
    }
}

/// Reads manifests from texts, each with its file's name.
///
/// # Errors
/// Every problem found.
pub fn parse(texts: &[(String, String)]) -> Result<Manifests, ManifestError> {
    let mut all = Manifests::default();
    let mut problems = Vec::new();
    for (file, text) in texts {
        for (line, document) in documents(text) {
            one(&mut all, &mut problems, file, line, &document);
        }
    }
    if problems.is_empty() {
        across(&all, &mut problems);
    }
    if problems.is_empty() {
        Ok(all)
    } else {
        Err(ManifestError(problems))
    }
}

/// Splits a file into documents with their first lines; empty ones are left out.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut out = vec![(1, String::new())];
    for (i, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            out.push((i + 2, String::new()));
        } else if let Some((_, d)) = out.last_mut() {
            d.push_str(line);
            d.push('\n');
        }
    }
    out.retain(|(_, d)| {
        d.lines()
            .any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'))
    });
    out
}

fn one(all: &mut Manifests, problems: &mut Vec<FileProblem>, file: &str, line: usize, text: &str) {
    let head: Head = match serde_saphyr::from_str(text) {
        Ok(h) => h,
        Err(e) => return problems.push(syntax(file, line, text, &e)),
    };
    match head.kind.as_str() {
        "HeliosAccount" => typed(
            file,
            line,
            text,
            validate::account,
            &mut all.accounts,
            problems,
        ),
        "HeliosStrategy" => typed(
            file,
            line,
            text,
            validate::strategy,
            &mut all.strategies,
            problems,
        ),
        other => problems.push(FileProblem {
            file: file.into(),
            line: line + locate(text, "kind"),
            field: "kind".into(),
            message: if other.is_empty() {
                "is missing: write HeliosAccount or HeliosStrategy".into()
            } else {
                format!("\"{other}\" is unknown: write HeliosAccount or HeliosStrategy")
            },
        }),
    }
}

fn typed<T: for<'de> Deserialize<'de>>(
    file: &str,
    line: usize,
    text: &str,
    rules: impl Fn(&T) -> Vec<Problem>,
    into: &mut Vec<Located<T>>,
    problems: &mut Vec<FileProblem>,
) {
    match serde_saphyr::from_str::<T>(text) {
        Ok(object) => {
            let located = Located {
                object,
                file: file.into(),
                line,
                text: text.into(),
            };
            problems.extend(
                rules(&located.object)
                    .into_iter()
                    .map(|p| located.problem(p)),
            );
            into.push(located);
        }
        Err(e) => problems.push(syntax(file, line, text, &e)),
    }
}

impl<T> Located<T> {
    /// A broken rule with its place in the file.
    pub fn problem(&self, p: Problem) -> FileProblem {
        FileProblem {
            file: self.file.clone(),
            line: self.line + locate(&self.text, &p.path),
            field: p.path,
            message: p.message,
        }
    }
}

/// Rules between objects: names are unique, accounts exist, pairs fit.
fn across(all: &Manifests, problems: &mut Vec<FileProblem>) {
    let mut accounts = BTreeMap::new();
    for a in &all.accounts {
        if accounts.insert(a.object.metadata.full_name(), a).is_some() {
            problems.push(a.problem(duplicate("HeliosAccount", &a.object.metadata.name)));
        }
    }
    let mut names = BTreeSet::new();
    for s in &all.strategies {
        if !names.insert(s.object.metadata.full_name()) {
            problems.push(s.problem(duplicate("HeliosStrategy", &s.object.metadata.name)));
        }
        let namespace = s.object.metadata.namespace.as_deref().unwrap_or("default");
        match accounts.get(&format!("{namespace}/{}", s.object.spec.account_ref.name)) {
            Some(a) => problems.extend(
                validate::pair(&a.object, &s.object)
                    .into_iter()
                    .map(|p| s.problem(p)),
            ),
            None => {
                let known: Vec<&str> = accounts.keys().map(String::as_str).collect();
                problems.push(s.problem(Problem {
                    path: "spec.accountRef.name".into(),
                    message: format!(
                        "there is no HeliosAccount {namespace}/{}: write one of [{}], or add that account",
                        s.object.spec.account_ref.name,
                        known.join(", ")
                    ),
                }));
            }
        }
    }
}

fn duplicate(kind: &str, name: &str) -> Problem {
    Problem {
        path: "metadata.name".into(),
        message: format!("there is another {kind} named {name}: give each its own name"),
    }
}

/// A parser's or type's complaint, with the nearest name when a field is unknown.
fn syntax(file: &str, line: usize, text: &str, e: &serde_saphyr::Error) -> FileProblem {
    let at = e
        .location()
        .map_or(0, |l| (l.line() as usize).saturating_sub(1));
    let bare = e.without_snippet().to_string();
    // The parser appends its own idea of the place; the line is said once, at the front.
    let mut message = bare
        .lines()
        .next()
        .unwrap_or_default()
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_string();
    if let Some(hint) = unknown_field(&message).and_then(|(field, known)| nearest(field, &known)) {
        message = format!("{message}. Did you mean {hint}?");
    }
    FileProblem {
        file: file.into(),
        line: line + at,
        field: path_at(text, at),
        message,
    }
}

/// The unknown field and the known ones, out of the parser's words.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.split_once("unknown field")?.1;
    let (field, known) = rest.split_once("expected")?;
    let names = known
        .trim_start()
        .trim_start_matches("one of")
        .split(',')
        .map(bare_name);
    Some((bare_name(field), names.collect()))
}

fn bare_name(s: &str) -> &str {
    s.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn nearest(field: &str, known: &[&str]) -> Option<String> {
    let close = |k: &&&str| strsim::damerau_levenshtein(&field.to_lowercase(), &k.to_lowercase());
    known
        .iter()
        .min_by_key(close)
        .filter(|k| close(k) <= 3)
        .map(|k| format!("`{k}`"))
}

/// The key path of a line, from the indentation of block mappings.
fn path_at(text: &str, line: usize) -> String {
    let mut stack: Vec<(usize, &str)> = Vec::new();
    for (i, l) in text.lines().enumerate() {
        if let Some((indent, key)) = key_of(l) {
            stack.retain(|(n, _)| *n < indent);
            stack.push((indent, key));
        }
        if i == line {
            break;
        }
    }
    stack.iter().map(|(_, k)| *k).collect::<Vec<_>>().join(".")
}

fn key_of(line: &str) -> Option<(usize, &str)> {
    let trimmed = line.trim_start();
    let indent = line.len() - trimmed.len();
    let (trimmed, indent) = trimmed
        .strip_prefix("- ")
        .map_or((trimmed, indent), |t| (t, indent + 2));
    let key = trimmed.split(':').next()?;
    let is_key = trimmed.len() > key.len()
        && !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    is_key.then_some((indent, key))
}

/// Lines from the start of a document to the deepest part of `path` that is written there (flow mappings end the search).
fn locate(text: &str, path: &str) -> usize {
    let mut found = 0;
    let mut depth: Option<usize> = None;
    let mut from = 0;
    let lines: Vec<&str> = text.lines().collect();
    for part in path.split('.') {
        let mut child_indent = None;
        let mut hit = None;
        for (i, l) in lines.iter().enumerate().skip(from) {
            let Some((indent, key)) = key_of(l) else {
                continue;
            };
            if depth.is_some_and(|d| indent <= d) {
                break;
            }
            if indent == *child_indent.get_or_insert(indent) && key == part {
                hit = Some((i, indent));
                break;
            }
        }
        let Some((i, indent)) = hit else { break };
        (found, depth, from) = (i, Some(indent), i + 1);
    }
    found
}
