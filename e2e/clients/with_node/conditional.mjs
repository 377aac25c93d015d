// Conditional orders at the algo endpoints; one of them goes off.

import assert from 'node:assert/strict';

import { check, mine, move, until } from './checks.mjs';
import { client, data, hmac } from './client.mjs';
import { position, quote, round } from './orders.mjs';

const { symbol } = mine;

export async function run() {
    const { restAPI: rest } = client(hmac);
    const { quantity, bid } = await quote(rest);
    const stop = (type, more) => data(rest.newAlgoOrder({ algoType: 'CONDITIONAL', symbol, side: 'SELL', type, ...more }));
    const at = (factor) => round(bid * factor);

    await data(rest.newOrder({ symbol, side: 'BUY', type: 'MARKET', quantity }));
    await check('stop-market, take-profit, trailing stop placed, read, listed, cancelled', async () => {
        const made = [
            await stop('STOP_MARKET', { triggerPrice: at(0.95), quantity, reduceOnly: 'true' }),
            await stop('TAKE_PROFIT_MARKET', { triggerPrice: at(1.05), closePosition: 'true' }),
            await stop('TRAILING_STOP_MARKET', { callbackRate: 1, activatePrice: at(1.04), quantity, reduceOnly: 'true' }),
        ];
        const kinds = ['STOP_MARKET', 'TAKE_PROFIT_MARKET', 'TRAILING_STOP_MARKET'];
        assert.deepEqual(made.map((m) => [m.orderType, m.algoStatus]), kinds.map((k) => [k, 'NEW']));
        const read = await data(rest.queryAlgoOrder({ algoId: made[0].algoId }));
        assert.deepEqual([read.algoStatus, Number(read.triggerPrice)], ['NEW', at(0.95)]);
        const open = await data(rest.currentAllAlgoOpenOrders({ symbol }));
        assert.deepEqual(open.map((o) => o.algoId).sort(), made.map((m) => m.algoId).sort());
        await data(rest.cancelAlgoOrder({ algoId: made[0].algoId }));
        assert.equal((await data(rest.queryAlgoOrder({ algoId: made[0].algoId }))).algoStatus, 'CANCELED');
        await data(rest.cancelAllAlgoOpenOrders({ symbol }));
        assert.deepEqual(await data(rest.currentAllAlgoOpenOrders({ symbol })), []);
    });

    await check('stop-market goes off', async () => {
        const { bid: now } = await quote(rest);
        const made = await stop('STOP_MARKET', { triggerPrice: round(now * 0.99), quantity, reduceOnly: 'true' });
        await move([[500, 0.98], [3000, 0.98]]);
        const read = await until(async () => {
            const o = await data(rest.queryAlgoOrder({ algoId: made.algoId }));
            return o.algoStatus === 'FINISHED' && o;
        });
        const child = await data(rest.queryOrder({ symbol, orderId: Number(read.actualOrderId) }));
        assert.deepEqual([child.status, child.side, Number(child.executedQty)], ['FILLED', 'SELL', quantity]);
        assert.ok(Math.abs(Number(child.avgPrice) / (now * 0.99) - 1) < 0.02, child.avgPrice);
        assert.equal(await position(rest), 0);
        const all = await data(rest.queryAllAlgoOrders({ symbol }));
        assert.equal(all.find((o) => o.algoId === made.algoId)?.algoStatus, 'FINISHED');
    });
}
