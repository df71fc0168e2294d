/** The stand-ins, and what is asked of them, held against the vendors' own descriptions where these are at hand. */
import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startNeynar } from '../../local/upstreams/neynar.ts';

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

const asked: [what: string, spec: Json | null, url: string, pathEnd: string][] = [
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
  [
    'user/bulk-by-address',
    neynarApi,
    `${neynar.url}/v2/farcaster/user/bulk-by-address/?addresses=${user.wallets[0]}`,
    '/v2/farcaster/user/bulk-by-address/',
  ],
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

describe.skipIf(!nft || !neynarApi)('the stand-ins answer as the vendors describe', () => {
  test.each(asked)('%s', async (_, spec, url, pathEnd) => {
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
