/** A worker that syncs what the warehouse has, and tells the most memory its process took; `npm run bench -- sync` starts it. */
import type { Context, SQSEvent } from 'aws-lambda';
import sql from 'sql-template-tag';
import { handler } from '../functions/wallets/etl.ts';
import { query } from '../shared/db/read.ts';

const idleMb = process.resourceUsage().maxRSS / 1_024;
const startedAt = performance.now();
const message = { job: 'wallets.syncHoldings', params: { mode: 'full' }, requestedBy: 'bench' };
const event = { Records: [{ messageId: '1', body: JSON.stringify(message) }] } as SQSEvent;
await handler(event, { getRemainingTimeInMillis: () => 900_000 } as Context);
const seconds = (performance.now() - startedAt) / 1_000;
const [job] = await query<{ status: string; rows_applied: string; error: unknown }>(
  sql`select status, rows_applied::text, error from platform.jobs`,
  'sync',
);
const peakMb = process.resourceUsage().maxRSS / 1_024;
console.log(
  `\na first sync of ${job?.rows_applied} rows, at 2 requests a second: ${job?.status} after ${seconds.toFixed(0)} s; ` +
    `peak memory of the process ${peakMb.toFixed(0)} MB, of a heap of 128 MB at most (${idleMb.toFixed(0)} MB with the code loaded)${job?.error ? ` ${JSON.stringify(job.error)}` : ''}`,
);
process.exit(0);
