/** Validates the stand-ins for price sources and our requests against the vendors' API descriptions, if those are available. */
import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, describe, expect, test } from 'vitest';
import { createAlchemyPrices } from '../../functions/portfolio/sources/alchemy-prices.ts';
import { createCoinGecko } from '../../functions/portfolio/sources/coingecko.ts';
import { createDefiLlama } from '../../functions/portfolio/sources/defillama.ts';
import { startAlchemyPrices } from '../../local/upstreams/alchemyprices.ts';
import { startCoinGecko } from '../../local/upstreams/coingecko.ts';
import { startDefiLlama } from '../../local/upstreams/defillama.ts';
import { createMarket } from '../../local/upstreams/market.ts';
import { createExpect } from '../../shared/upstream/client.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { openGate } from '../support/upstreams.ts';

// biome-ignore lint/suspicious/noExplicitAny: an API description
type Json = any;

const read = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(new URL(`../../../shared/specs/${name}`, import.meta.url), 'utf8').catch(() => 'null'));
const [llama, gecko] = await Promise.all([read('llama-free.json'), read('cg-demo-api.json')]);

const market = createMarket();
const [defillama, coingecko, alchemy] = await Promise.all([
  startDefiLlama(market),
  startCoinGecko('key', market),
  startAlchemyPrices('key', market),
]);
afterAll(() => Promise.all([defillama, coingecko, alchemy].map((one) => one.stop())));

const tokens = market.assets.flatMap(({ contracts, coingeckoId }, i) => {
  const [[chain, address] = [null, null]] = Object.entries(contracts);
  return [{ id: i, chain, address, coingeckoId }];
});

interface Seen {
  path: string;
  query: URLSearchParams;
  headers: Headers;
  answer: Json;
}

/** Creates a client, and returns what it asked and was answered. */
async function observe<Client>(
  create: (connection: never) => Client,
  baseUrl: string,
  use: (client: Client) => Promise<unknown>,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (target, init) => {
    const response = await fetch(target, init);
    const { pathname, searchParams } = new URL(String(target));
    const answer = await response.clone().json();
    seen.push({ path: pathname, query: searchParams, headers: new Headers(init?.headers), answer });
    return response;
  };
  try {
    const connection = {
      baseUrl,
      credentials: async () => ({ apiKey: 'key' }),
      request: createRequest({ name: 'source' }, openGate),
      expect: createExpect('source', openGate),
    };
    await use(create(connection as never));
  } finally {
    globalThis.fetch = fetch;
  }
  return seen;
}

function validate(spec: Json, schema: Json, value: unknown): void {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ ...spec, $id: 'spec' });
  const check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"spec#/')));
  expect([check(value), ajv.errorsText(check.errors).slice(0, 600)]).toEqual([true, 'No errors']);
}

/** Fails if a request has parameters that the operation does not know, or lacks one that it requires. */
function validateQuery(operation: Json, query: URLSearchParams): void {
  expect(operation.deprecated ?? false).toBe(false);
  const known = operation.parameters.filter((one: Json) => one.in === 'query');
  const names = [...query.keys()];
  expect(names.filter((name) => !known.some((one: Json) => one.name === name))).toEqual([]);
  expect(known.filter((one: Json) => one.required && !query.has(one.name))).toEqual([]);
  for (const { name, schema } of known)
    if (schema?.enum && query.has(name)) expect(schema.enum).toContain(query.get(name));
}

describe.skipIf(!llama)('DefiLlama', () => {
  test('current prices', async () => {
    const seen = await observe(createDefiLlama, defillama.url, (client) => client.getQuotes(tokens));
    const operation = llama.paths['/prices/current/{coins}'].get;
    expect([seen.length, seen[0]!.path]).toEqual([1, expect.stringMatching(/^\/prices\/current\/[^/]+$/)]);
    validateQuery(operation, seen[0]!.query);
    // the description names one token, whose entry stands for all
    const { coins } = operation.responses['200'].content['application/json'].schema.properties;
    const [entry] = Object.values(coins.properties);
    expect(Object.keys(seen[0]!.answer.coins).length).toBe(tokens.length);
    validate(llama, { type: 'object', additionalProperties: entry }, seen[0]!.answer.coins);
  });
});

describe.skipIf(!gecko)('CoinGecko', () => {
  test.each([
    ['ids', '/simple/price', '/simple/price'],
    ['base', '/simple/token_price/{id}', '/simple/token_price/base'],
  ] as const)('prices by %s', async (group, name, path) => {
    const wanted = tokens.filter(({ chain }) => group === 'ids' || chain === group);
    const seen = await observe(createCoinGecko, coingecko.url, (client) => client.getQuotes(group, wanted));
    const operation = gecko.paths[name].get;
    expect(seen.map((one) => one.path)).toEqual([`/api/v3${path}`]);
    expect(seen[0]!.headers.get(gecko.components.securitySchemes.headerAuth.name)).toBe('key');
    validateQuery(operation, seen[0]!.query);
    expect(Object.keys(seen[0]!.answer).length).toBe(wanted.length);
    validate(gecko, operation.responses['200'].content['application/json'].schema, seen[0]!.answer);
  });
});

test('a request of Alchemy names at most 25 tokens, by network and contract', async () => {
  const seen = await observe(createAlchemyPrices, alchemy.url, (client) => client.getQuotes(tokens));
  expect(seen.map(({ path }) => path)).toEqual(['/prices/v1/key/tokens/by-address']);
  expect(seen[0]!.answer.data.length).toBe(tokens.filter(({ address }) => address).length);
  for (const one of seen[0]!.answer.data)
    expect(one).toEqual({
      network: expect.stringMatching(/^(eth|base)-mainnet$/),
      address: expect.stringMatching(/^0x[0-9a-f]{40}$/),
      prices: [{ currency: 'usd', value: expect.stringMatching(/^\d+\.\d+$/), lastUpdatedAt: expect.any(String) }],
      error: null,
    });
});
