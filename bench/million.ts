/** Syncs all holdings of the warehouse and prints the peak memory of its process. `npm run bench -- sync` starts it. */
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
  `\nA first sync of ${job?.rows_applied} rows, at 2 requests per second: ${job?.status} after ${seconds.toFixed(0)} s; ` +
    `peak memory ${peakMb.toFixed(0)} MB, with a heap limit of 128 MB (${idleMb.toFixed(0)} MB after loading the code)${job?.error ? ` ${JSON.stringify(job.error)}` : ''}`,
);
process.exit(0);
