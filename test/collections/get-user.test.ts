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

test('a user is answered with the profile and every wallet', async () => {
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

test('a user known by a wallet alone has no name, and upstream is not asked for it', async () => {
  expect((await call('/v1/users/999999999999999')).json).toMatchObject({
    fid: 999_999_999_999_999,
    username: null,
    displayName: null,
    imageUrl: null,
    wallets: [wallet(0xa)],
  });
  expect(neynar.requests).toBe(0);
});

test('a user whom nobody knows is asked for upstream, and not again while the 404 is cached', async () => {
  for (const cache of ['miss', 'hit']) {
    const { status, headers } = await call('/v1/users/8');
    expect([status, headers['x-cache'], neynar.requests]).toEqual([404, cache, 1]);
  }
});

test('another name, and a wallet that is no longer verified, show at once', async () => {
  const changed = { ...ann, displayName: null, wallets: [wallet(0xb)] };
  const { json } = await readAfter(call, '/v1/users/7', () => commit((tx) => recordUsers(tx, [changed])));
  expect([json.displayName, json.wallets]).toEqual([null, [wallet(0xb)]]);
});

test('a wallet seen for the first time shows at once', async () => {
  const seen = { fid: 7, wallet: wallet(0xc), seenAt: new Date() };
  const { json } = await readAfter(call, '/v1/users/7', () => commit((tx) => recordSeenWallets(tx, [seen])));
  expect(json.wallets).toEqual([wallet(0xb), wallet(0xc)]);
});

test.each([
  ['/v1/users/007', 'path.fid'],
  ['/v1/users/1000000000000000', 'path.fid'],
  ['/v1/users/7?wallets=all', 'query.wallets'],
])('%s is refused for %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
