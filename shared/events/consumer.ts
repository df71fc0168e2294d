import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod';
import { inTransaction } from '../db/transaction.ts';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';
import { withCorrelation } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';

const event = z.object({
  id: z.string().regex(/^\d+$/),
  type: z.string(),
  entities: z.array(z.string()).min(1).max(500),
  xid: z.string().regex(/^\d{1,16}$/),
  committedAt: z.iso.datetime(),
  correlationId: z.string().nullable(),
});
const envelope = z.object({ 'detail-type': z.string(), detail: event });

/** A committed change, as a consumer gets it. */
export type Event = z.output<typeof event>;

/** What a consumer does with an event; `queueArn` says which of its queues it came through. */
export type Apply = (event: Event, queueArn: string) => Promise<void>;

interface Outcome {
  record: SQSRecord;
  event?: Event;
  error?: unknown;
}

/**
 * The Lambda handler of a consumer's queue: `apply` gets each event of a batch; one that fails comes again alone, up to
 * five times, then waits in the dead-letter queue. What became of each event is kept by its id.
 *
 * `apply` must be idempotent: the same event may come several times and in any order. What it throws as NotFound, or as
 * Conflict, is acknowledged: there is nothing left to do.
 */
export function createConsumer(consumer: string, apply: Apply) {
  return async ({ Records }: SQSEvent): Promise<SQSBatchResponse> => {
    const outcomes = await Promise.all(Records.map((record) => applyRecord(consumer, record, apply)));
    await recordDeliveries(consumer, outcomes).catch((error: unknown) => {
      log.error('what became of events could not be recorded', { consumer, error });
    });
    const failed = outcomes.filter(({ error }) => error !== undefined);
    return { batchItemFailures: failed.map(({ record }) => ({ itemIdentifier: record.messageId })) };
  };
}

async function applyRecord(consumer: string, record: SQSRecord, apply: Apply): Promise<Outcome> {
  let parsed: Event | undefined;
  try {
    parsed = parseEvent(record.body);
    const known = parsed;
    await withCorrelation(known.correlationId ?? undefined, () => apply(known, record.eventSourceARN));
    count('EventAge', 'Milliseconds', Date.now() - Date.parse(known.committedAt), { consumer });
    return { record, event: parsed };
  } catch (error) {
    if (parsed && error instanceof TributaryError && ['not_found', 'conflict'].includes(error.code)) {
      return { record, event: parsed };
    }
    log.error('an event could not be applied', { consumer, eventId: parsed?.id, messageId: record.messageId, error });
    return { record, error, ...(parsed ? { event: parsed } : {}) };
  }
}

function parseEvent(body: string): Event {
  try {
    return envelope.parse(JSON.parse(body)).detail;
  } catch (cause) {
    throw new InvalidInput('The message is not an event.', [], { cause });
  }
}

async function recordDeliveries(consumer: string, outcomes: readonly Outcome[]): Promise<void> {
  const latest = new Map(
    outcomes.flatMap((outcome) => (outcome.event ? [[outcome.event.id, outcome]] : [])) as [string, Outcome][],
  );
  if (latest.size === 0) return;
  const ids = [...latest.keys()];
  const errors = [...latest.values()].map(({ error }) => (error instanceof Error ? error.message.slice(0, 500) : null));
  await inTransaction((tx) =>
    tx.query(
      `insert into platform.event_deliveries as d (event_id, consumer, status, error)
       select id, $1, case when error is null then 'applied' else 'failed' end, error
       from unnest($2::bigint[], $3::text[]) as delivered (id, error) order by id
       on conflict (event_id, consumer) do update
         set status = excluded.status, error = excluded.error, attempts = d.attempts + 1, at = now()`,
      [consumer, ids, errors],
    ),
  );
}
