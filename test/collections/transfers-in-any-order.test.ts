import fc from 'fast-check';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { recordTransfers, type TransferRecord } from '../../functions/collections/record-transfers.ts';
import { revertTransfers } from '../../functions/collections/revert-transfers.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const wallets = ['11', '22', '33'].map((byte) => `0x${byte.repeat(20)}`);
const zero = `0x${'00'.repeat(20)}`;
const hash = (n: number) => `0x${n.toString(16).padStart(64, '0')}`;

let database: TestDatabase;
let serial = 0;

beforeAll(async () => {
  database = await createDatabase();
});

/** Transfers in the order of the chain: each log once, in increasing blocks. */
const chain = fc
  .array(
    fc.record({
      tokenId: fc.constantFrom('1', '2'),
      from: fc.constantFrom(zero, ...wallets),
      to: fc.constantFrom(zero, ...wallets),
      amount: fc.constantFrom('1', '2', '5'),
      sameBlock: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    let blockNumber = 100;
    return steps.map(({ sameBlock, ...step }, logIndex) => {
      if (!sameBlock) blockNumber++;
      return { ...step, blockNumber, logIndex, transactionHash: hash(blockNumber) };
    });
  });

async function inTransaction<T>(work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const tx = await database.pool.connect();
  try {
    await tx.query('begin');
    const result = await work(tx);
    await tx.query('commit');
    return result;
  } catch (error) {
    await tx.query('rollback');
    throw error;
  } finally {
    tx.release();
  }
}

async function newCollection(tokenType: 'ERC721' | 'ERC1155'): Promise<string> {
  const address = `0x${(++serial).toString(16).padStart(40, '0')}`;
  await database.pool.query(
    `insert into collections.collections (address, token_type) values (decode($1, 'hex'), $2)`,
    [address.slice(2), tokenType],
  );
  return address;
}

interface State {
  owners: unknown[];
  holdings: unknown[];
}

async function stateOf(address: string): Promise<State> {
  const key = [address.slice(2)];
  const owners = await database.pool.query(
    `select n.token_id, encode(o.owner, 'hex') as owner, o.amount
     from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id join collections.collections c on c.id = n.collection_id
     where c.address = decode($1, 'hex') and o.amount > 0 order by 1, 2`,
    key,
  );
  const holdings = await database.pool.query(
    `select encode(u.user_address, 'hex') as owner, u.token_count, u.amount
     from collections.user_collections u join collections.collections c on c.id = u.collection_id
     where c.address = decode($1, 'hex') order by 1`,
    key,
  );
  return { owners: owners.rows, holdings: holdings.rows };
}

async function aggregateOf(address: string): Promise<unknown[]> {
  const { rows } = await database.pool.query(
    `select encode(o.owner, 'hex') as owner, count(*)::integer as token_count, sum(o.amount) as amount
     from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id join collections.collections c on c.id = n.collection_id
     where c.address = decode($1, 'hex') and o.amount > 0 group by o.owner order by 1`,
    [address.slice(2)],
  );
  return rows;
}

async function apply(address: string, batches: readonly (readonly Omit<TransferRecord, 'collection'>[])[]) {
  for (const batch of batches) {
    await inTransaction((tx) =>
      recordTransfers(
        tx,
        batch.map((one) => ({ ...one, collection: address })),
      ),
    );
  }
}

describe.each(['ERC721', 'ERC1155'] as const)('%s transfers', (tokenType) => {
  test('give the same owners in any order, in any batches, and with any repeats', async () => {
    await fc.assert(
      fc.asyncProperty(
        chain,
        fc.infiniteStream(fc.nat()),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (transfers, random, again) => {
          const inOrder = await newCollection(tokenType);
          await apply(inOrder, [transfers]);
          const shuffled = await newCollection(tokenType);
          const delivered = [...transfers, ...again.map((i) => transfers[i % transfers.length]!)]
            .map((one) => ({ one, key: random.next().value! }))
            .sort((a, b) => a.key - b.key)
            .map(({ one }) => one);
          const cut = random.next().value! % delivered.length;
          await apply(
            shuffled,
            [delivered.slice(0, cut), delivered.slice(cut)].filter((batch) => batch.length > 0),
          );
          const [expected, state] = [await stateOf(inOrder), await stateOf(shuffled)];
          expect(state).toEqual(expected);
          expect(state.holdings).toEqual(await aggregateOf(shuffled));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('are the same with and without a log index', async () => {
    await fc.assert(
      fc.asyncProperty(chain, fc.infiniteStream(fc.nat()), async (all, random) => {
        // without a log index, two equal moves in one transaction look the same
        const seen = new Set<string>();
        const transfers = all.filter(({ transactionHash, tokenId, from, to, amount }) => {
          const key = [transactionHash, tokenId, from, to, amount].join();
          return !seen.has(key) && seen.add(key);
        });
        const plain = await newCollection(tokenType);
        await apply(plain, [transfers]);
        const both = await newCollection(tokenType);
        const delivered = transfers
          .flatMap((one) => [one, { ...one, logIndex: undefined }])
          .map((one) => ({ one, key: random.next().value! }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        const cut = random.next().value! % delivered.length;
        await apply(
          both,
          [delivered.slice(0, cut), delivered.slice(cut)].filter((batch) => batch.length > 0),
        );
        expect(await stateOf(both)).toEqual(await stateOf(plain));
      }),
      { numRuns: 60 },
    );
  });

  test('leave the state of the others when they are reverted', async () => {
    await fc.assert(
      fc.asyncProperty(chain, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), async (transfers, removed) => {
        const kept = transfers.filter((_, i) => !removed[i]);
        const gone = transfers.filter((_, i) => removed[i]);
        const expected = await newCollection(tokenType);
        if (kept.length > 0) await apply(expected, [kept]);
        const reorged = await newCollection(tokenType);
        await apply(reorged, [transfers]);
        if (gone.length > 0)
          await inTransaction((tx) =>
            revertTransfers(
              tx,
              gone.map((one) => ({
                ...one,
                collection: reorged,
                blockHash: hash(one.blockNumber),
                reportedAt: new Date(),
              })),
            ),
          );
        const state = await stateOf(reorged);
        expect(state).toEqual(await stateOf(expected));
        expect(state.holdings).toEqual(await aggregateOf(reorged));
      }),
      { numRuns: 60 },
    );
  });
});

test('a second delivery writes nothing and announces nothing', async () => {
  const address = await newCollection('ERC721');
  const transfers = [1, 2, 3].map((i) => ({
    tokenId: String(i),
    from: zero,
    to: wallets[0]!,
    blockNumber: i,
    logIndex: 0,
    transactionHash: hash(i),
  }));
  await apply(address, [transfers]);
  const outbox = async () => Number((await database.pool.query('select count(*) from platform.outbox')).rows[0].count);
  const before = await outbox();
  expect(before).toBeGreaterThan(0);
  await apply(address, [transfers]);
  expect(await outbox()).toBe(before);
});
