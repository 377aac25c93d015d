// Runs the flows of the official Node connector, or, with `limits`, those at an address that is refused.

import { done } from './checks.mjs';
import { tidy } from './orders.mjs';

const flows = process.argv.includes('limits')
    ? ['./limits.mjs']
    : ['./market.mjs', './orders.mjs', './conditional.mjs', './streams.mjs', './wsapi.mjs', './errors.mjs'];
for (const flow of flows) {
    // Market data and orders come first, and begin with an account that nothing has happened to.
    if (flows.indexOf(flow) > 1) await tidy();
    await (await import(flow)).run();
}
done();
