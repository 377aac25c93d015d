// Orders over REST, and what they leave in trades, positions and balances.

import assert from 'node:assert/strict';

import { check, mine, sum, units, until } from './checks.mjs';
import { client, data, ed25519, hmac } from './client.mjs';

const { symbol } = mine;
const GRID = { tick: 0.01, price: 2, quantity: 2 };

/** A number on the grid of prices. */
export const round = (price) => Number(price.toFixed(GRID.price));

/** A price 3 % below the market, and a quantity worth about 1000 USDT. */
export async function quote(rest) {
    const best = await data(rest.symbolOrderBookTicker({ symbol }));
    const bid = Number(best.bidPrice);
    return { price: round(bid * 0.97), quantity: Number((1000 / bid).toFixed(GRID.quantity)), bid, tick: GRID.tick };
}

/** The signed amount of the position. */
export async function position(rest) {
    const rows = await data(rest.positionInformationV3({ symbol }));
    return rows.reduce((n, r) => n + Number(r.positionAmt), 0);
}

/** The wallet's balance in USDT, in units. */
export async function wallet(rest) {
    const rows = await data(rest.futuresAccountBalanceV3());
    return units(rows.find((b) => b.asset === 'USDT').balance);
}

/** Nothing open and no position, whatever a check before this one has left. */
export async function tidy() {
    const { restAPI: rest } = client(hmac);
    await data(rest.cancelAllOpenOrders({ symbol }));
    await data(rest.cancelAllAlgoOpenOrders({ symbol }));
    const left = await position(rest);
    if (!left) return;
    const side = left > 0 ? 'SELL' : 'BUY';
    await data(rest.newOrder({ symbol, side, type: 'MARKET', quantity: Math.abs(left), reduceOnly: 'true' }));
}

export async function run() {
    const { restAPI: rest } = client(hmac);
    const { price, quantity, tick } = await quote(rest);
    const limit = { symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity, price };

    await check('leverage, margin type, symbol settings', async () => {
        assert.equal(Number((await data(rest.changeInitialLeverage({ symbol, leverage: 8 }))).leverage), 8);
        const [conf] = await data(rest.symbolConfiguration({ symbol }));
        assert.deepEqual([Number(conf.leverage), conf.marginType], [8, 'CROSSED']);
        assert.equal((await data(rest.getCurrentPositionMode())).dualSidePosition, false);
    });

    await check('limit order placed, read, listed, modified, cancelled', async () => {
        const o = await data(rest.newOrder(limit));
        assert.deepEqual([o.status, Number(o.price), Number(o.origQty)], ['NEW', price, quantity]);
        const read = await data(rest.queryOrder({ symbol, orderId: o.orderId }));
        assert.deepEqual([read.status, read.clientOrderId], ['NEW', o.clientOrderId]);
        const open = await data(rest.currentAllOpenOrders({ symbol }));
        assert.deepEqual(open.map((x) => x.orderId), [o.orderId]);
        const moved = round(price - 5 * tick);
        const m = await data(rest.modifyOrder({ symbol, side: 'BUY', orderId: o.orderId, quantity, price: moved }));
        assert.deepEqual([m.orderId, Number(m.price)], [o.orderId, moved]);
        const gone = await data(rest.cancelOrder({ symbol, orderId: o.orderId }));
        assert.deepEqual([gone.orderId, gone.status], [o.orderId, 'CANCELED']);
        assert.deepEqual(await data(rest.currentAllOpenOrders({ symbol })), []);
    });

    await check('batch placed, modified, cancelled', async () => {
        const text = (o) => ({ ...o, quantity: String(quantity), price: o.price.toFixed(GRID.price) });
        const prices = [1, 2].map((n) => round(price - n * tick));
        const placed = await data(rest.placeMultipleOrders({ batchOrders: prices.map((p) => text({ ...limit, price: p })) }));
        assert.deepEqual(placed.map((p) => [p.status, Number(p.price)]), prices.map((p) => ['NEW', p]));
        const changed = prices.map((p) => round(p - 10 * tick));
        const edits = placed.map((p, i) => text({ symbol, side: 'BUY', orderId: p.orderId, price: changed[i] }));
        const modified = await data(rest.modifyMultipleOrders({ batchOrders: edits }));
        assert.deepEqual(modified.map((m) => Number(m.price)), changed);
        const gone = await data(rest.cancelMultipleOrders({ symbol, orderIdList: placed.map((p) => Number(p.orderId)) }));
        assert.deepEqual(gone.map((g) => g.status), ['CANCELED', 'CANCELED']);
        await data(rest.newOrder(limit));
        assert.equal(Number((await data(rest.cancelAllOpenOrders({ symbol }))).code), 200);
        assert.deepEqual(await data(rest.currentAllOpenOrders({ symbol })), []);
    });

    await check('market order, fills, position, wallet', async () => {
        const before = await wallet(rest);
        const o = await data(rest.newOrder({ symbol, side: 'BUY', type: 'MARKET', quantity, newOrderRespType: 'RESULT' }));
        assert.deepEqual([o.status, Number(o.executedQty)], ['FILLED', quantity]);
        const fills = await data(rest.accountTradeList({ symbol, orderId: o.orderId }));
        assert.equal(sum(fills, 'qty'), units(quantity));
        assert.equal(await position(rest), quantity);
        const fees = sum(fills, 'commission');
        assert.ok(fees > 0n);
        assert.equal(await wallet(rest), before - fees);
        const { takerCommissionRate } = await data(rest.userCommissionRate({ symbol }));
        const due = fills.reduce((n, f) => n + Number(f.quoteQty), 0) * Number(takerCommissionRate);
        assert.ok(Math.abs(Number(fees) / 1e8 - due) < 1e-6, `${fees} ${due}`);
        const account = await data(rest.accountInformationV3());
        assert.equal(Number(account.positions.find((p) => p.symbol === symbol).positionAmt), quantity);
    });

    await check('reduce-only order closes; income has it all', async () => {
        await data(rest.newOrder({ symbol, side: 'SELL', type: 'MARKET', quantity, reduceOnly: 'true' }));
        await until(async () => (await position(rest)) === 0);
        const rows = await data(rest.getIncomeHistory({ symbol, limit: 1000 }));
        assert.equal(await wallet(rest), units(mine.balance) + sum(rows, 'income'));
    });

    await check('order counts in the answer', async () => {
        const answer = await rest.newOrder(limit);
        const counts = answer.rateLimits.filter((l) => l.rateLimitType === 'ORDERS');
        assert.deepEqual(new Set(counts.map((l) => l.interval)), new Set(['SECOND', 'MINUTE']));
        assert.ok(counts.every((l) => l.count > 0), JSON.stringify(counts));
        const weight = (await rest.checkServerTime()).rateLimits.find((l) => l.rateLimitType === 'REQUEST_WEIGHT');
        assert.ok(weight.count > 0);
        await data(rest.cancelAllOpenOrders({ symbol }));
    });

    await check('Ed25519 key', async () => {
        const { restAPI: ed } = client(ed25519);
        const o = await data(ed.newOrder(limit));
        const open = await data(rest.currentAllOpenOrders({ symbol }));
        assert.deepEqual(open.map((x) => x.orderId), [o.orderId]);
        assert.equal((await data(ed.cancelOrder({ symbol, orderId: o.orderId }))).status, 'CANCELED');
    });
}
