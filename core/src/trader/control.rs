//! What the trader is told to do: grants, commands, parameters, shutdown.

use super::{Trader, TraderEffect};
use crate::messages::{Command, ExitReason, GrantReply, ParamsDocument, SCHEMA, Severity};
use crate::params::OnDelete;
use crate::time::Now;
use rust_decimal::Decimal;

impl Trader {
    pub(super) fn on_grant(&mut self, now: Now, g: &GrantReply) {
        let taken = self.permission.on_reply(now, g);
        // A drain ends when the coordinator grants again to a flat symbol that asked after the drain: one not wanted is denied.
        // Whatever the ceiling, because a drained symbol wishes nothing.
        if let (true, GrantReply::Granted(grant), Some(at)) = (taken, g, self.draining)
            && grant.seq > at
            && self.ledger.qty().is_zero()
        {
            self.draining = None;
        }
    }

    pub(super) fn on_command(&mut self, now: Now, c: &Command, out: &mut Vec<TraderEffect>) {
        if !self.permission.on_command(now, c) {
            let text = "a command of a former coordinator was refused".into();
            out.push(self.alert(Severity::Warning, "StaleEpoch", text));
            return;
        }
        match c {
            Command::CancelEntries { .. } => {
                self.permission.revoke();
                self.cancel_entries(now, out);
            }
            Command::TightenStop { .. } => self.tighten(now, out),
            Command::Drain { now: at_once, .. } => {
                self.draining = Some(self.permission.seq());
                self.cancel_entries(now, out);
                if *at_once {
                    self.leave(now, ExitReason::Drain, out);
                }
            }
            Command::Reconcile { .. } => self.recon.want(),
        }
    }

    /// Cancels whatever entry may still work.
    pub(super) fn cancel_entries(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        self.with_orders(now, out, |o, outs| o.cancel_entries(now, outs));
    }

    /// 1 ATR, but never nearer than 3 spreads or half an ATR.
    fn tighten(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        let atr = self
            .feed
            .atr()
            .or(self.plan.map(|p| p.atr))
            .unwrap_or(Decimal::ZERO);
        let spread = self.feed.book().and_then(|b| b.spread()).unwrap_or(0);
        let spreads = Decimal::from(3 * spread.max(0)) * self.config.info.instrument.tick;
        let to = atr.max(spreads);
        if to > Decimal::ZERO {
            self.with_stops(now, out, |s, ids, o| s.tighten(now, to, ids, o));
        }
    }

    /// Takes in a document; it comes into force whole at the next safe boundary.
    pub(super) fn on_params(&mut self, doc: &ParamsDocument, out: &mut Vec<TraderEffect>) {
        if doc.schema > SCHEMA || doc.schema + 1 < SCHEMA {
            self.on_params_unknown(doc.schema, out);
            return;
        }
        if doc.strategy_uid != self.config.strategy_uid {
            out.push(self.alert(
                Severity::Warning,
                "ForeignParams",
                format!("parameters of strategy {} are not mine", doc.strategy_uid),
            ));
            return;
        }
        let newest = self
            .pending
            .as_ref()
            .map_or(self.config.params.order(), |p| p.order());
        if doc.order() == self.config.params.order() && self.pending.is_none() {
            // Known already: the acknowledgement was lost, perhaps, or what stood in its place was not understood.
            self.schema_unknown = false;
            out.push(TraderEffect::Acknowledge {
                generation: doc.generation,
            });
        } else if doc.order() > newest {
            self.pending = Some(Box::new(doc.clone()));
        }
    }

    /// A version that is not understood may restrict what is run now: nothing is added under the old one.
    pub(super) fn on_params_unknown(&mut self, schema: u32, out: &mut Vec<TraderEffect>) {
        self.schema_unknown = true;
        let text = format!("parameters of schema {schema} are not understood: reduce-only");
        out.push(self.alert(Severity::Warning, "SchemaUnknown", text));
    }

    /// A boundary is safe while no entry decided under the old parameters is under way.
    pub(super) fn apply_params(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if !self.orders.open_entry_qty().is_zero() {
            self.cancel_entries(now, out);
            return;
        }
        let Some(doc) = self.pending.take() else {
            return;
        };
        let symbol = &*self.config.info.instrument.symbol;
        let params = doc.for_symbol(symbol).clone();
        if params.signals != self.params.signals || params.regimes != self.params.regimes {
            self.trigger.reset();
            self.signal = None;
        }
        self.feed
            .set_params(&params.risk.atr, params.signals.nobi_depth);
        self.params = params;
        self.config.params = *doc;
        self.schema_unknown = false;
        self.feed.drive(now, out);
        out.push(TraderEffect::Acknowledge {
            generation: self.config.params.generation,
        });
    }

    pub(super) fn on_shutdown(&mut self, now: Now, mode: OnDelete, out: &mut Vec<TraderEffect>) {
        self.shutting = Some(mode);
        self.permission.revoke();
        self.cancel_entries(now, out);
        if mode == OnDelete::Flatten {
            self.leave(now, ExitReason::Drain, out);
        }
        self.recon.want();
    }

    /// Done once no own order works and the position is gone with its stops, or protected where that was asked for.
    pub(super) fn drive_shutdown(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if !self.user_reconciled && self.user_up || self.ids.is_none() || !self.orders.is_idle() {
            return;
        }
        let flat = self.ledger.qty().is_zero();
        if !flat && self.shutting == Some(OnDelete::Flatten) {
            self.leave(now, ExitReason::Drain, out);
            return;
        }
        let over = if flat {
            self.leaving.is_none() && self.stops.clear_for_entry()
        } else {
            self.stops.anchor_confirmed()
        };
        if over {
            self.done = true;
            out.push(TraderEffect::Done);
        }
    }
}
