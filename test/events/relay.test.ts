import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { handler as invalidate } from '../../functions/platform/invalidate-cache.ts';
import { explainEntity } from '../../shared/cache/explain.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { batches, relayOutbox } from '../../shared/events/relay.ts';
import { getCache, getRedis } from '../../shared/resources.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

interface PutEvents {
  Entries: { Detail: string; DetailType: string; Source: string }[];
}

interface Answer {
  status: number;
  body: unknown;
}

/** How the stand-in for EventBridge answers. */
let answer: (call: PutEvents) => Answer | Promise<Answer>;
const calls: PutEvents[] = [];
const accept = ({ Entries }: PutEvents) => ({
  status: 200,
  body: { FailedEntryCount: 0, Entries: Entries.map((_, i) => ({ EventId: String(i) })) },
});
const bus = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const call = JSON.parse(text) as PutEvents;
  calls.push(call);
  const { status, body } = await answer(call);
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
});
await new Promise<void>((resolve) => bus.listen(0, '127.0.0.1', resolve));
afterAll(() => {
  bus.closeAllConnections();
  bus.close();
});

const { pool } = await createDatabase({
  AWS_ENDPOINT_URL_EVENTBRIDGE: `http://127.0.0.1:${(bus.address() as { port: number }).port}`,
  BUS_NAME: 'bus',
  RELAY_QUEUE_URL: 'http://127.0.0.1:1/unused',
});
const soon = () => new Date(Date.now() + 5_000);
const announce = (entities: string[]) =>
  inTransaction((tx) => tx.query(`select platform.announce('thing_changed', $1)`, [entities]));
/** Announces one event for each of `n` entities. */
const announceEach = (n: number) =>
  inTransaction((tx) =>
    tx.query(
      `select platform.announce('thing_changed', array['things:' || i]) from generate_series(1, $1::integer) as i`,
      [n],
    ),
  );
const unpublished = async () =>
  (await pool.query('select count(*)::int as n from platform.outbox where published_at is null')).rows[0].n;
const endClaims = () =>
  pool.query('update platform.outbox set claimed_until = clock_timestamp() where published_at is null');
const claimOwners = async () =>
  (await pool.query('select claimed_by from platform.outbox where published_at is null')).rows.map(
    ({ claimed_by }) => claimed_by,
  );
const inCache = async (entity: string) =>
  explainEntity(await getRedis(), await (await getCache()).generation(), entity);
const published = () => calls.flatMap(({ Entries }) => Entries.map(({ Detail }) => JSON.parse(Detail)));

beforeEach(async () => {
  await pool.query('delete from platform.outbox');
  calls.length = 0;
  answer = accept;
});

test('a committed change is published once, with its transaction and its entities', async () => {
  await announce(['things:1', 'things:2', 'things:1']);
  expect(await relayOutbox(soon())).toBe(1);
  expect(published()).toMatchObject([
    { type: 'thing_changed', entities: ['things:1', 'things:2'], xid: expect.stringMatching(/^\d+$/) },
  ]);
  expect(await relayOutbox(soon())).toBe(0);
});

test('a change of many entities is published in events of 500 each', async () => {
  await announce(Array.from({ length: 1_201 }, (_, i) => `things:${i}`));
  expect(await relayOutbox(soon())).toBe(3);
  expect(new Set(published().flatMap(({ entities }) => entities)).size).toBe(1_201);
});

test('only accepted events are marked; the other claims are released, and the next round publishes them', async () => {
  for (let i = 0; i < 3; i++) await announce([`things:partial-${i}`]);
  answer = ({ Entries }) => ({
    status: 200,
    body: {
      FailedEntryCount: 1,
      Entries: Entries.map((_, i) => (i === 1 ? { ErrorCode: 'ThrottlingException' } : { EventId: String(i) })),
    },
  });
  await expect(relayOutbox(soon())).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect(await claimOwners()).toEqual([null]);
  answer = accept;
  expect(await relayOutbox(soon())).toBe(1);
  expect(await unpublished()).toBe(0);
});

test('two concurrent relays share the work', async () => {
  await announceEach(250);
  // two calls in flight belong to two relays, since each waits for its own
  const bothCalled = Promise.withResolvers<void>();
  answer = async (call) => {
    if (calls.length === 2) bothCalled.resolve();
    await bothCalled.promise;
    return accept(call);
  };
  const [one, other] = await Promise.all([relayOutbox(soon()), relayOutbox(soon())]);
  expect([one + other, Math.min(one, other)]).toEqual([250, 50]);
  expect(new Set(published().map(({ id }) => id)).size).toBe(250);
  expect(published().length).toBe(250);
});

test('a relay does not wait for a row locked by another transaction', async () => {
  await announceEach(2);
  const client = (await pool.connect()).on('error', () => {});
  // a relay that waits would get both rows when this timeout ends the session
  await client.query(`begin; set local idle_in_transaction_session_timeout = '3s'`);
  await client.query('select 1 from platform.outbox order by id limit 1 for update');
  expect(await relayOutbox(soon()).finally(() => client.release(true))).toBe(1);
  await waitFor('the lock to go', async () => (await relayOutbox(soon())) === 1);
});

test('no transaction is open during a call to EventBridge', async () => {
  await announceEach(20);
  const answers = Promise.withResolvers<void>();
  answer = async (call) => {
    if (calls.length === 2) await answers.promise;
    return accept(call);
  };
  const relay = relayOutbox(soon());
  await waitFor('the second call', () => calls.length === 2);
  // a session that holds back the xmin of other snapshots has a transaction id or a snapshot
  const { rows } = await pool.query(
    `select state, backend_xid, backend_xmin, query from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
       and (state <> 'idle' or backend_xid is not null or backend_xmin is not null)`,
  );
  const isClaimed = (await claimOwners()).every((owner) => owner !== null);
  answers.resolve();
  expect([rows, isClaimed, await relay]).toEqual([[], true, 20]);
});

test('a call that EventBridge never answers is abandoned in time to mark the others', async () => {
  await announceEach(11);
  const never = Promise.withResolvers<Answer>();
  answer = (call) => (calls.length === 1 ? accept(call) : never.promise);
  const startedAt = Date.now();
  await expect(relayOutbox(soon())).rejects.toMatchObject({
    code: 'unavailable',
    details: { accepted: 10, rejected: 1 },
  });
  // the margin that relay-outbox leaves before its function's timeout
  expect(Date.now() - startedAt).toBeLessThan(10_000);
  expect(await claimOwners()).toEqual([null]);
});

test('the deadline stops a round between two calls: accepted rows are marked, the others released', async () => {
  await announceEach(20);
  const deadline = new Date(Date.now() + 300);
  answer = async (call) => {
    await waitFor('the deadline', () => new Date() > deadline);
    return accept(call);
  };
  expect(await relayOutbox(deadline)).toBe(10);
  expect([calls.length, await claimOwners()]).toEqual([1, Array(10).fill(null)]);
});

test('a claim holds until it expires; then another relay can take the row', async () => {
  await announce(['things:claimed']);
  await pool.query(
    `update platform.outbox set claimed_by = gen_random_uuid(), claimed_until = clock_timestamp() + interval '1 minute'`,
  );
  expect(await relayOutbox(soon())).toBe(0);
  await endClaims();
  expect(await relayOutbox(soon())).toBe(1);
});

test('a claim lasts longer than a round, and expires before a dead relay’s message is delivered again', async () => {
  await announce(['things:claimed']);
  let seconds = 0;
  answer = async (call) => {
    const { rows } = await pool.query(
      `select extract(epoch from claimed_until - clock_timestamp())::float8 as seconds from platform.outbox`,
    );
    seconds = rows[0].seconds;
    return accept(call);
  };
  await relayOutbox(soon());
  expect(seconds).toBeGreaterThan(30);
  expect(seconds).toBeLessThanOrEqual(60);
});

test('a relay that outlives its claim does not release the claim of its successor', async () => {
  await announce(['things:taken-over']);
  const other = randomUUID();
  answer = async ({ Entries }) => {
    await pool.query('update platform.outbox set claimed_by = $1', [other]);
    return {
      status: 200,
      body: { FailedEntryCount: 1, Entries: Entries.map(() => ({ ErrorCode: 'InternalFailure' })) },
    };
  };
  await expect(relayOutbox(soon())).rejects.toMatchObject({ code: 'unavailable' });
  expect(await claimOwners()).toEqual([other]);
});

test('if a relay dies between publishing and marking, events are published twice, to no effect', async () => {
  await announce(['things:twice']);
  answer = async (call) => {
    await pool.query(`
      create function pg_temp.die() returns trigger language plpgsql as $$ begin raise 'the relay died'; end $$;
      create trigger die before update of published_at on platform.outbox for each row execute function pg_temp.die()`);
    return accept(call);
  };
  await expect(relayOutbox(soon())).rejects.toThrow('the relay died');
  await pool.query('drop trigger die on platform.outbox');
  answer = accept;
  expect(await relayOutbox(soon())).toBe(0);
  await endClaims();
  expect(await relayOutbox(soon())).toBe(1);
  const [first, second] = published();
  expect([published().length, second]).toEqual([2, first]);

  const message = (detail: unknown) => ({
    messageId: '1',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:invalidate-cache',
    attributes: { ApproximateReceiveCount: '1' },
    body: JSON.stringify({ 'detail-type': 'thing_changed', detail }),
  });
  await (await getCache()).renewGeneration();
  await invalidate({ Records: [message(first)] } as never, {} as never);
  const once = await inCache('things:twice');
  expect(once.fence.xids).toEqual([Number(first.xid)]);
  await invalidate({ Records: [message(second)] } as never, {} as never);
  expect(await inCache('things:twice')).toEqual(once);
  const { rows } = await pool.query('select status, attempts from platform.event_deliveries where event_id = $1', [
    first.id,
  ]);
  expect(rows).toEqual([{ status: 'applied', attempts: 2 }]);
});

test('a call contains at most ten events and 240 KB', () => {
  const row = (bytes: number) => ({
    id: '1',
    type: 't',
    entities: ['x'.repeat(bytes)],
    xid: '1',
    correlation_id: null,
    created_at: new Date(0),
  });
  expect(batches(Array.from({ length: 23 }, () => row(10))).map(({ length }) => length)).toEqual([10, 10, 3]);
  expect(batches([row(100_000), row(100_000), row(100_000)]).map(({ length }) => length)).toEqual([2, 1]);
});
