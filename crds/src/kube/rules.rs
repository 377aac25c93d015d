//! The rules of admission, as CEL: the API server's twin of [`crate::validate`], with the same words.
//!
//! Each rule has its place in the schema, a message for readers and, where the words need the value, an expression that
//! gives exactly what the Rust rule says. Only functions are used that Kubernetes 1.34 and the evaluator of the tests share:
//! `size`, `double`, `matches`, `in`, `has` and the comprehensions of one variable. A rule that needs the
//! object before the change (`oldSelf`) has no Rust twin.
//!
//! Decimals are compared as doubles: they have at most 15 digits, which doubles keep apart and in order.

mod account;
mod strategy;

use serde_json::{Map, Value, json};

/// A rule and its place.
pub(super) struct Rule {
    /// Place in the schema, `spec.watchlist.symbols[]`; empty for the object itself.
    pub(super) at: String,
    /// What must hold.
    rule: String,
    /// What to write, without the value.
    message: String,
    /// What is wrong and what to write, with the value: an expression.
    expression: Option<String>,
    /// The field meant, where the rule stands on a parent.
    field: Option<&'static str>,
}

impl Rule {
    fn new(at: &str, rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            rule: rule.into(),
            message: message.into(),
            expression: None,
            field: None,
        }
    }

    /// The message as an expression, evaluated when the rule is broken.
    fn says(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    /// The field that the rule is about.
    fn of(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// An entry of `x-kubernetes-validations`.
    pub(super) fn to_json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("rule".into(), json!(self.rule));
        entry.insert("message".into(), json!(self.message));
        if let Some(e) = &self.expression {
            entry.insert("messageExpression".into(), json!(e));
        }
        if let Some(f) = self.field {
            entry.insert("fieldPath".into(), json!(f));
        }
        Value::Object(entry)
    }
}

/// The rules of an account.
pub(super) fn account() -> Vec<Rule> {
    let mut all = vec![name()];
    all.extend(account::rules());
    all
}

/// The rules of a strategy.
pub(super) fn strategy() -> Vec<Rule> {
    let mut all = vec![name()];
    all.extend(strategy::rules());
    all
}

/// A text literal of an expression.
fn literal(s: &str) -> String {
    format!("'{}'", s.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `is "<value>": <what to write>`.
fn is_text(words: &str) -> String {
    format!("'is \"' + self + {}", literal(&format!("\": {words}")))
}

/// `low < value ≤ high` where `open`, else `low ≤ value ≤ high`; bounds as they read in a message.
fn within(at: &str, low: &str, open: bool, high: &str) -> Rule {
    let double = |bound: &str| {
        if bound.contains('.') {
            bound.to_string()
        } else {
            format!("{bound}.0")
        }
    };
    let (compare, from) = if open { (">", "above") } else { (">=", "from") };
    let words = format!("write a decimal {from} {low} up to {high}, in quotes");
    Rule::new(
        at,
        format!(
            "double(self) {compare} {} && double(self) <= {}",
            double(low),
            double(high)
        ),
        words.clone(),
    )
    .says(is_text(&words))
}

/// `low ≤ value ≤ high`. The server shows the value itself; the text of a number has no length that its cost is known by.
fn between(at: &str, low: u64, high: u64) -> Rule {
    Rule::new(
        at,
        format!("self >= {low} && self <= {high}"),
        format!("write a whole number from {low} to {high}"),
    )
}

/// A text that must be there.
fn not_empty(at: &str, words: &str) -> Rule {
    Rule::new(at, "self != ''", format!("is empty: {words}"))
}

/// A URL of one of two schemes.
fn url(at: &str, schemes: [&str; 2]) -> Rule {
    let words = format!(
        "write a URL that starts with {}://",
        schemes.join(":// or ")
    );
    let rule = format!("self.matches('^({})://[!-~]+$')", schemes.join("|"));
    Rule::new(at, rule, words.clone()).says(is_text(&words))
}

/// What never changes once it is there.
fn immutable(at: &str) -> Rule {
    Rule::new(
        at,
        "self == oldSelf",
        "is immutable: delete this object and create another",
    )
}

/// The object's name becomes part of other names.
fn name() -> Rule {
    let words = "write 1 to 40 lower-case letters, digits or '-', starting and ending with a letter or digit";
    Rule::new(
        "",
        "self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$')",
        words,
    )
    .says(format!(
        "'is \"' + self.metadata.name + {}",
        literal(&format!("\": {words}"))
    ))
    .of(".metadata.name")
}
