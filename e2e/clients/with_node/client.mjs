// How the official connector is pointed at a venue: a base address for REST, streams and the WebSocket API. It wants TLS; the
// front's certificate is trusted by NODE_EXTRA_CA_CERTS.

import { createRequire } from 'node:module';

import { mine, place } from './checks.mjs';

// The packages are installed outside of these sources.
export const connector = createRequire(process.env.HELIOS_NODE)('@binance/derivatives-trading-usds-futures');

const host = `localhost:${place.tlsPort}`;

/** A client with that key; streams need none. The default second for a request is short beside a build. */
export const client = (key) =>
    new connector.DerivativesTradingUsdsFutures({
        configurationRestAPI: { ...key, basePath: `https://${host}`, timeout: 20_000 },
        configurationWebsocketAPI: { ...key, wsURL: `wss://${host}/ws-fapi/v1`, timeout: 20_000 },
        configurationWebsocketStreams: { wsURL: `wss://${host}` },
    });

export const hmac = { apiKey: mine.hmac.key, apiSecret: mine.hmac.secret };
export const ed25519 = { apiKey: mine.ed25519.key, privateKey: mine.ed25519.pem };

/** What a REST call answers. */
export const data = async (call) => (await call).data();
