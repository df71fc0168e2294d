import { createServer } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { handler as invalidate } from '../../functions/platform/invalidate-cache.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { batches, relayOutbox } from '../../shared/events/relay.ts';
import { getCache } from '../../shared/resources.ts';
import { createDatabase } from '../support/database.ts';

interface PutEvents {
  Entries: { Detail: string; DetailType: string; Source: string }[];
}

interface Answer {
  status: number;
  body: unknown;
}

/** An EventBridge that answers as it is told. */
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
const unpublished = async () =>
  (await pool.query('select count(*)::int as n from platform.outbox where published_at is null')).rows[0].n;
const published = () => calls.flatMap(({ Entries }) => Entries.map(({ Detail }) => JSON.parse(Detail)));

test('what was committed is published once, with its transaction and its entities', async () => {
  answer = accept;
  await announce(['things:1', 'things:2', 'things:1']);
  expect(await relayOutbox(soon())).toBe(1);
  expect(published()).toMatchObject([
    { type: 'thing_changed', entities: ['things:1', 'things:2'], xid: expect.stringMatching(/^\d+$/) },
  ]);
  expect(await relayOutbox(soon())).toBe(0);
});

test('a change of many entities is told in events of five hundred', async () => {
  calls.length = 0;
  await announce(Array.from({ length: 1_201 }, (_, i) => `things:${i}`));
  expect(await relayOutbox(soon())).toBe(3);
  expect(new Set(published().flatMap(({ entities }) => entities)).size).toBe(1_201);
});

test('only what EventBridge accepted is marked; the rest goes out with the next round', async () => {
  calls.length = 0;
  for (let i = 0; i < 3; i++) await announce([`things:partial-${i}`]);
  answer = ({ Entries }) => ({
    status: 200,
    body: {
      FailedEntryCount: 1,
      Entries: Entries.map((_, i) => (i === 1 ? { ErrorCode: 'ThrottlingException' } : { EventId: String(i) })),
    },
  });
  await expect(relayOutbox(soon())).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect(await unpublished()).toBe(1);
  answer = accept;
  expect(await relayOutbox(soon())).toBe(1);
  expect(await unpublished()).toBe(0);
});

test('a relay that dies between publishing and its mark publishes twice, and nothing changes', async () => {
  calls.length = 0;
  await announce(['things:twice']);
  answer = async (call) => {
    // the connection of the relay is cut after EventBridge has taken the event
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and query like '%for update skip locked%'`,
    );
    return accept(call);
  };
  await relayOutbox(soon()).catch(() => {});
  answer = accept;
  await relayOutbox(soon());
  const [first, second] = published();
  expect([published().length, second]).toEqual([2, first]);

  const message = (detail: unknown) => ({
    messageId: '1',
    body: JSON.stringify({ 'detail-type': 'thing_changed', detail }),
  });
  await invalidate({ Records: [message(first)] } as never);
  const once = await (await getCache()).explain('things:twice');
  await invalidate({ Records: [message(second)] } as never);
  expect((await (await getCache()).explain('things:twice')).fence).toEqual(once.fence);
  const { rows } = await pool.query('select status, attempts from platform.event_deliveries where event_id = $1', [
    first.id,
  ]);
  expect(rows).toEqual([{ status: 'applied', attempts: 2 }]);
});

test('a call carries at most ten events and 240 KB', () => {
  const row = (bytes: number) => ({
    id: '1',
    type: 't',
    entities: ['x'.repeat(bytes)],
    xid: '1',
    detail: {},
    correlation_id: null,
    created_at: new Date(0),
  });
  expect(batches(Array.from({ length: 23 }, () => row(10))).map(({ length }) => length)).toEqual([10, 10, 3]);
  expect(batches([row(100_000), row(100_000), row(100_000)]).map(({ length }) => length)).toEqual([2, 1]);
});
