/** Trades of the warehouse and of our own, reported late, twice, and in any order, against a model. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import type { WarehouseRow } from '../../local/upstreams/moments.ts';
import { insertJob } from '../../shared/jobs/job.ts';
import { drain } from '../support/queues.ts';
import { createWallets } from '../support/wallets.ts';

const moments = 60;
const owners = 6;
const { warehouse, runMessage, importFile, jobRow, jobsQueue, database } = await createWallets({
  moments,
  wallets: owners,
  editions: 4,
  scrapes: 1,
});
const { world, behavior } = warehouse;
behavior.pollsBeforeResult = 0;
behavior.rowsPerPartition = 8;

const holdings = async (): Promise<{ nft: string; wallet: string }[]> =>
  (
    await database.pool.query(
      'select nft_id::text as nft, wallets.wallet_name(wallet_address) as wallet from wallets.wallet_holdings',
    )
  ).rows;

interface Known {
  wallet: string;
  micros: bigint;
}
const isLater = (one: Known, other: Known) =>
  one.micros > other.micros || (one.micros === other.micros && one.wallet > other.wallet);
const seconds = (micros: bigint) => `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`;

const place = { moment: fc.nat({ max: 11 }), wallet: fc.nat({ max: owners - 1 }), minutesAgo: fc.nat({ max: 600 }) };
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('sale' as const), ...place }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('trade' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gone' as const), moment: fc.nat({ max: 11 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('sync' as const),
      mode: fc.constantFrom('full' as const, 'incremental' as const),
      cutAfter: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
      meanwhile: fc.option(fc.record(place), { nil: undefined }),
    }),
  },
);

test('each moment is held as of the last event that anybody reported, and only what the warehouse lacks is removed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      await database.pool.query(
        'truncate wallets.wallet_holdings, wallets.purchases, platform.watermarks, platform.checkpoints, platform.jobs cascade',
      );
      const start = BigInt(Date.now()) * 1_000n;
      const ago = (minutes: number, i: number) => start - BigInt(minutes) * 60_000_000n - BigInt(i);
      // the warehouse's table: moments 1 to 12 are traded, the others stay
      const listed = new Map<string, Known & { recorded: bigint }>();
      for (let i = 1; i <= moments; i++)
        listed.set(String(i), {
          wallet: world.wallets[i % owners]!,
          micros: start - 10n ** 11n,
          recorded: start - 10n ** 11n,
        });
      /** The last event of each moment that was reported to us. */
      const reported = new Map<string, Known>();
      const report = (nft: string, one: Known) => {
        const known = reported.get(nft);
        if (!known || isLater(one, known)) reported.set(nft, { wallet: one.wallet, micros: one.micros });
      };
      const { tables } = world;
      const real = tables.get('WALLET_HOLDINGS')!;
      const rowsNow = (): [string, Known & { recorded: bigint }][] =>
        [...listed].sort(([a, x], [b, y]) =>
          x.wallet < y.wallet ? -1 : x.wallet > y.wallet ? 1 : Number(a) - Number(b),
        );
      tables.set('WALLET_HOLDINGS', {
        ...real,
        open() {
          const rows = rowsNow();
          return {
            count: rows.length,
            row: (at): WarehouseRow => {
              const [nft, { wallet, micros, recorded }] = rows[at]!;
              return [wallet, nft, 'false', seconds(micros), seconds(recorded)];
            },
            changedSince: (at, since) => rows[at]![1].recorded >= since,
          };
        },
      });
      const sell = async (one: { moment: number; wallet: number; minutesAgo: number }, i: number) => {
        const [nft, wallet] = [String(one.moment + 1), world.wallets[one.wallet]!];
        const micros = (ago(one.minutesAgo, i) / 1_000n) * 1_000n;
        const at = new Date(Number(micros / 1_000n)).toISOString();
        const file = `moment_id,timestamp,price,seller,buyer\n${nft},${at},1,0x00000000000000${(i % 90) + 10},${wallet}`;
        expect(await importFile('purchases', 'p.csv', file)).toMatchObject({ status: 'succeeded' });
        report(nft, { wallet, micros });
      };
      const sync = async (mode: 'full' | 'incremental', cuts: number | undefined, meanwhile?: () => Promise<void>) => {
        const params = { mode, maxRemovedShare: 1 };
        const { id } = await insertJob(jobs.syncHoldings, params, 'test');
        let message: object = { job: 'wallets.syncHoldings', jobId: id, params, requestedBy: 'test' };
        for (let run = 0; (await jobRow(id)).status !== 'succeeded'; run++) {
          await runMessage(message, cuts === undefined || run > cuts ? 600_000 : 0);
          const [next] = (await drain(jobsQueue.url)) as object[];
          message = next ?? message;
          if (run === 0) await meanwhile?.();
        }
      };
      /** A sync tells us the rows as they were when its statement was submitted. What it removes is forgotten. */
      const syncAndTell = async (...options: Parameters<typeof sync>) => {
        const rows = rowsNow();
        await sync(...options);
        for (const [nft, one] of rows) report(nft, one);
        const stored = new Set((await holdings()).map(({ nft }) => nft));
        for (const nft of reported.keys()) {
          if (stored.has(nft)) continue;
          expect([nft, rows.some(([listedNft]) => listedNft === nft)]).toEqual([nft, false]);
          reported.delete(nft);
        }
      };
      for (const [i, one] of steps.entries()) {
        if (one.kind === 'sale') await sell(one, i);
        if (one.kind === 'trade') {
          const [nft, wallet, micros] = [String(one.moment + 1), world.wallets[one.wallet]!, ago(one.minutesAgo, i)];
          const known = listed.get(nft);
          if (!known || micros > known.micros)
            listed.set(nft, { wallet, micros, recorded: BigInt(Date.now()) * 1_000n });
        }
        if (one.kind === 'gone') listed.delete(String(one.moment + 1));
        if (one.kind === 'sync') {
          const { meanwhile } = one;
          await syncAndTell(one.mode, one.cutAfter, meanwhile && (() => sell(meanwhile, 100 + i)));
        }
      }
      await syncAndTell('full', undefined);
      const stored = new Map((await holdings()).map(({ nft, wallet }) => [nft, wallet]));
      const complete = [...listed.values()].reduce(
        (latest, { recorded }) => (recorded > latest ? recorded : latest),
        0n,
      );
      for (const [nft, { wallet, micros }] of reported) {
        if (listed.has(nft)) expect([nft, stored.get(nft)]).toEqual([nft, wallet]);
        else if (stored.has(nft)) expect([nft, stored.get(nft), micros >= complete]).toEqual([nft, wallet, true]);
      }
      tables.set('WALLET_HOLDINGS', real);
    }),
    { numRuns: 10, endOnFailure: true, interruptAfterTimeLimit: 40_000 },
  );
});
