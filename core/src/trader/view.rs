//! What is shown of a trader.

use super::Trader;
use crate::messages::WorkerView;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

pub(super) fn view(t: &Trader) -> WorkerView {
    let now = t.last_now;
    let inst = &t.config.info.instrument;
    let qty = t.ledger.qty();
    let entry_price = t.ledger.entry_price();
    let position = inst.qty_dec(qty);
    let mark = t.feed.last_mark().or_else(|| t.feed.mid());
    let unrealised = match (mark, entry_price) {
        (Some(m), Some(e)) if !qty.is_zero() => (m - e).saturating_mul(position),
        _ => Decimal::ZERO,
    };
    WorkerView {
        market_ms: now.market_ms,
        book_synced: t.feed.book().is_some(),
        mid: t.feed.mid(),
        nobi: t.feed.nobi(),
        atr: t.feed.atr().and_then(|a| a.to_f64()),
        regime: t.feed.regime(),
        position,
        entry_price: entry_price.filter(|_| !qty.is_zero()),
        stop: t.stops.best_stop().map(|p| inst.price_dec(p)),
        anchor_confirmed: t.stops.anchor_confirmed(),
        unrealised,
        realised_net: t.ledger.realised_net(),
        fees: t.ledger.fees(),
        round_trips: t.ledger.round_trips(),
        resyncs: t.feed.resyncs(),
        reason: t.decisions.latest().map(str::to_owned),
        granted: t.permission.grant(now).is_some(),
    }
}
