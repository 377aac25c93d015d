// Market data by REST and by stream.

import assert from 'node:assert/strict';

import { check, mine, until } from './checks.mjs';
import { client, data, hmac } from './client.mjs';

const { symbol } = mine;
const low = symbol.toLowerCase();

/** The first event of a stream for which it holds. */
const event = (stream, wanted = () => true) =>
    new Promise((resolve) => stream.on('message', (e) => wanted(e) && resolve(e)));

export async function run() {
    const { restAPI: rest, websocketStreams } = client(hmac);

    await check('exchange information', async () => {
        const info = await data(rest.exchangeInformation());
        const row = info.symbols.find((s) => s.symbol === symbol);
        assert.deepEqual([row.contractType, row.status, row.quoteAsset], ['PERPETUAL', 'TRADING', 'USDT']);
        const filters = new Set(row.filters.map((f) => f.filterType));
        for (const f of ['PRICE_FILTER', 'LOT_SIZE', 'MARKET_LOT_SIZE', 'MIN_NOTIONAL', 'PERCENT_PRICE']) assert.ok(filters.has(f), f);
    });

    await check('order book, klines, tickers, mark price, trades', async () => {
        const { serverTime } = await data(rest.checkServerTime());
        assert.ok(Math.abs(Number(serverTime) - Date.now()) < 1000, `${serverTime}`);
        const book = await data(rest.orderBook({ symbol, limit: 50 }));
        assert.deepEqual([book.bids.length, book.asks.length], [50, 50]);
        const bid = Number(book.bids[0][0]);
        assert.ok(bid < Number(book.asks[0][0]));
        const bars = await data(rest.klineCandlestickData({ symbol, interval: '1m', limit: 20 }));
        for (let i = 1; i < bars.length; i++) assert.equal(Number(bars[i][0]) - Number(bars[i - 1][0]), 60_000);
        const best = await data(rest.symbolOrderBookTicker({ symbol }));
        assert.ok(Number(best.bidPrice) < Number(best.askPrice));
        const mark = await data(rest.markPrice({ symbol }));
        assert.ok(Math.abs(Number(mark.markPrice) / bid - 1) < 0.02, `${mark.markPrice} ${bid}`);
        // A market that has only begun has had none.
        const trades = await until(async () => {
            const rows = await data(rest.compressedAggregateTradesList({ symbol, limit: 20 }));
            return rows.length > 0 && rows;
        });
        assert.ok(trades.every((t) => Number(t.p) > 0 && Number(t.q) > 0), JSON.stringify(trades));
    });

    const streams = await websocketStreams.connect();

    await check('difference stream and REST make one book', async () => {
        // As the exchange's documents say it: buffer, snapshot, first event around it, then `pu` is the `u` before.
        const events = [];
        streams.diffBookDepthStreams({ symbol: low, updateSpeed: '100ms' }).on('message', (e) => events.push(e));
        await until(() => events.length > 2);
        const snapshot = await data(rest.orderBook({ symbol, limit: 1000 }));
        const last = Number(snapshot.lastUpdateId);
        const levels = (rows) => rows.map(([p, q]) => [Number(p), Number(q)]);
        const book = { b: new Map(levels(snapshot.bids)), a: new Map(levels(snapshot.asks)) };
        await until(() => events.length && Number(events.at(-1).u) >= last && events.length > 40);
        const later = await data(rest.orderBook({ symbol, limit: 20 }));
        await until(() => Number(events.at(-1).u) >= Number(later.lastUpdateId));
        let before = null;
        let applied = 0;
        for (const e of events.filter((e) => Number(e.u) >= last)) {
            if (Number(e.u) > Number(later.lastUpdateId)) break;
            if (before === null) assert.ok(Number(e.U) <= last, `${e.U} ${last}`);
            else assert.equal(Number(e.pu), before);
            before = Number(e.u);
            applied += 1;
            for (const side of ['b', 'a']) {
                for (const [p, q] of e[side]) Number(q) ? book[side].set(Number(p), Number(q)) : book[side].delete(Number(p));
            }
            assert.ok(Math.max(...book.b.keys()) < Math.min(...book.a.keys()), 'crossed');
        }
        assert.ok(applied > 20, `${applied} events`);
        assert.equal(before, Number(later.lastUpdateId));
        const best = (side, order) => [...book[side]].sort((x, y) => order * (x[0] - y[0])).slice(0, 20);
        assert.deepEqual(best('b', -1), levels(later.bids));
        assert.deepEqual(best('a', 1), levels(later.asks));
    });

    await check('aggregated trades, mark price, kline, best price streams', async () => {
        const [trade, mark, kline, best] = await Promise.all([
            event(streams.aggregateTradeStreams({ symbol: low })),
            event(streams.markPriceStream({ symbol: low, updateSpeed: '1s' })),
            event(streams.klineCandlestickStreams({ symbol: low, interval: '1m' })),
            event(streams.individualSymbolBookTickerStreams({ symbol: low })),
        ]);
        assert.deepEqual([trade.e, trade.s], ['aggTrade', symbol]);
        assert.ok(Number(trade.p) > 0 && Number(trade.q) > 0);
        assert.ok(mark.e === 'markPriceUpdate' && Number(mark.p) > 0);
        assert.equal(Number(kline.k.T) - Number(kline.k.t), 59_999);
        assert.ok(Number(best.b) < Number(best.a));
    });

    await check('ticker streams', async () => {
        const [one, mini, all] = await Promise.all([
            event(streams.individualSymbolTickerStreams({ symbol: low })),
            event(streams.individualSymbolMiniTickerStream({ symbol: low })),
            event(streams.allMarketTickersStreams(), (rows) => rows.some((r) => r.s === symbol)),
        ]);
        assert.ok(one.e === '24hrTicker' && Number(one.l) <= Number(one.c) && Number(one.c) <= Number(one.h), JSON.stringify(one));
        assert.ok(mini.e === '24hrMiniTicker' && Number(mini.l) <= Number(mini.c), JSON.stringify(mini));
        assert.ok(all.every((r) => r.e === '24hrTicker'));
    });
    streams.disconnect();
}
