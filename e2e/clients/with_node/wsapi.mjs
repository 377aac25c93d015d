// The WebSocket API.

import assert from 'node:assert/strict';

import { check, mine, units } from './checks.mjs';
import { client, data, ed25519, hmac } from './client.mjs';
import { position, quote, round, wallet } from './orders.mjs';

const { symbol } = mine;

export async function run() {
    const made = client(hmac);
    const rest = made.restAPI;
    const { price, quantity, tick } = await quote(rest);
    const limit = { symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity, price };
    let socket = null;

    await check('socket: order book, prices', async () => {
        socket = await made.websocketAPI.connect();
        const book = (await socket.orderBook({ symbol, limit: 20 })).data;
        assert.ok(Number(book.bids[0][0]) < Number(book.asks[0][0]));
        const last = (await socket.symbolPriceTicker({ symbol })).data;
        assert.ok(last.symbol === symbol && Number(last.price) > 0);
        const best = (await socket.symbolOrderBookTicker({ symbol })).data;
        assert.ok(Number(best.bidPrice) < Number(best.askPrice));
    });

    /** Places, reads, modifies and cancels by that socket. */
    const round_trip = async (s) => {
        const o = (await s.newOrder(limit)).data;
        assert.deepEqual([o.status, Number(o.price), Number(o.origQty)], ['NEW', price, quantity]);
        const read = (await s.queryOrder({ symbol, orderId: o.orderId })).data;
        assert.deepEqual([read.status, read.clientOrderId], ['NEW', o.clientOrderId]);
        const moved = round(price - tick);
        const m = (await s.modifyOrder({ symbol, side: 'BUY', orderId: o.orderId, quantity, price: moved })).data;
        assert.deepEqual([m.orderId, Number(m.price)], [o.orderId, moved]);
        assert.equal((await s.cancelOrder({ symbol, orderId: o.orderId })).data.status, 'CANCELED');
        assert.deepEqual(await data(rest.currentAllOpenOrders({ symbol })), []);
    };

    await check('socket: limit order placed, read, modified, cancelled', () => round_trip(socket));

    await check('socket: market order, position, balance, account', async () => {
        const answer = await socket.newOrder({ symbol, side: 'BUY', type: 'MARKET', quantity });
        assert.ok(answer.rateLimits.some((l) => l.rateLimitType === 'ORDERS' && l.count > 0), JSON.stringify(answer.rateLimits));
        assert.equal(Number((await socket.positionInformationV2({ symbol })).data[0].positionAmt), quantity);
        const usdt = (await socket.futuresAccountBalanceV2()).data.find((b) => b.asset === 'USDT');
        assert.equal(units(usdt.balance), await wallet(rest));
        assert.equal(units((await socket.accountInformationV2()).data.totalWalletBalance), await wallet(rest));
    });

    await check('socket: stop placed, cancelled', async () => {
        const stop = (
            await socket.newAlgoOrder({
                algoType: 'CONDITIONAL', symbol, side: 'SELL', type: 'STOP_MARKET', triggerPrice: price, quantity, reduceOnly: 'true',
            })
        ).data;
        assert.deepEqual([stop.algoStatus, Number(stop.triggerPrice)], ['NEW', price]);
        await socket.cancelAlgoOrder({ algoId: stop.algoId });
        assert.deepEqual(await data(rest.currentAllAlgoOpenOrders({ symbol })), []);
        await socket.newOrder({ symbol, side: 'SELL', type: 'MARKET', quantity, reduceOnly: 'true' });
        assert.equal(await position(rest), 0);
    });

    await check('socket: user stream started, kept, stopped', async () => {
        const { listenKey } = (await socket.startUserDataStream()).data;
        assert.match(listenKey, /^[A-Za-z0-9]{20,}$/);
        assert.equal((await socket.keepaliveUserDataStream()).data.listenKey, listenKey);
        await socket.closeUserDataStream();
    });

    await check('socket: an order nobody has is refused', async () => {
        const why = await socket.queryOrder({ symbol, orderId: 987654321 }).then(() => null, (e) => e);
        assert.equal(why?.code, -2013, JSON.stringify(why));
    });

    await check('socket: Ed25519 key, with and without logon', async () => {
        const ed = await client(ed25519).websocketAPI.connect();
        await round_trip(ed);
        await ed.sendSignedMessage('session.logon');
        await round_trip(ed);
    });
}
