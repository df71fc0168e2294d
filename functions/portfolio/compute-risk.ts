import sql from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { type Batch, runSync } from '../../shared/jobs/sync.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { type Correlation, recordCorrelations, recordWalletRisks, type WalletRisk } from './record-risk.ts';
import { correlationsUntil, walletRisksUntil } from './risk-statements.ts';

interface RiskBatch extends Batch<WalletRisk> {
  /** All correlations; undefined in a batch of wallets. */
  correlations?: Correlation[];
}

const storedPosition = z.object({ afterWallet: z.number() });
/** 90 days of a wallet are 26,000 snapshots. */
const walletsPerBatch = 20;
const dayMs = 86_400_000;

/**
 * Computes the correlations of assets, and the volatility and maximum drawdown of tracked wallets, up to the start of
 * today, on the analytics reader. The correlations are replaced as a whole, the figures of wallets one batch after
 * another.
 */
export const computeRisk = handleJob(jobs.computeRisk, async ({ step, ...run }) => {
  const until = new Date(Math.floor(Date.now() / dayMs) * dayMs);
  await step('risk');
  return runSync<WalletRisk, RiskBatch>(
    {
      name: jobNameOf(jobs.computeRisk),
      read: (position) => readBatches(position, until),
      apply: (tx, rows, { correlations }) =>
        correlations ? recordCorrelations(tx, correlations) : recordWalletRisks(tx, rows),
    },
    run,
  );
});

async function* readBatches(position: unknown, until: Date): AsyncIterable<RiskBatch> {
  let { afterWallet = -1 } = storedPosition.safeParse(position).data ?? {};
  if (afterWallet < 0) {
    const correlations = await query<Correlation>(correlationsUntil(until), 'analytics');
    afterWallet = 0;
    yield { rows: [], rejected: [], correlations, next: { afterWallet } };
  }
  for (;;) {
    const wallets = await query<{ id: number }>(
      sql`select id from portfolio.wallets where is_tracked and id > ${afterWallet} order by id limit ${walletsPerBatch}`,
      'sync',
    );
    if (wallets.length === 0) return;
    const ids = wallets.map(({ id }) => id);
    afterWallet = ids.at(-1)!;
    const rows = await query<WalletRisk>(walletRisksUntil(ids, until), 'analytics');
    yield { rows, rejected: [], next: { afterWallet } };
  }
}
