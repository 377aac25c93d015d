//! The venue as it was saved before the crash: one account, five positions that have already lost, a stop under each.
//!
//! Entries and stops carry the ids of the workers that placed them, and went through the engine's own admission while
//! prices stood where they were then; the fall since is what no admission sees. Saved and loaded by the engine's own
//! serialisation, as `helios venue --state` does it.

use super::draw::Portfolio;
use crate::driver::SimError;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::market::{DepthSnapshot, MarkPrice};
use helios_core::order::{IdMaker, OrderKind, Role};
use helios_venue::engine::{
    AccountId, Engine, EngineConfig, EngineEvent, MarketInput, Request, SymbolId,
};
use rust_decimal::Decimal;

fn wrong(what: &str, why: impl std::fmt::Display) -> SimError {
    SimError::Config(format!("the saved venue: {what}: {why}"))
}

/// Builds the state and gives it back as saved bytes.
pub(crate) fn save(
    p: &Portfolio,
    account_name: &str,
    strategy_uid: &str,
    start_ms: i64,
) -> Result<Vec<u8>, SimError> {
    let symbols = p.starts.iter().map(|s| s.spec.clone()).collect();
    let mut engine = Engine::new(EngineConfig {
        symbols,
        auto_cancel_orphan_stops: false,
        countdown_cancels_algo: false,
    });
    let mut out: Vec<EngineEvent> = Vec::new();
    let opened_ms = start_ms - 3_600_000;
    engine.advance(opened_ms, &mut out);
    let account = engine.open_account(p.gross * Decimal::TWO);
    for (i, h) in p.held.iter().enumerate() {
        let s = SymbolId(i as u16);
        let inst = &p.starts[i].spec.instrument;
        let leverage = p.starts[i].spec.brackets.iter();
        let leverage = leverage
            .filter(|b| b.notional_cap >= p.gross)
            .map(|b| b.initial_leverage)
            .max()
            .unwrap_or(1);
        told_price(&mut engine, p, i, h.entry, opened_ms, 1);
        let mut ids = IdMaker::new(
            account_name,
            Role::Worker,
            strategy_uid,
            &inst.symbol,
            opened_ms.unsigned_abs(),
        );
        let side = if h.lots > 0 { Side::Buy } else { Side::Sell };
        let requests = [
            Request::SetLeverage(s, leverage.min(20)),
            Request::NewOrder {
                symbol: s,
                client_id: Some(ids.next_id()),
                side,
                kind: OrderKind::Market,
                qty: Qty(h.lots.abs()),
                reduce_only: false,
            },
            Request::NewStop {
                symbol: s,
                client_id: Some(ids.next_id()),
                side: side.opposite(),
                trigger: h.anchor,
                qty: None,
                reduce_only: true,
                take_profit: false,
            },
        ];
        for r in requests {
            engine
                .request(opened_ms, account, r, &mut out)
                .map_err(|e| wrong(&inst.symbol, e))?;
        }
    }
    for i in 0..p.held.len() {
        told_price(&mut engine, p, i, p.starts[i].price, start_ms - 1_000, 2);
    }
    settle_balance(&mut engine, account, p, start_ms - 1_000)?;
    serde_json::to_vec(&engine).map_err(|e| wrong("saving", e))
}

/// Takes up a saved state.
pub(crate) fn load(saved: &[u8]) -> Result<(Engine, AccountId), SimError> {
    let engine: Engine = serde_json::from_slice(saved).map_err(|e| wrong("loading", e))?;
    let account = engine.accounts().next();
    let account = account.ok_or_else(|| wrong("loading", "it has no account"))?;
    Ok((engine, account))
}

/// One deep book around a price, and its mark.
fn told_price(engine: &mut Engine, p: &Portfolio, i: usize, price: Decimal, ms: i64, id: u64) {
    let inst = &p.starts[i].spec.instrument;
    let (bid, ask) = (
        inst.price_floor(price),
        Price(inst.price_floor(price).0 + 1),
    );
    let lots = Qty(p.held[i].lots.abs().saturating_mul(100));
    let mut out = Vec::new();
    let book = DepthSnapshot {
        last_id: id,
        event_ms: ms,
        bids: vec![(bid, lots)],
        asks: vec![(ask, lots)],
    };
    let mark = MarkPrice {
        event_ms: ms,
        mark: price,
        index: price,
        funding_rate: Decimal::ZERO,
        next_funding_ms: ms + 4 * 3_600_000,
    };
    let s = SymbolId(i as u16);
    engine.on_market(ms, s, MarketInput::Snapshot(book), &mut out);
    engine.on_market(ms, s, MarketInput::Mark(mark), &mut out);
}

/// Deposits or withdraws until the account stands where the scenario wants it.
fn settle_balance(
    engine: &mut Engine,
    account: AccountId,
    p: &Portfolio,
    ms: i64,
) -> Result<(), SimError> {
    let view = engine
        .account(account)
        .map_err(|e| wrong("the account", e))?;
    let gross: Decimal = view.positions.iter().map(|x| x.notional.abs()).sum();
    let want = p.stand.balance(gross, view.maint_margin);
    let by = (want - view.margin_balance).round_dp(8);
    engine
        .deposit(ms, account, by, &mut Vec::new())
        .map_err(|e| wrong("the balance", e))
}
