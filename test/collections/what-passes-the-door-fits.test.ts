/** Whatever the schemas of files, upstreams and webhooks accept, the tables take. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { datasets } from '../../functions/collections/datasets.ts';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordOwners } from '../../functions/collections/record-owners.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { recordUsers } from '../../functions/collections/record-users.ts';
import { contractMetadata, createAlchemy, nft, owner, transfer } from '../../functions/collections/sources/alchemy.ts';
import { activity } from '../../functions/collections/sources/alchemy-webhook.ts';
import { createNeynar, user } from '../../functions/collections/sources/neynar.ts';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createExpect } from '../../shared/upstream/client.ts';
import { acceptedBy, isReadable } from '../support/accepted-values.ts';
import { createCollections } from '../support/collections.ts';
import { openGate, testCredentials } from '../support/upstreams.ts';

const { importFile, database, call } = await createCollections();
const signingKey = testCredentials(declaredAlchemy).webhookSigningKey;
const contract = `0x${'c0'.repeat(20)}`;
const rejectedOf = async (id: string) =>
  (await database.pool.query('select reason, data from platform.rejected_rows where job_id = $1', [id])).rows;

test.each(Object.values(datasets).map((dataset) => [dataset.name, dataset] as const))(
  'what a row of a file of %s may be',
  async (name, { row }) => {
    const rows = fc.array(acceptedBy(row).filter(isReadable), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(rows, async (accepted) => {
        const job = await importFile(name, 'f.ndjson', accepted.map((one) => JSON.stringify(one)).join('\n'));
        expect([job, await rejectedOf(job.id)]).toMatchObject([
          { status: 'succeeded', error: null, rows_read: accepted.length, rows_rejected: 0 },
          [],
        ]);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  },
);

/** The clients, whose upstream answers with one response. */
const clientOf = (response: unknown) => {
  const connection = { baseUrl: '', credentials: async () => ({ apiKey: '' }), request: async () => response };
  return {
    alchemy: createAlchemy({ ...connection, expect: createExpect('alchemy', openGate) } as never),
    neynar: createNeynar({ ...connection, expect: createExpect('neynar', openGate) } as never),
  };
};
const read = {
  metadata: async (found: unknown[]) =>
    commit(async (tx) => {
      for (const one of found) {
        const answer = { ...(one as object), tokenType: 'ERC721' };
        await recordCollection(tx, await clientOf(answer).alchemy.getContractMetadata(contract));
      }
    }),
  nfts: async (nfts: unknown[]) => {
    const { rows, rejected } = await clientOf({ nfts }).alchemy.getNfts(contract, null);
    expect(rejected).toEqual([]);
    await commit((tx) => recordNfts(tx, rows));
  },
  owners: async (owners: unknown[]) => {
    const { rows, rejected } = await clientOf({ owners }).alchemy.getOwners(contract, null);
    expect(rejected).toEqual([]);
    await commit((tx) => recordOwners(tx, contract, 100, rows));
  },
  transfers: async (transfers: unknown[]) => {
    const { rows, rejected } = await clientOf({ result: { transfers } }).alchemy.getTransfers(contract, 0, 1, null);
    expect(rejected).toEqual([]);
    await commit((tx) => recordTransfers(tx, rows));
  },
  users: async (users: unknown[]) => {
    const { rows, rejected } = await clientOf({ users }).neynar.getUsers([1]);
    expect(rejected).toEqual([]);
    await commit((tx) => recordUsers(tx, rows));
  },
  activity: async (found: unknown[]) => {
    const rawBody = JSON.stringify({
      id: 'whevt',
      type: 'NFT_ACTIVITY',
      createdAt: new Date().toISOString(),
      event: { activity: found },
    });
    const signature = createHmac('sha256', signingKey).update(rawBody).digest('hex');
    const headers = { 'x-alchemy-signature': signature };
    const { status, json } = await call('/v1/webhooks/alchemy', { method: 'POST', rawBody, headers });
    expect([status, json.rejected]).toEqual([200, 0]);
  },
};

test.each([
  ['metadata', contractMetadata],
  ['nfts', nft],
  ['owners', owner],
  ['transfers', transfer],
  ['users', user],
  ['activity', activity],
] as const)('what an upstream may say: %s', async (kind, schema) => {
  const items = fc.array(acceptedBy(schema), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(items, async (accepted) => {
      // as JSON, with fields that nobody knows yet
      await read[kind](JSON.parse(JSON.stringify(accepted.map((one) => ({ ...one, somethingNew: [1] })))));
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

test('a field that a contract gets wrong costs no more than itself', async () => {
  const wrong = [{}, 7, null, ['x'], true];
  for (const one of wrong) {
    await read.metadata([{ address: contract, name: one, symbol: one, totalSupply: one, openSeaMetadata: one }]);
    await read.nfts([{ tokenId: '1', name: one, image: one, raw: { metadata: { attributes: one } } }]);
    await read.nfts([{ tokenId: '1', raw: { metadata: one } }]);
  }
});

test('traits that a source no longer sends stay, and long ones are shortened', async () => {
  const attributes = [{ trait_type: 'Poem\0', value: '𝔘'.repeat(600) }];
  await read.nfts([{ tokenId: '2', name: 'Two', raw: { metadata: { attributes } } }]);
  await read.nfts([{ tokenId: '2' }]);
  const { json } = await call(`/v1/collections/${contract}/nfts/2`);
  expect([json.name, json.traits]).toEqual(['Two', [{ type: 'Poem␀', value: `${'𝔘'.repeat(499)}…` }]]);
});

test('what a table refuses in a webhook is quarantined, and the rest is stored', async () => {
  await database.pool.query('alter table collections.transfers add constraint odd check (amount <> 13) not valid');
  const hash = (n: number) => `0x${n.toString(16).padStart(64, '0')}`;
  const wallet = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
  const transferOf = (n: number, amount: number) => ({
    fromAddress: wallet(0),
    toAddress: wallet(n),
    contractAddress: `0x${'d0'.repeat(20)}`,
    erc1155Metadata: [{ tokenId: '0x1', value: `0x${amount.toString(16)}` }],
    log: { transactionHash: hash(n), blockHash: hash(9), logIndex: '0x1', blockNumber: '0x64' },
  });
  const found = [transferOf(1, 5), transferOf(2, 13), { odd: true }, transferOf(3, 7)];
  await expect(read.activity(found)).rejects.toThrow('2');
  await database.pool.query('alter table collections.transfers drop constraint odd');
  const { json } = await call(`/v1/collections/0x${'d0'.repeat(20)}/nfts/1/owner`);
  expect(json.owners.map(({ amount }: { amount: string }) => amount).sort()).toEqual(['5', '7']);
  const { rows } = await database.pool.query(
    `select reason, data, retry_at from platform.quarantine where source = 'collections.receiveAlchemyWebhook' order by reason desc`,
  );
  expect(rows).toMatchObject([
    { reason: expect.stringMatching(/does not fit the table: .*odd/), data: { amount: '13' }, retry_at: null },
    { reason: expect.anything(), data: { odd: true }, retry_at: null },
  ]);
});
