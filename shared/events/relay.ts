/**
 * The relay: outbox rows onto the bus, at least once.
 *
 * A round claims rows, puts them on the bus, marks those that EventBridge accepted, and gives the others back:
 *
 *     unpublished ──claim──▶ claimed ──put, mark──▶ published
 *          ▲                    │
 *          └── give back, or the claim ends
 *
 * Claiming, marking and giving back are each a transaction of their own, so none is open during a call to EventBridge. An
 * open one holds back the xmin of every snapshot in the cluster for as long as the bus is slow: replicas can prove less of
 * what they read, and VACUUM removes nothing newer.
 *
 * A claim has an owner, which is the round, and an end. It only keeps relays from doing the same work twice; delivery does
 * not depend on it. When a relay dies, its claims run out and another round takes the rows. Those that EventBridge had
 * already accepted go out twice, none is lost, and consumers are idempotent. A relay may also outlive its claims. It still
 * marks what EventBridge accepted, which is true whoever owns the row by then, but gives back only rows it still owns.
 *
 * The timeouts nest. A round starts no call after `roundMs` or its caller's deadline, and abandons a call after `callMs`,
 * the SDK's retries included, so its last call ends within 25 s of the claim. A claim lasts 60 s: the rest is slack for a
 * mark that waits for Postgres and for a container that is paused. It must not last much longer. The message of a relay
 * that died comes back 120 s after it was received, and in a stage without a schedule nothing else wakes the relay: by
 * then a claim from the end of that relay's 60 s has to be over.
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

const rowsARound = 200;
const entriesACall = 10;
const bytesACall = 240_000;
const claimSeconds = 60;
const roundMs = 20_000;
const callMs = 5_000;

/** What a round did with its rows. Those neither accepted nor refused were not put in time. */
interface Round {
  claimed: OutboxRow[];
  accepted: string[];
  refused: string[];
}

/**
 * Publishes what is unpublished until nothing is left or `deadline` has passed; gives how many events went out. A call
 * under way at the deadline may take 5 s more, and is then marked.
 *
 * @throws Unavailable  EventBridge refused some of them (retryable; the others are marked)
 */
export async function relayOutbox(deadline: Date): Promise<number> {
  let published = 0;
  while (Date.now() < deadline.getTime()) {
    const { claimed, accepted, refused } = await runRound(deadline);
    published += accepted.length;
    if (refused.length > 0)
      throw new Unavailable('EventBridge refused events.', {
        details: { accepted: accepted.length, refused: refused.length },
      });
    if (claimed.length < rowsARound && accepted.length === claimed.length) break;
  }
  return published;
}

async function runRound(deadline: Date): Promise<Round> {
  const owner = randomUUID();
  const until = Math.min(deadline.getTime(), Date.now() + roundMs);
  const round: Round = { claimed: await claimRows(owner), accepted: [], refused: [] };
  for (const batch of batches(round.claimed)) {
    if (Date.now() >= until) break;
    const accepted = await putEvents(batch);
    for (const { id } of batch) round[accepted.has(id) ? 'accepted' : 'refused'].push(id);
  }
  if (round.accepted.length > 0) await markPublished(round);
  if (round.accepted.length < round.claimed.length) await giveBack(owner, round);
  return round;
}

/** Claims the oldest unpublished rows that have no claim. */
async function claimRows(owner: string): Promise<OutboxRow[]> {
  const { rows } = await inTransaction((tx) =>
    tx.query<OutboxRow>(
      // looked up by an array, not joined: under stale statistics a join reads the whole backlog
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
      [rowsARound, owner, claimSeconds],
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

/** Ends the claims of what was not published, so that the next round takes it at once. */
async function giveBack(owner: string, { claimed }: Round): Promise<void> {
  const { oldest, pastNewest } = timesOf(claimed);
  await inTransaction((tx) =>
    tx.query(
      `update platform.outbox set claimed_by = null, claimed_until = null
       where id = any($1::bigint[]) and created_at >= $2 and created_at < $3 and published_at is null and claimed_by = $4`,
      [claimed.map(({ id }) => id), oldest, pastNewest, owner],
    ),
  );
}

/** The half-open range of the rows' `created_at`, which prunes the partitions that hold none of them. */
function timesOf(rows: readonly OutboxRow[]): { oldest: Date; pastNewest: Date } {
  const times = rows.map(({ created_at }) => created_at.getTime());
  // a Date drops Postgres's microseconds
  return { oldest: new Date(Math.min(...times)), pastNewest: new Date(Math.max(...times) + 1) };
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

let client: EventBridgeClient | undefined;

/** Puts events on the bus; gives the ids of those it accepted, as far as it answered in time. */
async function putEvents(rows: readonly OutboxRow[]): Promise<Set<string>> {
  const { EventBridgeClient, PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
  client ??= new EventBridgeClient({});
  const command = new PutEventsCommand({ Entries: rows.map(toEntry) });
  const { Entries = [] } = await client
    .send(command, { abortSignal: AbortSignal.timeout(callMs) })
    .catch((cause: unknown) => {
      log.error('EventBridge refused a call', { error: cause });
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
