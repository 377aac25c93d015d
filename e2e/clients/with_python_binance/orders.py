"""Orders over REST, and what they leave in trades, positions and balances."""

from checks import dec, grid, holds, same, until


async def quote(client, symbol):
    """A price on the grid 3 % below the market, and a quantity worth about 1000 USDT."""
    info = await client.futures_exchange_info()
    filters = {f["filterType"]: f for s in info["symbols"] if s["symbol"] == symbol for f in s["filters"]}
    bid = dec((await client.futures_orderbook_ticker(symbol=symbol))["bidPrice"])
    tick, step = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
    return grid(bid * dec("0.97"), tick), grid(1000 / bid, step), dec(tick)


async def position(client, symbol):
    """The signed amount."""
    rows = await client.futures_position_information(symbol=symbol)
    return sum((dec(r["positionAmt"]) for r in rows), dec(0))


async def wallet(client):
    """The wallet's balance in USDT."""
    return dec([b for b in await client.futures_account_balance() if b["asset"] == "USDT"][0]["balance"])


async def tidy(client, symbol):
    """Nothing open and no position, whatever a check before this one has left."""
    await client.futures_cancel_all_open_orders(symbol=symbol)
    await client.futures_cancel_all_algo_open_orders(symbol=symbol)
    if left := await position(client, symbol):
        side = "SELL" if left > 0 else "BUY"
        await client.futures_create_order(symbol=symbol, side=side, type="MARKET", quantity=abs(left), reduceOnly="true")


async def run(c, client, _sockets, symbol):
    price, quantity, tick = await quote(client, symbol)
    limit = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}

    async with c.check("leverage, account and symbol settings"):
        same("answer", (await client.futures_change_leverage(symbol=symbol, leverage=9))["leverage"], 9)
        conf = (await client.futures_symbol_config(symbol=symbol))[0]
        same("as read", (conf["leverage"], conf["marginType"]), (9, "CROSSED"))
        same("one way", (await client.futures_get_position_mode())["dualSidePosition"], False)
        same("one asset", (await client.futures_get_multi_assets_mode())["multiAssetsMargin"], False)
        holds("can trade", (await client.futures_account_config())["canTrade"])
        rows = await client.futures_leverage_bracket(symbol=symbol)
        holds("brackets", len(rows[0]["brackets"]) > 1, rows)

    async with c.check("limit order placed, read, listed, modified, cancelled"):
        o = await client.futures_create_order(**limit, quantity=quantity, price=price)
        same("as placed", (o["status"], dec(o["price"]), dec(o["origQty"])), ("NEW", price, quantity))
        read = await client.futures_get_order(symbol=symbol, orderId=o["orderId"])
        same("as read", (read["status"], read["clientOrderId"]), ("NEW", o["clientOrderId"]))
        same("as listed", [x["orderId"] for x in await client.futures_get_open_orders(symbol=symbol)], [o["orderId"]])
        m = await client.futures_modify_order(
            symbol=symbol, side="BUY", orderId=o["orderId"], quantity=quantity, price=price - 5 * tick
        )
        same("as modified", (m["orderId"], dec(m["price"])), (o["orderId"], price - 5 * tick))
        gone = await client.futures_cancel_order(symbol=symbol, orderId=o["orderId"])
        same("as cancelled", (gone["orderId"], gone["status"]), (o["orderId"], "CANCELED"))
        same("none is open", await client.futures_get_open_orders(symbol=symbol), [])

    async with c.check("order test leaves nothing"):
        await client.futures_create_test_order(**limit, quantity=quantity, price=price)
        same("none is open", await client.futures_get_open_orders(symbol=symbol), [])

    async with c.check("batch placed and cancelled, one refused"):
        rows = [{**limit, "quantity": str(quantity), "price": str(price - n * tick)} for n in (1, 2)]
        rows.append({**limit, "quantity": str(quantity), "price": str(price + tick / 2)})
        placed = await client.futures_place_batch_order(batchOrders=rows)
        same("two and a refusal", [p.get("status") or p["code"] for p in placed], ["NEW", "NEW", -1111])
        ids = [p["orderId"] for p in placed[:2]]
        gone = await client.futures_cancel_orders(symbol=symbol, orderidlist=ids)
        same("as cancelled", [(g["orderId"], g["status"]) for g in gone], [(i, "CANCELED") for i in ids])

    async with c.check("cancel all"):
        for n in (1, 2):
            await client.futures_create_order(**limit, quantity=quantity, price=price - n * tick)
        same("code", (await client.futures_cancel_all_open_orders(symbol=symbol))["code"], 200)
        same("none is open", await client.futures_get_open_orders(symbol=symbol), [])

    async with c.check("market order, fills, position, wallet"):
        before = await wallet(client)
        o = await client.futures_create_order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity, newOrderRespType="RESULT")
        same("as placed", (o["status"], dec(o["executedQty"])), ("FILLED", quantity))
        fills = await client.futures_account_trades(symbol=symbol, orderId=o["orderId"])
        same("together", sum(dec(f["qty"]) for f in fills), quantity)
        average = sum(dec(f["qty"]) * dec(f["price"]) for f in fills) / quantity
        read = await client.futures_get_order(symbol=symbol, orderId=o["orderId"])
        holds("average", abs(average - dec(read["avgPrice"])) < tick, average, read["avgPrice"])
        same("position", await position(client, symbol), quantity)
        fees = sum(dec(f["commission"]) for f in fills)
        same("wallet to the last digit", await wallet(client), before - fees)
        rate = dec((await client.futures_commission_rate(symbol=symbol))["takerCommissionRate"])
        holds("fees by the rate", abs(fees - sum(dec(f["quoteQty"]) for f in fills) * rate) < dec("0.00000005"), fees, rate)
        account = await client.futures_account()
        known = {p["symbol"]: p for p in account["positions"]}[symbol]
        same("in the account", dec(known["positionAmt"]), quantity)
        holds("initial margin is held", dec(account["totalPositionInitialMargin"]) > 0, account["totalPositionInitialMargin"])

    async with c.check("reduce-only order closes; income has it all"):
        await client.futures_create_order(symbol=symbol, side="SELL", type="MARKET", quantity=quantity, reduceOnly="true")

        async def flat():
            return await position(client, symbol) == 0

        await until("flat", flat)
        rows = await client.futures_income_history(symbol=symbol, limit=1000)
        same("wallet to the last digit", await wallet(client), dec(c.mine["balance"]) + sum(dec(r["income"]) for r in rows))
        holds("kinds", {r["incomeType"] for r in rows} <= {"COMMISSION", "REALIZED_PNL"}, rows)

    async with c.check("countdown to cancel all"):
        o = await client.futures_create_order(**limit, quantity=quantity, price=price)
        await client.futures_countdown_cancel_all(symbol=symbol, countdownTime=1000)

        async def cancelled():
            return (await client.futures_get_order(symbol=symbol, orderId=o["orderId"]))["status"] == "CANCELED"

        await until("cancelled", cancelled)

    async with c.check("Ed25519 key"):
        ed = await type(client).create(c.mine["ed25519"]["key"], private_key=c.mine["ed25519"]["pem"])
        try:
            o = await ed.futures_create_order(**limit, quantity=quantity, price=price)
            same("the account's own order", [x["orderId"] for x in await client.futures_get_open_orders(symbol=symbol)], [o["orderId"]])
            await ed.futures_cancel_order(symbol=symbol, orderId=o["orderId"])
            same("none is open", await client.futures_get_open_orders(symbol=symbol), [])
        finally:
            await ed.close_connection()
