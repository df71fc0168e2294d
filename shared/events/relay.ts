/**
 * The relay: publishes outbox rows to the bus, at least once.
 *
 * A round claims rows, puts them on the bus, marks those that EventBridge accepted, and releases the others:
 *
 *     unpublished ──claim──▶ claimed ──put, mark──▶ published
 *          ▲                    │
 *          └── release, or the claim expires
 *
 * Claiming, marking, and releasing are separate transactions, so none is open during a call to EventBridge. An open
 * transaction would hold back the xmin of every snapshot in the cluster for as long as the bus is slow: replicas could
 * prove less of what they read, and VACUUM would remove nothing newer.
 *
 * A claim has an owner, the round, and an expiration time. It only keeps relays from doing the same work twice;
 * delivery does not depend on it. When a relay dies, its claims expire and another round takes the rows. Those that
 * EventBridge had already accepted are published twice, none is lost, and consumers are idempotent. A relay may also
 * outlive its claims. It still marks what EventBridge accepted, which is true no matter who owns the row by then, but
 * releases only the rows that it still owns.
 *
 * The timeouts nest. A round starts no call after `roundMs` or its caller's deadline, and abandons a call after
 * `callTimeoutMs`, including the SDK's retries, so its last call ends within 25 s of the claim. A claim lasts 60 s: the
 * rest is slack for a mark that waits for Postgres and for a paused container. It must not last much longer. The
 * message of a relay that died is delivered again 120 s after it was received, and in a stage without a schedule
 * nothing else wakes the relay: by then, a claim made at the end of that relay's 60 s must have expired.
 */
import { randomUUID } from 'node:crypto';
import type { EventBridgeClient, PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { inTransaction } from '../db/transaction.ts';
import { env } from '../env.ts';
import { Unavailable } from '../kernel/errors.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';

export interface OutboxRow {
  id: string;
  type: string;
  entities: string[];
  xid: string;
  correlation_id: string | null;
  created_at: Date;
}

const roundSize = 200;
const maxEntriesPerCall = 10;
const maxBytesPerCall = 240_000;
const claimSeconds = 60;
const roundMs = 20_000;
const callTimeoutMs = 5_000;

/** The outcome of a round. Rows neither accepted nor rejected were not sent in time. */
interface Round {
  claimed: OutboxRow[];
  accepted: string[];
  rejected: string[];
}

/**
 * Publishes outbox rows until none is left or `deadline` has passed, and returns how many were published. A call in
 * flight at the deadline may take 5 s more; its rows are then marked.
 *
 * @throws Unavailable  EventBridge did not accept all events (retryable; the accepted ones are marked)
 */
export async function relayOutbox(deadline: Date): Promise<number> {
  let published = 0;
  while (Date.now() < deadline.getTime()) {
    const { claimed, accepted, rejected } = await runRound(deadline);
    published += accepted.length;
    if (rejected.length > 0)
      throw new Unavailable('EventBridge did not accept all events.', {
        details: { accepted: accepted.length, rejected: rejected.length },
      });
    if (claimed.length < roundSize && accepted.length === claimed.length) break;
  }
  return published;
}

async function runRound(deadline: Date): Promise<Round> {
  const owner = randomUUID();
  const until = Math.min(deadline.getTime(), Date.now() + roundMs);
  const round: Round = { claimed: await claimRows(owner), accepted: [], rejected: [] };
  for (const batch of batches(round.claimed)) {
    if (Date.now() >= until) break;
    const accepted = await putEvents(batch);
    for (const { id } of batch) round[accepted.has(id) ? 'accepted' : 'rejected'].push(id);
  }
  if (round.accepted.length > 0) await markPublished(round);
  if (round.accepted.length < round.claimed.length) await releaseClaims(owner, round);
  return round;
}

/** Claims the oldest unpublished rows without a live claim. */
async function claimRows(owner: string): Promise<OutboxRow[]> {
  const { rows } = await inTransaction((tx) =>
    tx.query<OutboxRow>(
      // looked up by an array instead of a join, which reads the whole backlog if statistics are stale
      `with free as (
         select id, created_at from platform.outbox
         where published_at is null and (claimed_until is null or claimed_until <= clock_timestamp())
         order by id limit $1 for update skip locked
       ), claimed as (
         update platform.outbox
         set claimed_by = $2, claimed_until = clock_timestamp() + make_interval(secs => $3)
         where id = any(array(select id from free)) and published_at is null
           and created_at between (select min(created_at) from free) and (select max(created_at) from free)
         returning *
       )
       select id::text, type, entities, xid::text, correlation_id, created_at from claimed c order by c.id`,
      [roundSize, owner, claimSeconds],
    ),
  );
  return rows;
}

async function markPublished({ claimed, accepted }: Round): Promise<void> {
  const { oldest, pastNewest } = timesOf(claimed);
  await inTransaction((tx) =>
    tx.query(
      `update platform.outbox set published_at = clock_timestamp()
       where id = any($1::bigint[]) and created_at >= $2 and created_at < $3 and published_at is null`,
      [accepted, oldest, pastNewest],
    ),
  );
  count('OutboxLag', 'Milliseconds', Date.now() - oldest.getTime());
}

/** Releases the claims on unpublished rows, so that the next round can take them immediately. */
async function releaseClaims(owner: string, { claimed }: Round): Promise<void> {
  const { oldest, pastNewest } = timesOf(claimed);
  await inTransaction((tx) =>
    tx.query(
      `update platform.outbox set claimed_by = null, claimed_until = null
       where id = any($1::bigint[]) and created_at >= $2 and created_at < $3 and published_at is null and claimed_by = $4`,
      [claimed.map(({ id }) => id), oldest, pastNewest, owner],
    ),
  );
}

/** The half-open range of the rows' `created_at`, used to prune partitions. */
function timesOf(rows: readonly OutboxRow[]): { oldest: Date; pastNewest: Date } {
  const times = rows.map(({ created_at }) => created_at.getTime());
  // a Date drops Postgres's microseconds
  return { oldest: new Date(Math.min(...times)), pastNewest: new Date(Math.max(...times) + 1) };
}

/** Splits rows into batches that fit one PutEvents call: at most 10 events and 240 KB. */
export function batches(rows: readonly OutboxRow[]): OutboxRow[][] {
  const result: OutboxRow[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row));
    const isFull = result.at(-1)?.length === maxEntriesPerCall || bytes + size > maxBytesPerCall;
    if (isFull) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(row);
    bytes += size;
  }
  return result;
}

let client: EventBridgeClient | undefined;

/** Puts events on the bus and returns the ids of the accepted ones. A failed call counts as accepting none. */
async function putEvents(rows: readonly OutboxRow[]): Promise<Set<string>> {
  const { EventBridgeClient, PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
  client ??= new EventBridgeClient({});
  const command = new PutEventsCommand({ Entries: rows.map(toEntry) });
  const { Entries = [] } = await client
    .send(command, { abortSignal: AbortSignal.timeout(callTimeoutMs) })
    .catch((cause: unknown) => {
      log.error('EventBridge call failed', { error: cause });
      return { Entries: [] };
    });
  return new Set(rows.filter((_, i) => Entries[i]?.EventId !== undefined).map(({ id }) => id));
}

function toEntry(row: OutboxRow): PutEventsRequestEntry {
  const detail = {
    id: row.id,
    type: row.type,
    entities: row.entities,
    xid: row.xid,
    committedAt: row.created_at.toISOString(),
    correlationId: row.correlation_id,
  };
  return { EventBusName: env('BUS_NAME'), Source: 'tributary', DetailType: row.type, Detail: JSON.stringify(detail) };
}
