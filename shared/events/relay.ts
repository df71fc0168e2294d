/**
 * The relay: outbox rows onto the bus, at least once.
 *
 * Rows are taken under FOR UPDATE SKIP LOCKED, so that several relays share the work; a row is marked only after
 * EventBridge accepted it. A relay that dies between the two leaves its rows unmarked, and they come a second time:
 * consumers are idempotent.
 */
import type { EventBridgeClient, PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { env } from '../env.ts';
import { Unavailable } from '../kernel/errors.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';

export interface OutboxRow {
  id: string;
  type: string;
  entities: string[];
  xid: string;
  detail: Record<string, unknown>;
  correlation_id: string | null;
  created_at: Date;
}

const rowsATime = 200;
const entriesACall = 10;
const bytesACall = 240_000;

/**
 * Publishes what is unpublished until there is nothing left or `deadline` has come; gives how many events went out.
 *
 * @throws Unavailable  EventBridge did not take some of them (retryable; the others are marked)
 */
export async function relayOutbox(deadline: Date): Promise<number> {
  let published = 0;
  while (Date.now() < deadline.getTime()) {
    const { taken, accepted } = await inTransaction(relayOnce);
    published += accepted;
    if (accepted < taken)
      throw new Unavailable('EventBridge did not take every event.', { details: { taken, accepted } });
    if (taken < rowsATime) break;
  }
  return published;
}

async function relayOnce(tx: Transaction): Promise<{ taken: number; accepted: number }> {
  const { rows } = await tx.query<OutboxRow>(
    `select id::text, type, entities, xid::text, detail, correlation_id, created_at
     from platform.outbox where published_at is null order by id limit $1 for update skip locked`,
    [rowsATime],
  );
  const accepted: string[] = [];
  for (const batch of batches(rows)) accepted.push(...(await putEvents(batch)));
  if (accepted.length > 0) {
    await tx.query(
      `update platform.outbox set published_at = clock_timestamp() where published_at is null and id = any($1::bigint[])`,
      [accepted],
    );
    const oldest = Math.min(...rows.map(({ created_at }) => created_at.getTime()));
    count('OutboxLag', 'Milliseconds', Date.now() - oldest);
  }
  return { taken: rows.length, accepted: accepted.length };
}

/** Rows in groups that one PutEvents takes. */
export function batches(rows: readonly OutboxRow[]): OutboxRow[][] {
  const result: OutboxRow[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row));
    const isFull = result.at(-1)?.length === entriesACall || bytes + size > bytesACall;
    if (isFull) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(row);
    bytes += size;
  }
  return result;
}

let client: Promise<EventBridgeClient> | undefined;

/** Puts events on the bus; gives the ids of those it accepted. */
async function putEvents(rows: readonly OutboxRow[]): Promise<string[]> {
  const { EventBridgeClient, PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
  client ??= Promise.resolve(new EventBridgeClient({}));
  const { Entries = [] } = await (await client)
    .send(new PutEventsCommand({ Entries: rows.map(toEntry) }))
    .catch((cause: unknown) => {
      log.error('EventBridge refused a call', { error: cause });
      return { Entries: [] };
    });
  return rows.filter((_, i) => Entries[i]?.EventId !== undefined).map(({ id }) => id);
}

function toEntry(row: OutboxRow): PutEventsRequestEntry {
  const detail = {
    id: row.id,
    type: row.type,
    entities: row.entities,
    xid: row.xid,
    detail: row.detail,
    committedAt: row.created_at.toISOString(),
    correlationId: row.correlation_id,
  };
  return { EventBusName: env('BUS_NAME'), Source: 'tributary', DetailType: row.type, Detail: JSON.stringify(detail) };
}
