/** Validates the stand-ins and our requests against the vendors' API descriptions, if those are available. */
import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createSnowflake } from '../../functions/wallets/sources/snowflake.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startNeynar } from '../../local/upstreams/neynar.ts';
import { startSnowflake } from '../../local/upstreams/snowflake.ts';
import { createExpect } from '../../shared/upstream/client.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { openGate } from '../support/upstreams.ts';

type Json = Record<string, unknown>;

const read = async (name: string) =>
  parse(await readFile(new URL(`../../../shared/specs/${name}`, import.meta.url), 'utf8').catch(() => 'null'), {
    maxAliasCount: -1,
  }) as Json | null;
const [nft, neynarApi] = await Promise.all([read('alchemy-nft.yaml'), read('neynar.yaml')]);
const alchemy = await startAlchemy({ apiKey: 'key' });
const neynar = await startNeynar({ world: alchemy.world, apiKey: 'key' });
afterAll(() => Promise.all([alchemy.stop(), neynar.stop()]));
const [collection, user] = [alchemy.collections[4]!.address, alchemy.world.users[0]!];

const requests: [name: string, spec: Json | null, url: string, pathEnd: string][] = [
  [
    'getContractMetadata',
    nft,
    `${alchemy.url}/nft/v3/key/getContractMetadata?contractAddress=${collection}`,
    '/getContractMetadata',
  ],
  [
    'getNFTsForContract',
    nft,
    `${alchemy.url}/nft/v3/key/getNFTsForContract?contractAddress=${collection}&withMetadata=true`,
    '/getNFTsForContract',
  ],
  [
    'getOwnersForContract',
    nft,
    `${alchemy.url}/nft/v3/key/getOwnersForContract?contractAddress=${collection}&withTokenBalances=true`,
    '/getOwnersForContract',
  ],
  [
    'getContractsForOwner',
    nft,
    `${alchemy.url}/nft/v3/key/getContractsForOwner?owner=${alchemy.world.wallets[0]}`,
    '/getContractsForOwner',
  ],
  ['user/bulk', neynarApi, `${neynar.url}/v2/farcaster/user/bulk/?fids=${user.fid}`, '/v2/farcaster/user/bulk/'],
];

/** OpenAPI 3.0 says `nullable`, JSON Schema `null`. */
function nullableAsNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nullableAsNull);
  if (typeof value !== 'object' || value === null) return value;
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, nullableAsNull(inner)]),
  );
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}

describe.skipIf(!nft || !neynarApi)('the stand-ins respond as the vendors describe', () => {
  test.each(requests)('%s', async (_, spec, url, pathEnd) => {
    const [path, item] = Object.entries((spec as { paths: Record<string, Json> }).paths).find(([one]) =>
      one.includes('v3') || one.startsWith('/v2') ? one.endsWith(pathEnd) : false,
    )!;
    const operation = item.get as {
      deprecated?: boolean;
      responses: Record<string, { content?: Record<string, { schema: Json }>; $ref?: string }>;
    };
    expect([path, operation.deprecated ?? false]).toEqual([path, false]);
    const response = await fetch(url, { headers: { 'x-api-key': 'key' } });
    expect(response.status).toBe(200);
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    ajv.addSchema({ ...(nullableAsNull(spec) as Json), $id: 'spec' });
    const escaped = path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
    const validate = ajv.compile({ $ref: `spec#/paths/${escaped}/get/responses/200/content/application~1json/schema` });
    expect([validate(await response.json()), ajv.errorsText(validate.errors).slice(0, 600)]).toEqual([
      true,
      'No errors',
    ]);
  });
});

const snowflakeApi = await read('snowflake-sqlapi.yaml');

describe.skipIf(!snowflakeApi)('the warehouse stand-in and our requests follow Snowflake’s description', () => {
  test('statements, their status, and their results', async () => {
    const warehouse = await startSnowflake({ moments: 50, wallets: 5, editions: 4, scrapes: 1 });
    warehouse.behavior.rowsPerPartition = 20;
    warehouse.behavior.pollsBeforeResult = 1;
    const seen: { method: string; path: string; status: number; sent: unknown; headers: Headers; answer: unknown }[] =
      [];
    const { fetch } = globalThis;
    globalThis.fetch = async (target, init) => {
      const response = await fetch(target, init);
      const { pathname, search } = new URL(String(target));
      seen.push({
        method: init?.method ?? 'GET',
        path: pathname + search,
        status: response.status,
        sent: init?.body === undefined ? undefined : JSON.parse(String(init.body)),
        headers: new Headers(init?.headers),
        answer: await response.clone().json(),
      });
      return response;
    };
    try {
      const request = createRequest({ name: 'snowflake' }, openGate);
      const client = createSnowflake({
        baseUrl: warehouse.url,
        credentials: async () => warehouse.secret as never,
        request,
        expect: createExpect('snowflake', openGate),
      });
      const text = 'SELECT NFT_ID FROM NFT_CORE_METADATA ORDER BY 1';
      const result = await client.run(
        { text, bindings: [], requestId: 'e4ce975e-f7ff-4b5e-b15e-bf25f59371ae' },
        new Date(Date.now() + 10_000),
      );
      expect((await client.fetchPartition(result, 2)).length).toBe(10);
    } finally {
      globalThis.fetch = fetch;
      await warehouse.stop();
    }
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    ajv.addSchema({ ...(nullableAsNull(snowflakeApi) as Json), $id: 'snowflake' });
    const valid = (pointer: string, value: unknown) => {
      const validate = ajv.compile({ $ref: `snowflake#${pointer}` });
      expect([pointer, validate(value), ajv.errorsText(validate.errors)]).toEqual([pointer, true, 'No errors']);
    };
    const [submitted, polled, partition] = seen;
    expect(seen.map(({ method, status }) => [method, status])).toEqual([
      ['POST', 202],
      ['GET', 200],
      ['GET', 200],
    ]);
    valid('/paths/~1api~1v2~1statements/post/requestBody/content/application~1json/schema', submitted!.sent);
    valid('/components/schemas/QueryStatus', submitted!.answer);
    valid('/components/schemas/ResultSet', polled!.answer);
    expect(partition!.path).toMatch(/\?partition=2$/);
    for (const { headers } of seen)
      expect([headers.get('user-agent'), headers.get('x-snowflake-authorization-token-type')]).toEqual([
        expect.stringContaining('tributary'),
        'KEYPAIR_JWT',
      ]);
  });
});
