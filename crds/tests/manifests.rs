//! Manifests as users write them: what is accepted, what is refused, and in which words.
#![allow(clippy::unwrap_used, missing_docs)]

use helios_crds::manifest::{FileProblem, parse};

const ACCOUNT: &str = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec:\n  venue: Simulated\n";
const STRATEGY: &str = "apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata:\n  name: nobi\nspec:\n  accountRef:\n    name: paper\n";

fn problems(text: &str) -> Vec<FileProblem> {
    parse(&[("f.yaml".into(), text.into())])
        .map(|_| Vec::new())
        .unwrap_or_else(|e| e.0)
}

/// Both objects, with `extra` added to the strategy's spec.
fn with(extra: &str) -> Vec<FileProblem> {
    problems(&format!("{ACCOUNT}---\n{STRATEGY}{extra}"))
}

#[test]
fn the_samples_are_valid_and_have_the_promised_values() {
    for name in ["quickstart", "replay"] {
        let path = format!(
            "{}/../config/samples/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).unwrap();
        let m = parse(&[(name.into(), text)]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((m.accounts.len(), m.strategies.len()), (1, 1));
        let s = &m.strategies[0].object.spec;
        let expected = if name == "quickstart" {
            (60, 300, 30)
        } else {
            (5, 60, 10)
        };
        assert_eq!(
            (
                s.risk.atr.bar_seconds,
                s.exits.max_hold_seconds,
                s.signals.cooldown_seconds
            ),
            expected
        );
    }
}

#[test]
fn the_samples_for_clusters_are_valid() {
    for (name, strategies) in [
        ("samples/kubernetes", 1),
        ("samples/multi-strategy", 2),
        ("samples/testnet", 1),
        ("samples/live", 1),
    ] {
        let path = format!("{}/../config/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let m = parse(&[(name.into(), text)]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((m.accounts.len(), m.strategies.len()), (1, strategies));
    }
    let part = |name: &str| {
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/kustomize/base");
        let text = std::fs::read_to_string(format!("{base}/{name}.yaml")).unwrap();
        (name.to_string(), text)
    };
    parse(&[part("account"), part("strategy")]).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_silent_manifest_gets_the_documented_defaults() {
    let m = parse(&[("f".into(), format!("{ACCOUNT}---\n{STRATEGY}"))]).unwrap();
    let stored = serde_json::to_value(&m.strategies[0].object.spec).unwrap();
    for (path, value) in [
        ("/signals/nobiTriggerThreshold", "0.4"),
        ("/signals/model/confidenceThreshold", "0.75"),
        ("/risk/kellyFraction", "0.5"),
        ("/risk/maxRiskPerTradePercent", "1"),
        ("/risk/probeRiskPercent", "0.25"),
        ("/risk/atr/multiplier", "2"),
        ("/execution/maxSlippageBps", "10"),
        ("/onDelete", "Flatten"),
    ] {
        assert_eq!(stored.pointer(path).unwrap(), value, "{path}");
    }
    assert_eq!(stored.pointer("/risk/atr/barSeconds").unwrap(), 900);
    let account = serde_json::to_value(&m.accounts[0].object.spec).unwrap();
    assert_eq!(account.pointer("/margin/warningMarginRatio").unwrap(), "30");
    assert_eq!(
        account.pointer("/margin/criticalMarginRatio").unwrap(),
        "15"
    );
    let again: helios_crds::AccountSpec = serde_json::from_value(account).unwrap();
    assert_eq!(
        again, m.accounts[0].object.spec,
        "what is stored reads back the same"
    );
}

#[test]
fn an_unknown_field_is_refused_with_file_line_field_and_the_nearest_name() {
    let found = with("  signals:\n    nobiTriggerTreshold: \"0.5\"\n");
    assert_eq!(found.len(), 1);
    let text = found[0].to_string();
    assert!(
        text.starts_with("f.yaml:15: spec.signals.nobiTriggerTreshold: "),
        "{text}"
    );
    assert!(
        text.contains("Did you mean `nobiTriggerThreshold`?"),
        "{text}"
    );
}

#[test]
fn a_bare_number_where_a_decimal_belongs_says_to_quote_it() {
    let text = with("  signals:\n    nobiTriggerThreshold: 0.5\n")[0].to_string();
    assert!(
        text.contains("f.yaml:15") && text.contains("write \"0.5\""),
        "{text}"
    );
}

#[test]
fn each_rule_names_its_line_and_says_what_to_write() {
    for (extra, line, field, words) in [
        (
            "  risk:\n    atr:\n      barSeconds: 4\n",
            16,
            "spec.risk.atr.barSeconds",
            "from 5",
        ),
        (
            "  risk:\n    sizing: FixedNotional\n",
            14,
            "spec.risk.fixedNotional",
            "\"1000\"",
        ),
        (
            "  risk:\n    fixedNotional: \"5\"\n",
            15,
            "spec.risk.fixedNotional",
            "remove it",
        ),
        (
            "  risk:\n    probeRiskPercent: \"2\"\n",
            15,
            "spec.risk.probeRiskPercent",
            "at most",
        ),
        (
            "  risk:\n    kellyFraction: \"0\"\n",
            15,
            "spec.risk.kellyFraction",
            "above 0",
        ),
        (
            "  watchlist:\n    symbols: [BTCUSDT, BTCUSDT]\n",
            15,
            "spec.watchlist.symbols",
            "twice",
        ),
        (
            "  watchlist:\n    include: [BTCUSDT]\n    exclude: [BTCUSDT]\n",
            15,
            "spec.watchlist.include",
            "keep one",
        ),
        (
            "  watchlist:\n    symbols: [btcusdt]\n",
            15,
            "spec.watchlist.symbols",
            "as the exchange does",
        ),
        (
            "  signals:\n    nobiTriggerThreshold: \"1.5\"\n",
            15,
            "spec.signals.nobiTriggerThreshold",
            "up to 1",
        ),
        (
            "  signals:\n    model: {mode: Required, name: \"\"}\n",
            15,
            "spec.signals.model.name",
            "its name",
        ),
        (
            "  regimes:\n  - regime: Quiet\n  - regime: Quiet\n",
            14,
            "spec.regimes",
            "twice",
        ),
        (
            "  record:\n    enabled: true\n",
            14,
            "spec.record.path",
            "where to",
        ),
    ] {
        let found = with(extra);
        assert_eq!(found.len(), 1, "{extra}: {found:?}");
        assert_eq!(
            (found[0].line, found[0].field.as_str()),
            (line, field),
            "{}",
            found[0]
        );
        assert!(found[0].message.contains(words), "{}", found[0]);
    }
}

#[test]
fn account_rules_hold() {
    for (extra, field, words) in [
        ("  environment: Live\n", "spec.environment", "Paper"),
        (
            "  margin: {warningMarginRatio: \"10\"}\n",
            "spec.margin.criticalMarginRatio",
            "less than 10",
        ),
        (
            "  margin: {warningMarginRatio: \"45\"}\n",
            "spec.margin.warningMarginRatio",
            "at most \"40\"",
        ),
        (
            "  limits: {maxOpenPositions: 61}\n",
            "spec.limits.maxOpenPositions",
            "to 60",
        ),
        (
            "  simulated: {edge: \"2\"}\n",
            "spec.simulated.edge",
            "up to 1",
        ),
        (
            "  endpoints: {rest: \"localhost\"}\n",
            "spec.endpoints.rest",
            "http://",
        ),
    ] {
        let found = problems(&format!("{ACCOUNT}{extra}"));
        assert!(
            found
                .iter()
                .any(|p| p.field == field && p.message.contains(words)),
            "{extra}: {found:?}"
        );
    }
    let live = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: main}\nspec: {venue: BinanceUsdm, environment: Live}\n";
    let fields: Vec<String> = problems(live).into_iter().map(|p| p.field).collect();
    assert_eq!(fields, ["spec.credentialsSecretRef", "spec.confirmLive"]);
}

#[test]
fn a_pair_that_does_not_fit_is_refused() {
    let live = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec: {venue: BinanceUsdm, environment: Live, confirmLive: paper, credentialsSecretRef: {name: k}}\n";
    let found = problems(&format!(
        "{live}---\n{STRATEGY}  risk:\n    costGate: \"Off\"\n"
    ));
    let fields: Vec<&str> = found.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(fields, ["spec.risk.costGate", "spec.signals.model.mode"]);
}

#[test]
fn duplicate_names_missing_accounts_and_unknown_kinds_are_refused() {
    assert!(
        problems(&format!("{ACCOUNT}---\n{ACCOUNT}"))[0]
            .message
            .contains("another HeliosAccount named paper")
    );
    assert!(
        problems(STRATEGY)[0]
            .message
            .contains("there is no HeliosAccount default/paper")
    );
    assert!(
        problems("apiVersion: v1\nkind: Pod\n")[0]
            .to_string()
            .contains("f.yaml:2: kind: \"Pod\" is unknown")
    );
    assert!(!problems("a: [\n").is_empty());
    assert!(!problems("just text\n").is_empty());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}", tail in "[a-z:\\- \\n\"\\[\\]{}&*!|>%@0-9.]{0,200}") {
        let _ = problems(&text);
        let _ = problems(&format!("{ACCOUNT}{tail}"));
        let _ = with(&tail);
    }
}
