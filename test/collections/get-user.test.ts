import { beforeAll, expect, test } from 'vitest';
import { recordSeenWallets, recordUsers } from '../../functions/collections/record-users.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal, startUpstream } from '../support/reads.ts';
import { wallet } from '../support/transfers.ts';

const neynar = await startUpstream(200, { users: [] });
const { call } = await createCollections({ UPSTREAM_NEYNAR_URL: neynar.url });
const ann = {
  fid: 7,
  username: 'ann',
  displayName: 'Ann',
  imageUrl: 'https://x.test/ann.png',
  wallets: [wallet(0xb), wallet(0xa)],
};

beforeAll(() =>
  commit(async (tx) => {
    await recordUsers(tx, [ann]);
    await recordSeenWallets(tx, [{ fid: 999_999_999_999_999, wallet: wallet(0xa), seenAt: new Date() }]);
    await tx.query(`update collections.fc_users set updated_at = '2026-01-06T07:08:09.123Z'`);
  }),
);

test('returns a user with the profile and all wallets', async () => {
  const { json, headers } = await call('/v1/users/7');
  expect(json).toEqual({
    fid: 7,
    username: 'ann',
    displayName: 'Ann',
    imageUrl: 'https://x.test/ann.png',
    wallets: [wallet(0xa), wallet(0xb)],
    updatedAt: '2026-01-06T07:08:09.123Z',
  });
  expect(headers['as-of']).toBe('2026-01-06T07:08:09.123Z');
});

test('returns a user without a profile without a request to upstream', async () => {
  expect((await call('/v1/users/999999999999999')).json).toMatchObject({
    fid: 999_999_999_999_999,
    username: null,
    displayName: null,
    imageUrl: null,
    wallets: [wallet(0xa)],
  });
  expect(neynar.requests).toBe(0);
});

test('requests an unknown user from upstream, and not again while the 404 is cached', async () => {
  for (const cache of ['miss', 'hit']) {
    const { status, headers } = await call('/v1/users/8');
    expect([status, headers['x-cache'], neynar.requests]).toEqual([404, cache, 1]);
  }
});

test('shows a changed name and a removed wallet at once', async () => {
  const changed = { ...ann, displayName: 'Anna', wallets: [wallet(0xb)] };
  const { json } = await readAfter(call, '/v1/users/7', () => commit((tx) => recordUsers(tx, [changed])));
  expect([json.displayName, json.wallets]).toEqual(['Anna', [wallet(0xb)]]);
});

test('shows a new wallet at once', async () => {
  const seen = { fid: 7, wallet: wallet(0xc), seenAt: new Date() };
  const { json } = await readAfter(call, '/v1/users/7', () => commit((tx) => recordSeenWallets(tx, [seen])));
  expect(json.wallets).toEqual([wallet(0xb), wallet(0xc)]);
});

test.each([
  ['/v1/users/007', 'path.fid'],
  ['/v1/users/1000000000000000', 'path.fid'],
  ['/v1/users/7?wallets=all', 'query.wallets'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
