//! Objects drawn at and around every boundary, several at a time: both sides say the same of each.

use crate::fields::{account, strategy};
use crate::verdict::{Kind, Said, put, rust, server, smallest};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Both sides on one object. Where neither the types nor the schema refuse it, they name the same fields in the same words.
pub fn agree(kind: Kind, object: &Value) -> Result<(), String> {
    let (ours, theirs) = (rust(kind, object), server(kind, object, None));
    let accepts = |good: bool| if good { "accepts" } else { "refuses" };
    let ours_good = ours.as_ref().is_ok_and(|p| p.is_empty());
    let theirs_good = theirs.as_ref().is_ok_and(|p| p.is_empty());
    if ours_good != theirs_good {
        return Err(format!(
            "Rust {} {ours:?}\nthe server {} {theirs:?}\n{object}",
            accepts(ours_good),
            accepts(theirs_good)
        ));
    }
    let (Ok(ours), Ok(theirs)) = (&ours, &theirs) else {
        return Ok(());
    };
    let paths = |said: &Said| -> BTreeSet<String> { said.iter().map(|s| s.0.clone()).collect() };
    let same = paths(ours) == paths(theirs)
        && theirs
            .iter()
            .all(|(path, words)| ours.iter().any(|(p, w)| p == path && same_words(w, words)));
    if same {
        Ok(())
    } else {
        Err(format!(
            "Rust says {ours:?}\nthe server says {theirs:?}\n{object}"
        ))
    }
}

/// The same words, except where a rule can't know the value: of a number the server shows it itself, and reckons nothing.
fn same_words(ours: &str, theirs: &str) -> bool {
    let about = |s: &str| {
        s.split_once(" the ratio is about")
            .map(|(head, _)| head.to_string())
    };
    // Rust shows a decimal without leading zeros.
    let decimal = |s: &str| {
        s.split_once("\": write a decimal")
            .map(|(_, tail)| tail.to_string())
    };
    ours == theirs
        || (theirs.starts_with("write a whole number") && ours.ends_with(&format!(": {theirs}")))
        || (theirs == "names a regime twice: keep one" && ours.ends_with(" twice: keep one"))
        || (about(theirs).is_some() && about(ours) == about(theirs))
        || (decimal(theirs).is_some() && decimal(ours) == decimal(theirs))
}

fn drawn(kind: Kind) -> impl Strategy<Value = Value> {
    let fields = match kind {
        Kind::Account => account(),
        Kind::Strategy => strategy(),
    };
    let change = (select(fields), any::<Index>());
    proptest::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut object = smallest(kind);
        for ((pointer, values), pick) in changes {
            if pointer.starts_with("/spec/regimes/0") && object["spec"]["regimes"][0].is_null() {
                object["spec"]["regimes"] = json!([{"regime": "Quiet"}]);
            }
            put(&mut object, pointer, pick.get(&values).clone());
        }
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_server_admits_an_account_exactly_when_the_rust_rules_accept_it(object in drawn(Kind::Account)) {
        prop_assert_eq!(agree(Kind::Account, &object), Ok(()));
    }

    #[test]
    fn the_server_admits_a_strategy_exactly_when_the_rust_rules_accept_it(object in drawn(Kind::Strategy)) {
        prop_assert_eq!(agree(Kind::Strategy, &object), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_the_same_verdict_as_a_decimal_a_quantity_a_symbol_a_name_and_a_url(
        number in "-?[0-9]{0,12}[.]?[0-9]{0,7}[-+.eEkKMGTPimnu ]{0,3}[0-9]{0,3}",
        word in "(?s)[A-Za-z0-9Äé币/. \n-]{0,44}",
        rest in "(?s)(http|https|ws)?(://)?.{0,6}",
    ) {
        for (kind, pointer, text) in [
            (Kind::Strategy, "/spec/risk/kellyFraction", &number),
            (Kind::Strategy, "/spec/worker/resources/requests/cpu", &number),
            (Kind::Strategy, "/spec/watchlist/exclude", &word),
            (Kind::Strategy, "/metadata/name", &word),
            (Kind::Strategy, "/spec/signals/model/sha256", &word),
            (Kind::Account, "/spec/endpoints/rest", &rest),
        ] {
            let mut object = smallest(kind);
            let list = pointer.ends_with("exclude");
            put(&mut object, pointer, if list { json!([text]) } else { json!(text) });
            prop_assert_eq!(agree(kind, &object), Ok(()));
        }
    }
}

#[test]
fn every_value_of_every_field_gets_the_same_verdict_and_words_from_both_sides() {
    let mut apart = Vec::new();
    for (kind, fields) in [(Kind::Account, account()), (Kind::Strategy, strategy())] {
        for (pointer, values) in fields {
            for v in values {
                let mut object = smallest(kind);
                if pointer.starts_with("/spec/regimes/0") {
                    object["spec"]["regimes"] = json!([{"regime": "Quiet"}]);
                }
                put(&mut object, pointer, v);
                apart.extend(agree(kind, &object).err());
            }
        }
    }
    assert!(apart.is_empty(), "{}\n{}", apart.len(), apart.join("\n\n"));
}
