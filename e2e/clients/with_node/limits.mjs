// The address's weight is used up; who goes on asking is banned.

import assert from 'node:assert/strict';

import { check, mine } from './checks.mjs';
import { client, connector, hmac } from './client.mjs';

const { RateLimitBanError, TooManyRequestsError } = connector;

export async function run() {
    const { restAPI: rest } = client(hmac);
    // Asked three times as often as a minute allows, as a minute may end meanwhile.
    const why = () => rest.orderBook({ symbol: mine.symbol, limit: 1000 }).then(() => null, (e) => e);

    await check('TooManyRequestsError (-1003): the weight is used up', async () => {
        let e = null;
        for (let n = 0; n < 400 && !e; n++) e = await why();
        assert.deepEqual([e?.constructor.name, e?.code], [TooManyRequestsError.name, -1003]);
    });

    await check('RateLimitBanError (-1003): and it went on', async () => {
        let e = null;
        for (let n = 0; n < 400 && e?.constructor.name !== RateLimitBanError.name; n++) e = await why();
        assert.deepEqual([e?.constructor.name, e?.code], [RateLimitBanError.name, -1003]);
    });
}
