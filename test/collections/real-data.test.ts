import { beforeAll, describe, expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';
import { type JobRow, realFile } from '../support/test-domain.ts';

const punks = '0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb';
const { call, importFile, outboxSize, database } = await createCollections();
const expectedOf = async (folder: string) =>
  JSON.parse((await realFile(`${folder}/expected.json`))?.toString() ?? 'null');
const [traits, transfers, users, holders] = await Promise.all(
  ['01-nft-traits', '03-nft-transfers', '04-farcaster-users', '05-nft-holder-snapshots'].map(expectedOf),
);

const files: [dataset: string, file: string, set: Record<string, string>, rows: number][] = [
  ['traits', '01-nft-traits/cryptopunks_traits.csv.gz', { collection: punks }, 57_418],
  ['nfts', '01-nft-traits/cryptopunks_nfts.csv.gz', { collection: punks }, 10_000],
  ['transfers', '03-nft-transfers/cryptopunks_token_transfers.csv.gz', { collection: punks }, 3_240],
  ['users', '04-farcaster-users/farcaster_wallets.csv.gz', {}, 100_086],
  ['holders', '05-nft-holder-snapshots/holders.csv.gz', {}, 21_904],
];

async function importAll(): Promise<JobRow[]> {
  const rows: JobRow[] = [];
  for (const [dataset, file, set] of files)
    rows.push(await importFile(dataset, file.split('/')[1]!, (await realFile(file))!, set));
  return rows;
}

// the data is not part of the project and has to be next to the checkout
describe.skipIf(!traits)('imported real data', () => {
  let first: JobRow[];
  beforeAll(async () => {
    first = await importAll();
  });

  test('every row is accepted', () => {
    expect(first.map(({ status, rows_read, rows_rejected }) => [status, rows_read, rows_rejected])).toEqual(
      files.map(([, , , rows]) => ['succeeded', rows, 0]),
    );
  });

  test('counts traits', async () => {
    const { json } = await call(`/v1/collections/${punks}/traits`);
    expect(json.tokenCount).toBe(traits.cryptopunks.tokens);
    const found = json.traits.flatMap(
      ({ type, values }: { type: string; values: { value: string; count: number }[] }) =>
        values.map(({ value, count }) => [type, value, count]),
    );
    expect(sorted(found)).toEqual(sorted(traits.cryptopunks.trait_counts));
    const distinct = json.traits.map(({ type, values }: { type: string; values: unknown[] }) => [type, values.length]);
    expect(sorted(distinct)).toEqual(sorted(traits.cryptopunks.distinct_values_per_type));
  });

  test('filters tokens by several traits', async () => {
    const { json } = await call(`/v1/collections/${punks}/nfts?trait.type=Alien&trait.accessory=Cap+Forward`);
    expect(json.total).toBe(1);
    const zombies = await call(`/v1/collections/${punks}/nfts?trait.type=Zombie&pageSize=100`);
    expect([zombies.json.total, zombies.json.nfts.length]).toEqual([88, 88]);
  });

  test('returns the owner after the last transfer', async () => {
    for (const [tokenId, owner] of transfers.token_transfers.owner_of_token_sample) {
      const { json } = await call(`/v1/collections/${punks}/nfts/${tokenId}/owner`);
      expect([tokenId, json.owner]).toEqual([tokenId, owner]);
    }
    const { json } = await call(`/v1/collections/${punks}/holders?limit=10`);
    expect(json.holderCount).toBe(transfers.token_transfers.owners);
    expect(json.tokenCount).toBe(transfers.token_transfers.distinct_tokens);
    expect(sorted(holdersOf(json))).toEqual(sorted(transfers.token_transfers.owner_top10));
  });

  test('returns the holders of each list', async () => {
    for (const [collection, top] of Object.entries(holders.top10_last)) {
      const { json } = await call(`/v1/collections/${collection}/holders?limit=10`);
      expect(sorted(holdersOf(json))).toEqual(sorted(top as unknown[]));
    }
    for (const [collection, at, wallets, tokens] of holders.per_snapshot) {
      const { json } = await call(`/v1/collections/${collection}/holders?limit=1&asOf=${at}`);
      expect([collection, json.asOf, json.holderCount, json.tokenCount]).toEqual([collection, at, wallets, tokens]);
    }
  });

  test('stores the wallets of each Farcaster user', async () => {
    const { rows } = await database.pool.query(`
      select (select count(*)::int from collections.fc_users) as fids,
        (select count(distinct wallet)::int from collections.fc_user_wallets) as wallets,
        (select count(*)::int from (select wallet from collections.fc_user_wallets group by wallet having count(*) > 1) as s) as shared`);
    expect(rows[0]).toEqual({
      fids: users.distinct_fids,
      wallets: users.distinct_wallets_lower,
      shared: users.wallets_shared_by_several_fids,
    });
    for (const [fid, wallets] of users.fids_with_most_wallets) {
      const { json } = await call(`/v1/users/${fid}`);
      expect([fid, json.wallets.length]).toEqual([fid, wallets]);
    }
  });

  test('importing the same files again applies nothing and announces nothing', async () => {
    const before = await outboxSize();
    const again = await importAll();
    expect(again.map(({ status, rows_applied, rows_rejected }) => [status, rows_applied, rows_rejected])).toEqual(
      files.map(() => ['succeeded', 0, 0]),
    );
    expect(await outboxSize()).toBe(before);
  });
});

function holdersOf({ holders }: { holders: { address: string; tokenCount: number }[] }): unknown[] {
  return holders.map(({ address, tokenCount }) => [address, tokenCount]);
}

function sorted(rows: unknown[]): unknown[] {
  return [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
