// The account's own stream while orders run.

import assert from 'node:assert/strict';

import { check, mine, sum, units, until } from './checks.mjs';
import { client, data, hmac } from './client.mjs';
import { position, quote, round, wallet } from './orders.mjs';

const { symbol } = mine;

export async function run() {
    const { restAPI: rest, websocketStreams } = client(hmac);
    const { price, quantity, tick } = await quote(rest);
    const { listenKey } = await data(rest.startUserDataStream());
    const streams = await websocketStreams.connect();
    const events = [];
    streams.userData(listenKey).on('message', (e) => events.push(e));
    // Subscribed once an order of ours comes over it.
    await until(async () => {
        const o = await data(rest.newOrder({ symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity, price }));
        await data(rest.cancelOrder({ symbol, orderId: o.orderId }));
        return events.length > 0;
    });
    const order = (wanted) => until(() => events.find((e) => e.e === 'ORDER_TRADE_UPDATE' && wanted(e.o))?.o);

    await check('user stream: order placed, modified, cancelled', async () => {
        const o = await data(rest.newOrder({ symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity, price }));
        const placed = await order((r) => r.i === o.orderId && r.x === 'NEW');
        assert.deepEqual([placed.X, Number(placed.p), Number(placed.q), placed.c], ['NEW', price, quantity, o.clientOrderId]);
        const moved = round(price - tick);
        await data(rest.modifyOrder({ symbol, side: 'BUY', orderId: o.orderId, quantity, price: moved }));
        const amended = await order((r) => r.i === o.orderId && r.x === 'AMENDMENT');
        assert.deepEqual([amended.X, Number(amended.p)], ['NEW', moved]);
        await data(rest.cancelOrder({ symbol, orderId: o.orderId }));
        assert.equal((await order((r) => r.i === o.orderId && r.x === 'CANCELED')).X, 'CANCELED');
    });

    await check('user stream: fill, position, balance, conditional order', async () => {
        const o = await data(rest.newOrder({ symbol, side: 'BUY', type: 'MARKET', quantity }));
        await order((r) => r.i === o.orderId && r.X === 'FILLED');
        const seen = events.filter((e) => e.e === 'ORDER_TRADE_UPDATE' && e.o.i === o.orderId && e.o.x === 'TRADE').map((e) => e.o);
        assert.equal(sum(seen, 'l'), units(quantity));
        assert.equal(sum(seen, 'n'), sum(await data(rest.accountTradeList({ symbol, orderId: o.orderId })), 'commission'));
        const due = await wallet(rest);
        const update = await until(() =>
            events.find((e) => e.e === 'ACCOUNT_UPDATE' && Number(e.a.P?.[0]?.pa) === quantity && units(e.a.B[0].wb) === due),
        );
        assert.deepEqual([update.a.m, update.a.P[0].s], ['ORDER', symbol]);
        const stop = await data(
            rest.newAlgoOrder({
                algoType: 'CONDITIONAL', symbol, side: 'SELL', type: 'STOP_MARKET', triggerPrice: price, closePosition: 'true',
            }),
        );
        await until(() => events.find((e) => e.e === 'ALGO_UPDATE' && e.o.aid === stop.algoId && e.o.X === 'NEW'));
        await data(rest.cancelAlgoOrder({ algoId: stop.algoId }));
        await until(() => events.find((e) => e.e === 'ALGO_UPDATE' && e.o.aid === stop.algoId && e.o.X === 'CANCELED'));
        await data(rest.newOrder({ symbol, side: 'SELL', type: 'MARKET', quantity, reduceOnly: 'true' }));
        assert.equal(await position(rest), 0);
    });
    streams.disconnect();
}
