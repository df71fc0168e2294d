import { beforeAll, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { operations } from '../../functions/collections/contract.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { viewOf } from '../../shared/http/endpoint.ts';
import { getCache } from '../../shared/resources.ts';
import { createCollections } from '../support/collections.ts';

const { call, importFile, database } = await createCollections();
const contract = `0x${'c0'.repeat(20)}`;
const wallet = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const tokens = 137;

beforeAll(async () => {
  const lines = Array.from({ length: tokens }, (_, i) => `${i},Hat,${i % 3 === 0 ? 'Red' : 'Blue'}`);
  await importFile('traits', 'traits.csv', ['token_id,trait_type,trait_value', ...lines].join('\n'), {
    collection: contract,
  });
  // many holders have equal token counts, so the order has ties
  await commit((tx) =>
    recordTransfers(
      tx,
      Array.from({ length: tokens }, (_, i) => transfer(i, i % 45)),
    ),
  );
});

function transfer(token: number, holder: number, block = 100) {
  const transactionHash = `0x${(block * 1_000 + token).toString(16).padStart(64, '0')}`;
  return {
    collection: contract,
    tokenId: String(token),
    blockNumber: block,
    logIndex: token,
    transactionHash,
    from: wallet(0),
    to: wallet(holder + 1),
  };
}

test('the first read misses and the next hits, with the same bytes and ETag', async () => {
  const first = await call(`/v1/collections/${contract}/traits`);
  const second = await call(`/v1/collections/${contract}/traits`);
  expect([first.headers['x-cache'], second.headers['x-cache']]).toEqual(['miss', 'hit']);
  expect([second.text, second.headers.etag]).toEqual([first.text, first.headers.etag]);
});

test('a client that already has the answer gets a 304', async () => {
  const { headers } = await call(`/v1/collections/${contract}/traits`);
  const again = await call(`/v1/collections/${contract}/traits`, { headers: { 'if-none-match': `W/${headers.etag}` } });
  expect([again.status, again.text]).toEqual([304, '']);
  const other = await call(`/v1/collections/${contract}/traits`, { headers: { 'If-None-Match': '"other"' } });
  expect(other.status).toBe(200);
});

test('a large answer is compressed only for clients that accept gzip', async () => {
  const target = `/v1/collections/${contract}/nfts?pageSize=100`;
  const plain = await call(target);
  const packed = await call(target, { headers: { 'accept-encoding': 'br, gzip' } });
  const refused = await call(target, { headers: { 'accept-encoding': 'gzip;q=0' } });
  expect([
    plain.headers['content-encoding'],
    packed.headers['content-encoding'],
    refused.headers['content-encoding'],
  ]).toEqual([undefined, 'gzip', undefined]);
  expect([packed.text, refused.text]).toEqual([plain.text, plain.text]);
});

test('compressed and uncompressed answers have different ETags, and each is recognized', async () => {
  const target = `/v1/collections/${contract}/nfts?pageSize=100`;
  const packing = { 'accept-encoding': 'gzip' };
  const [plain, packed] = [await call(target), await call(target, { headers: packing })];
  expect(packed.headers.etag).not.toBe(plain.headers.etag);
  const again = async (headers: Record<string, string>) => (await call(target, { headers })).status;
  expect([
    await again({ 'if-none-match': plain.headers.etag! }),
    await again({ ...packing, 'if-none-match': packed.headers.etag! }),
    await again({ ...packing, 'if-none-match': plain.headers.etag! }),
    await again({ 'if-none-match': '*' }),
  ]).toEqual([304, 304, 200, 304]);
});

test('a missing resource is a 404, whatever If-None-Match says', async () => {
  const target = `/v1/collections/${contract}/nfts/999999`;
  const { status, headers } = await call(target);
  for (const tag of ['*', headers.etag!])
    expect([status, (await call(target, { headers: { 'if-none-match': tag } })).status]).toEqual([404, 404]);
});

test('a cache field names the operation, its query in canonical order, and its code', async () => {
  const { getRedis } = await import('../../shared/resources.ts');
  const target = `/v1/collections/${contract}/nfts`;
  for (const query of ['page=2&pageSize=7', 'pageSize=7&page=2']) await call(`${target}?${query}`);
  const { current } = await (await getCache()).generation();
  const fields = await (await getRedis()).redis.hkeys(`${current}:{collection-nfts:${contract}}`);
  const own = fields.filter((field) => field.startsWith('listNfts?') && field.includes('pageSize=7'));
  expect(own).toEqual([expect.stringMatching(/^listNfts\?page=2&pageSize=7~[\w-]{8}$/)]);
});

test('paging by cursor returns every row once, even with ties', async () => {
  for (const limit of [1, 7, 45, 200]) {
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json } = await call(
        `/v1/collections/${contract}/holders?limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`,
      );
      seen.push(...json.holders.map((one: { address: string }) => one.address));
      cursor = json.nextCursor;
    }
    expect([limit, seen.length, new Set(seen).size]).toEqual([limit, 45, 45]);
  }
});

test('pages return every token once, and filters only matching ones', async () => {
  const seen: string[] = [];
  for (let page = 1; page <= 3; page++) {
    const { json } = await call(`/v1/collections/${contract}/nfts?pageSize=50&page=${page}`);
    expect([json.total, json.pages]).toEqual([tokens, 3]);
    seen.push(...json.nfts.map((one: { tokenId: string }) => one.tokenId));
  }
  expect(seen).toEqual(Array.from({ length: tokens }, (_, i) => String(i)));
  const red = await call(`/v1/collections/${contract}/nfts?trait.Hat=Red`);
  const both = await call(`/v1/collections/${contract}/nfts?trait.Hat=Red&trait.Hat=Blue`);
  const owned = await call(`/v1/collections/${contract}/nfts?trait.Hat=Red&owner=${wallet(1)}`);
  const { rows } = await database.pool.query(
    `select count(*)::int as n from generate_series(0, ${tokens - 1}) as i where i % 3 = 0 and i % 45 = 0`,
  );
  expect([red.json.total, both.json.total, owned.json.total]).toEqual([Math.ceil(tokens / 3), 0, rows[0].n]);
});

test('the next read shows a change, whatever was cached', async () => {
  const targets = [
    `/v1/collections/${contract}/nfts/5/owner`,
    `/v1/wallets/${wallet(900)}/collections`,
    `/v1/collections/${contract}/holders?limit=200`,
    `/v1/collections/${contract}/nfts/5/transfers`,
  ];
  for (const target of targets) await call(target);
  for (const target of targets) expect([target, (await call(target)).headers['x-cache']]).toEqual([target, 'hit']);
  await commit((tx) => recordTransfers(tx, [{ ...transfer(5, 899, 200), from: wallet(6) }]));
  const [owner, held, holders, transfers] = await Promise.all(targets.map((target) => call(target)));
  expect(owner!.json.owner).toBe(wallet(900));
  expect(held!.json.collections).toMatchObject([{ address: contract, tokenCount: 1 }]);
  expect(holders!.json.holders).toContainEqual({ address: wallet(900), tokenCount: 1, amount: '1' });
  expect(transfers!.json.transfers).toHaveLength(2);
  expect([owner, held, holders, transfers].map((one) => one!.headers['x-cache'])).toEqual([
    'miss',
    'miss',
    'miss',
    'miss',
  ]);
});

test('an answer states its age, up to when it shows every change, and that clients must revalidate', async () => {
  const target = `/v1/collections/${contract}/traits`;
  await call(target);
  const later = Date.now() + 30_000;
  vi.spyOn(Date, 'now').mockImplementation(() => later);
  const { headers } = await call(target);
  vi.restoreAllMocks();
  expect(headers).toMatchObject({ 'x-cache': 'hit', 'cache-control': 'public, no-cache', vary: 'accept-encoding' });
  const behind = later - Date.parse(headers['as-of']!);
  expect([Number(headers.age) >= 30, Number(headers.age) < 60]).toEqual([true, true]);
  expect([behind >= 30_000, behind < 60_000]).toEqual([true, true]);
});

test('a different statement or contract has its own field', async () => {
  const input = { path: { address: contract }, query: {} };
  const { getTraits } = operations;
  const view = getTraits.cache!;
  // a deployment is a new process, with nothing cached in memory
  const another = '../../shared/http/endpoint.ts?deployment=2';
  const deployed = (await import(another)) as typeof import('../../shared/http/endpoint.ts');
  const fields = [
    viewOf(getTraits, view, input, 'select 1'),
    viewOf(getTraits, view, input, 'select 2'),
    deployed.viewOf({ ...getTraits, response: z.strictObject({ more: z.string() }) }, view, input, 'select 1'),
  ].map(({ field }) => field);
  expect(new Set(fields).size).toBe(3);
  expect(deployed.viewOf(getTraits, view, input, 'select 2').field).toBe(fields[1]);
});

test('cache-control reaches the cache: how stale an answer may be, or that it must be fenced', async () => {
  const reading = vi.spyOn(await getCache(), 'read');
  const control = ['max-stale=60', 'max-age=0, no-cache', 'max-age=60', 'no-cache, max-stale=5'];
  for (const value of control) await call('/v1/collections', { headers: { 'cache-control': value } });
  expect(reading.mock.calls.map(([, , options]) => options)).toEqual([
    { maxStaleSeconds: 60, mustBeFenced: false },
    { maxStaleSeconds: 0, mustBeFenced: true },
    { maxStaleSeconds: 0, mustBeFenced: false },
    { maxStaleSeconds: 5, mustBeFenced: true },
  ]);
  vi.restoreAllMocks();
});

test('a client may accept a stale answer', async () => {
  const { status } = await call('/v1/collections?sort=-tokens', { headers: { 'cache-control': 'max-stale=60' } });
  expect(status).toBe(200);
});
