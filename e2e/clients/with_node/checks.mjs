// Named checks of the Node connector: each says `ok` or why not, on a line of JSON that the harness reads.
// A check that fails does not end the program: those after it still run.

import assert from 'node:assert/strict';
import fs from 'node:fs';

// A check that hangs has failed. Nothing here takes a tenth of it on an idle machine.
const PATIENCE = 60_000;

export const place = JSON.parse(fs.readFileSync(process.env.HELIOS_CLIENTS, 'utf8'));
export const mine = place.accounts.node;
let failed = 0;

/** Fails after the patience. */
const late = () =>
    new Promise((_, reject) => {
        setTimeout(() => reject(new Error('it did not end in time')), PATIENCE).unref();
    });

/** Runs the body as the check of that name. */
export async function check(name, body) {
    let why = null;
    try {
        await Promise.race([body(), late()]);
    } catch (e) {
        failed += 1;
        why = `${e?.name}: ${e?.message ?? e}`.replaceAll('\n', ' ');
        console.error(e);
    }
    console.log(JSON.stringify({ client: 'node', check: name, why }));
}

/** The body must be refused with that class of error and that code. */
export async function refused(name, kind, code, body) {
    await check(name, async () => {
        let thrown = null;
        try {
            await body();
        } catch (e) {
            thrown = e;
        }
        assert.equal(thrown?.constructor.name, kind.name, `${thrown}`);
        assert.equal(thrown.code, code, `${thrown}`);
        assert.ok(thrown.message.length > 0);
    });
}

/** Looks until it is so, and returns what was seen; the check's own time ends it. */
export async function until(see) {
    for (;;) {
        const seen = await see();
        if (seen) return seen;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** The whole number of units of `10^-digits` that a decimal in text has: sums to the last digit without fractions. */
export function units(text, digits = 8) {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(text)) ?? assert.fail(`no decimal: ${text}`);
    assert.ok(fraction.length <= digits || /^0*$/.test(fraction.slice(digits)), `more than ${digits} digits: ${text}`);
    return BigInt(sign + whole + fraction.slice(0, digits).padEnd(digits, '0'));
}

/** The sum of one field of some rows, in units. */
export const sum = (rows, field) => rows.reduce((total, row) => total + units(row[field]), 0n);

/** Moves the market along a path of [ms from now, factor]; returns at once. */
export async function move(path) {
    const answer = await fetch(`http://${place.admin}/price-path`, {
        method: 'POST',
        body: JSON.stringify({ symbol: mine.symbol, path }),
    });
    assert.equal(answer.status, 200, await answer.text());
}

/** Ends the program: 0 if every check was ok. The connector keeps timers of its sockets, which are not waited for. */
export const done = () => process.exit(failed ? 1 : 0);
