//! The table of docs/venue.md against the lists that the server goes by: neither has anything the other has not.

use helios_venue::server::surface;
use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Rows of the table of a heading: cells without their backticks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/venue.md")).unwrap();
    let after = page.split_once(&format!("### {heading}\n")).unwrap().1;
    let part = after.split("\n#").next().unwrap();
    let table = part.lines().filter(|l| l.starts_with("| `"));
    let cells = |l: &str| {
        let l = l.replace("\\|", "\u{1}");
        let cells = l.trim_matches('|').split('|');
        cells
            .map(|c| c.trim().replace('`', "").replace('\u{1}', "|"))
            .collect()
    };
    table.map(cells).collect()
}

/// The table names what the list names, and tests that speak of it.
fn agrees(heading: &str, list: &[String], word: fn(&str) -> String) {
    let rows = rows(heading);
    let told: BTreeSet<&str> = rows.iter().map(|r| r[0].as_str()).collect();
    let there: BTreeSet<&str> = list.iter().map(String::as_str).collect();
    assert_eq!(told.len(), rows.len(), "{heading}: a row is there twice");
    let lies: Vec<_> = told.difference(&there).collect();
    let silent: Vec<_> = there.difference(&told).collect();
    assert!(
        lies.is_empty() && silent.is_empty(),
        "{heading}: not in the code {lies:?}, not in the table {silent:?}"
    );
    for r in &rows {
        assert_eq!(r.len(), 3, "{r:?}");
        let word = word(&r[0]);
        let tests: Vec<&str> = r[2].split(", ").collect();
        let speaks = tests.iter().any(|t| {
            let file = Path::new(ROOT).join(format!("venue/tests/server/{t}.rs"));
            let text =
                std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{r:?}: no test {t}"));
            text.contains(&word)
        });
        assert!(speaks, "{r:?}: none of its tests speaks of {word}");
        assert!(!r[1].is_empty(), "{r:?}: where is its shape from?");
    }
}

#[test]
fn every_endpoint_stream_and_method_is_in_the_table_and_no_other() {
    let s = surface();
    agrees("Endpoints", &s.rest, |name| {
        let path = name.split_once(' ').unwrap().1;
        path.trim_start_matches("/fapi/").to_owned()
    });
    agrees("Streams, one by one", &s.streams, |name| {
        let name = name.split_once(' ').unwrap().1;
        let name = name
            .split('<')
            .next()
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| {
                let after = name.split_once('>').unwrap().1;
                after.split('<').next().unwrap()
            });
        name.trim_start_matches("_perpetual")
            .trim_end_matches('@')
            .to_owned()
    });
    agrees("Methods of the WebSocket API", &s.methods, str::to_owned);
}
