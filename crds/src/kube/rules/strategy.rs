//! The rules of a `HeliosStrategy` on its own: watchlist, signals, risk, regimes, exits, rollout.

use super::{Rule, between, immutable, not_empty, within};

pub(super) fn rules() -> Vec<Rule> {
    let mut all = vec![
        immutable("spec.accountRef"),
        not_empty("spec.accountRef.name", "write the HeliosAccount's name"),
    ];
    all.extend(watchlist());
    all.extend(signals());
    all.extend(regimes());
    all.extend(risk());
    all.extend(running());
    all
}

fn watchlist() -> Vec<Rule> {
    let mut all = vec![
        between("spec.watchlist.size", 1, 60),
        between("spec.watchlist.rescanIntervalSeconds", 30, 86_400),
        not_empty("spec.watchlist.quoteAsset", "write USDT"),
        Rule::new(
            "spec.watchlist",
            "!has(self.include) || !has(self.exclude) || self.include.all(s, !(s in self.exclude))",
            "names an excluded symbol: keep one of the two",
        )
        .says("self.include.filter(s, s in self.exclude)[0] + ' is excluded too: keep one of the two'")
        .of(".include"),
        Rule::new(
            "spec.watchlist.symbols",
            "size(self) <= 60",
            "has more than 60 symbols: 200 conditional orders carry 60 positions",
        ),
        Rule::new(
            "spec.watchlist",
            "!has(self.symbols) || size(self.symbols) == 0 \
             || ((!has(self.include) || size(self.include) == 0) && (!has(self.exclude) || size(self.exclude) == 0))",
            "is a fixed list: leave out include and exclude, which belong to the scan",
        )
        .of(".symbols"),
    ];
    for list in ["include", "exclude", "symbols"] {
        let at = format!("spec.watchlist.{list}");
        let twice = "self.exists_one(t, t == s)";
        all.push(
            Rule::new(
                &at,
                format!("self.all(s, {twice})"),
                "names a symbol twice: keep one",
            )
            .says(format!(
                "'names ' + self.filter(s, !{twice})[0] + ' twice: keep one'"
            )),
        );
        all.push(
            Rule::new(
                &format!("{at}[]"),
                "self.matches('^[^a-z/ .]{1,40}$')",
                "write the symbol as the exchange does, such as BTCUSDT",
            )
            .says(
                "'\"' + self + '\" is no symbol: write it as the exchange does, such as BTCUSDT'",
            ),
        );
    }
    all
}

fn signals() -> Vec<Rule> {
    vec![
        between("spec.signals.nobiDepth", 1, 1000),
        within("spec.signals.nobiTriggerThreshold", "0", true, "1"),
        between("spec.signals.persistenceMs", 0, 3_600_000),
        between("spec.signals.cooldownSeconds", 0, 604_800),
        within("spec.signals.model.confidenceThreshold", "0", false, "1"),
        Rule::new(
            "spec.signals.model",
            "self.mode != 'Required' || self.name != ''",
            "mode Required needs a model: write its name",
        )
        .of(".name"),
        Rule::new(
            "spec.signals.model.sha256",
            "self.matches('^[0-9A-Fa-f]{64}$')",
            "is no SHA-256: write its 64 hexadecimal digits",
        ),
    ]
}

fn regimes() -> Vec<Rule> {
    vec![
        Rule::new(
            "spec.regimes",
            "self.all(o, self.exists_one(p, p.regime == o.regime))",
            "names a regime twice: keep one",
        ),
        within("spec.regimes[].nobiTriggerThreshold", "0", true, "1"),
        within("spec.regimes[].confidenceThreshold", "0", false, "1"),
        within("spec.regimes[].kellyFraction", "0", false, "1"),
        within("spec.regimes[].atrMultiplier", "0.1", false, "20"),
        between("spec.regimes[].maxHoldSeconds", 1, 2_592_000),
    ]
}

fn risk() -> Vec<Rule> {
    vec![
        Rule::new(
            "spec.risk",
            "self.sizing != 'FixedNotional' || has(self.fixedNotional)",
            "sizing FixedNotional needs it: write a notional in USDT, such as \"1000\"",
        )
        .of(".fixedNotional"),
        Rule::new(
            "spec.risk",
            "self.sizing == 'FixedNotional' || !has(self.fixedNotional)",
            "only sizing FixedNotional uses it: remove it, or write sizing: FixedNotional",
        )
        .says("'sizing ' + self.sizing + ' does not use it: remove it, or write sizing: FixedNotional'")
        .of(".fixedNotional"),
        within("spec.risk.fixedNotional", "0", true, "100000000"),
        within("spec.risk.kellyFraction", "0", true, "1"),
        between("spec.risk.leverage", 1, 125),
        within("spec.risk.maxRiskPerTradePercent", "0", true, "10"),
        within("spec.risk.probeRiskPercent", "0", false, "10"),
        Rule::new(
            "spec.risk",
            "double(self.probeRiskPercent) <= double(self.maxRiskPerTradePercent)",
            "is more than maxRiskPerTradePercent: write at most that",
        )
        .says(
            "'is \"' + self.probeRiskPercent + '\", more than maxRiskPerTradePercent \"' + self.maxRiskPerTradePercent \
             + '\": write at most that'",
        )
        .of(".probeRiskPercent"),
        between("spec.risk.minTrades", 0, 100_000),
        between("spec.risk.atr.barSeconds", 5, 86_400),
        between("spec.risk.atr.period", 2, 200),
        within("spec.risk.atr.multiplier", "0.1", false, "20"),
        within("spec.risk.prior.winRate", "0", false, "1"),
        within("spec.risk.prior.winLossRatio", "0", true, "100"),
        within("spec.risk.prior.weight", "0", false, "100000"),
        between("spec.risk.protections.maxConsecutiveLosses", 0, 1000),
        between("spec.risk.protections.pauseSeconds", 0, 604_800),
        between("spec.risk.protections.maxEntriesPerHour", 0, 1_000_000),
        within("spec.risk.protections.maxMarkDeviationBps", "0", true, "10000"),
        between("spec.risk.protections.maxBookAgeMs", 50, 60_000),
    ]
}

/// Exits, orders, rollouts, stores.
fn running() -> Vec<Rule> {
    vec![
        between("spec.exits.maxHoldSeconds", 1, 2_592_000),
        within("spec.exits.takeProfitAtr", "0", true, "100"),
        within("spec.execution.maxSlippageBps", "0", true, "500"),
        between("spec.rollout.canarySymbols", 0, 60),
        between("spec.rollout.soakSeconds", 0, 604_800),
        not_empty(
            "spec.state.redis.urlSecretRef.name",
            "write the secret's name",
        ),
        Rule::new(
            "spec.record",
            "!self.enabled || (has(self.path) && self.path != '')",
            "recording is enabled: write where to, such as path: /data/recordings",
        )
        .of(".path"),
    ]
}
