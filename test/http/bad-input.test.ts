import { expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';

const { call } = await createCollections();
const punks = '0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb';

const invalid: [target: string, field: string][] = [
  ['/v1/collections/0xb47e', 'path.address'],
  ['/v1/collections/No%20Slug', 'path.address'],
  [`/v1/collections/${punks}?page=1`, 'query.page'],
  [`/v1/collections/${punks}/nfts?pageSize=101`, 'query.pageSize'],
  [`/v1/collections/${punks}/nfts?pageSize=0`, 'query.pageSize'],
  [`/v1/collections/${punks}/nfts?page=one`, 'query.page'],
  [`/v1/collections/${punks}/nfts?page=1&page=2`, 'query.page'],
  [`/v1/collections/${punks}/nfts?owner=0x12`, 'query.owner'],
  [`/v1/collections/${punks}/nfts?Hat=Red`, 'query.Hat'],
  [`/v1/collections/${punks}/nfts/-1`, 'path.tokenId'],
  [`/v1/collections/${punks}/nfts/1e3/owner`, 'path.tokenId'],
  [`/v1/collections/${punks}/nfts/${2n ** 256n}`, 'path.tokenId'],
  [`/v1/collections/${punks}/nfts/${'9'.repeat(77)}x`, 'path.tokenId'],
  [`/v1/collections/${punks}/holders?cursor=nonsense`, 'query.cursor'],
  [`/v1/collections/${punks}/holders?cursor=${Buffer.from('[1]').toString('base64url')}`, 'query.cursor'],
  [`/v1/collections/${punks}/holders?asOf=yesterday`, 'query.asOf'],
  [
    `/v1/collections/${punks}/nfts/1/transfers?cursor=${Buffer.from('["x",1,1,"1"]').toString('base64url')}`,
    'query.cursor',
  ],
  ['/v1/collections?sort=size', 'query.sort'],
  ['/v1/collections?limit=1000', 'query.limit'],
  ['/v1/users/0', 'path.fid'],
  ['/v1/users/alice', 'path.fid'],
  ['/v1/wallets/vitalik.eth/collections', 'path.address'],
];

test.each(invalid)('%s is rejected, naming %s', async (target, field) => {
  const { status, headers, json } = await call(target);
  expect([status, headers['content-type']]).toEqual([400, 'application/problem+json']);
  expect(json.errors.map((one: { field: string }) => one.field)).toContain(field);
  expect(json.correlationId).toBe(headers['x-correlation-id']);
});

test('a body over 1 MiB is rejected', async () => {
  const { status, json } = await call('/v1/webhooks/alchemy', { method: 'POST', rawBody: 'x'.repeat(1_048_577) });
  expect([status, json.type]).toEqual([413, 'urn:tributary:problem:body-too-large']);
});

test('a missing resource is a 404 with the same bytes for every client', async () => {
  const [one, two] = [await call('/v1/collections/no-such-list'), await call('/v1/collections/no-such-list')];
  expect([one.status, one.headers['content-type'], one.headers['x-cache'], two.headers['x-cache']]).toEqual([
    404,
    'application/problem+json',
    'miss',
    'hit',
  ]);
  expect(two.text).toBe(one.text);
});
