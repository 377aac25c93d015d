// What is wrong is refused with the connector's class for the status, and the exchange's code.

import { check, mine, refused } from './checks.mjs';
import { client, connector, data, hmac } from './client.mjs';
import { quote, round } from './orders.mjs';
import assert from 'node:assert/strict';

const { BadRequestError, UnauthorizedError } = connector;
const { symbol } = mine;

export async function run() {
    const { restAPI: rest } = client(hmac);
    const { price, quantity, bid } = await quote(rest);
    const limit = { symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity, price };
    const wrong = (name, code, call) => refused(`BadRequestError (${code}): ${name}`, BadRequestError, code, call);

    await wrong('no such contract', -1121, () => rest.orderBook({ symbol: 'NOPEUSDT' }));
    await wrong('more than the margin', -2019, () => rest.newOrder({ ...limit, quantity: quantity * 2000 }));
    await wrong('more digits than the grid', -1111, () => rest.newOrder({ ...limit, quantity: 1.00012 }));
    await wrong('below the least notional', -4164, () => rest.newOrder({ ...limit, quantity: 0.01 }));
    await wrong('reduce-only without a position', -2022, () => rest.newOrder({ ...limit, side: 'SELL', reduceOnly: 'true' }));
    await wrong('read what nobody has', -2013, () => rest.queryOrder({ symbol, orderId: 987654321 }));
    await wrong('cancel what nobody has', -2011, () => rest.cancelOrder({ symbol, orderId: 987654321 }));
    await wrong('a stop that would go off', -2021, () =>
        rest.newAlgoOrder({ algoType: 'CONDITIONAL', symbol, side: 'SELL', type: 'STOP_MARKET', triggerPrice: round(bid * 1.02), quantity }),
    );
    await wrong('fill or kill that can\'t', -5021, () => rest.newOrder({ ...limit, timeInForce: 'FOK' }));
    await wrong('post only that would take', -5022, () => rest.newOrder({ ...limit, side: 'SELL', timeInForce: 'GTX' }));
    await wrong('margin type as it is', -4046, () => rest.changeMarginType({ symbol, marginType: 'CROSSED' }));
    await wrong('a parameter is missing', -1102, () => rest.newOrder({ ...limit, quantity: undefined }));
    await wrong('another secret', -1022, () => client({ ...hmac, apiSecret: 's'.repeat(64) }).restAPI.accountInformationV3());
    await refused('UnauthorizedError (-2015): a key nobody has', UnauthorizedError, -2015, () =>
        client({ ...hmac, apiKey: 'k'.repeat(64) }).restAPI.accountInformationV3(),
    );
    await check('nothing of it is open', async () => {
        assert.deepEqual(await data(rest.currentAllOpenOrders({ symbol })), []);
    });
}
