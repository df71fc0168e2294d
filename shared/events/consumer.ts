import type { SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod';
import { inTransaction } from '../db/transaction.ts';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';
import type { BatchOutcome } from '../lambda/queue-handler.ts';
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

/** A committed change, as delivered to consumers. */
export type Event = z.output<typeof event>;

/** What a consumer does with an event. `queueArn` is the queue that delivered it. */
export type Apply = (event: Event, queueArn: string) => Promise<void>;

type Outcome = PromiseSettledResult<void> & { event?: Event };

/**
 * Applies a batch of events from a consumer's queue and returns the outcome of each. Only the events that fail are
 * delivered again. After five attempts an event moves to the dead-letter queue. Each outcome is recorded under the
 * event's id.
 *
 * `apply` must be idempotent: an event may be delivered several times and in any order. If it throws NotFound or
 * Conflict, the event is acknowledged, since there is nothing left to do.
 */
export async function applyEvents(consumer: string, { Records }: SQSEvent, apply: Apply): Promise<BatchOutcome> {
  const outcomes = await Promise.all(Records.map((record) => applyRecord(consumer, record, apply)));
  await recordDeliveries(consumer, outcomes).catch((error: unknown) => {
    log.error('event deliveries not recorded', { consumer, error });
  });
  return outcomes;
}

async function applyRecord(consumer: string, record: SQSRecord, apply: Apply): Promise<Outcome> {
  let event: Event | undefined;
  try {
    const parsed = parseEvent(record.body);
    event = parsed;
    await withCorrelation(parsed.correlationId ?? undefined, () => apply(parsed, record.eventSourceARN));
    count('EventAge', 'Milliseconds', Date.now() - Date.parse(parsed.committedAt), { consumer });
    return { status: 'fulfilled', value: undefined, event };
  } catch (error) {
    if (event && error instanceof TributaryError && ['not_found', 'conflict'].includes(error.code))
      return { status: 'fulfilled', value: undefined, event };
    log.error('event not applied', { consumer, eventId: event?.id, messageId: record.messageId, error });
    return { status: 'rejected', reason: error, ...(event ? { event } : {}) };
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
  const errors = [...latest.values()].map((outcome) =>
    outcome.status === 'rejected' ? String((outcome.reason as Error).message).slice(0, 500) : null,
  );
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
