import {
  ChangeMessageVisibilityCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { expect, test } from 'vitest';
import { platform } from '../../functions/platform/domain.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { type Apply, applyEvents } from '../../shared/events/consumer.ts';
import { Conflict, NotFound } from '../../shared/kernel/errors.ts';
import { queueHandler } from '../../shared/lambda/queue-handler.ts';
import { correlationId } from '../../shared/observability/correlation.ts';
import { createCaller } from '../support/api.ts';
import { createDatabase } from '../support/database.ts';
import { createQueue, testSqs } from '../support/queues.ts';
import { waitFor } from '../support/wait-for.ts';

const queue = await createQueue('consumer');
const { pool } = await createDatabase({ QUEUES: JSON.stringify({ consumer: queue.url }), RELAY_QUEUE_URL: queue.url });
const { handler: api } = await import('../../functions/platform/api.ts');
const call = createCaller(platform, api as never);
const sqs: SQSClient = testSqs();

/** A consumer's function, as called by Lambda. */
function createConsumer(name: string, apply: Apply) {
  const handler = queueHandler((event) => applyEvents(name, event, apply));
  return (event: SQSEvent) => handler(event, {} as never);
}

async function committed(): Promise<string> {
  const { rows } = await inTransaction((tx) =>
    tx.query(`insert into platform.outbox (type, entities) values ('thing_changed', '{things:1}') returning id::text`),
  );
  return rows[0].id;
}
const bodyOf = (id: string, correlationId: string | null = null) =>
  JSON.stringify({
    'detail-type': 'thing_changed',
    detail: {
      id,
      type: 'thing_changed',
      entities: ['things:1'],
      xid: '7',
      committedAt: new Date().toISOString(),
      correlationId,
    },
  });
const eventOf = (...bodies: string[]) =>
  ({ Records: bodies.map((body, i) => ({ messageId: String(i), body })) }) as SQSEvent;

test('only the failed events of a batch are delivered again', async () => {
  const [good, bad] = [await committed(), await committed()];
  const consume = createConsumer('half', async ({ id }) => {
    if (id === bad) throw new Error('no');
  });
  expect(await consume(eventOf(bodyOf(good), bodyOf(bad), '{"not":"an event"}'))).toEqual({
    batchItemFailures: [{ itemIdentifier: '1' }, { itemIdentifier: '2' }],
  });
  expect((await call(`/v1/admin/events/${good}`)).json).toMatchObject({
    status: 'applied',
    deliveries: [{ consumer: 'half', status: 'applied', attempts: 1 }],
  });
  expect((await call(`/v1/admin/events/${bad}`)).json).toMatchObject({
    status: 'failed',
    deliveries: [{ consumer: 'half', status: 'failed', error: 'no' }],
  });
});

test('an event is applied under the correlation id of its change', async () => {
  const seen: string[] = [];
  const consume = createConsumer('correlated', async () => {
    seen.push(correlationId());
  });
  await consume(eventOf(bodyOf(await committed(), 'request-1'), bodyOf(await committed(), 'request-2')));
  expect(seen.sort()).toEqual(['request-1', 'request-2']);
});

test('events with nothing left to do are acknowledged', async () => {
  for (const error of [new NotFound('gone'), new Conflict('there')]) {
    const consume = createConsumer('done', async () => {
      throw error;
    });
    expect(await consume(eventOf(bodyOf(await committed())))).toEqual({ batchItemFailures: [] });
  }
});

test('an event is applied even if its delivery cannot be recorded', async () => {
  const id = await committed();
  await pool.query('alter table platform.event_deliveries rename to out_of_reach');
  try {
    expect(await createConsumer('unrecorded', async () => {})(eventOf(bodyOf(id)))).toEqual({ batchItemFailures: [] });
  } finally {
    await pool.query('alter table platform.out_of_reach rename to event_deliveries');
  }
});

test('an event is committed, then published, then applied', async () => {
  const id = await committed();
  expect((await call(`/v1/admin/events/${id}`)).json).toMatchObject({
    status: 'committed',
    publishedAt: null,
    deliveries: [],
  });
  await pool.query('update platform.outbox set published_at = now() where id = $1', [id]);
  expect((await call(`/v1/admin/events/${id}`)).json.status).toBe('published');
  await createConsumer('last', async () => {})(eventOf(bodyOf(id)));
  expect((await call(`/v1/admin/events/${id}`)).json.status).toBe('applied');
  expect((await call('/v1/admin/events/999999999')).status).toBe(404);
});

test('after five failed attempts a message moves to the dead-letter queue, and can be redriven', async () => {
  const id = await committed();
  const failing = createConsumer('failing', async () => {
    throw new Error('always');
  });
  await sqs.send(new SendMessageCommand({ QueueUrl: queue.url, MessageBody: bodyOf(id) }));
  let receives = 0;
  await waitFor('the dead letter', async () => {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queue.url }));
    for (const { Body, ReceiptHandle } of Messages) {
      receives++;
      const { batchItemFailures } = await failing(eventOf(Body!));
      expect(batchItemFailures).toHaveLength(1);
      // skips the wait for the visibility timeout
      await sqs.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: queue.url,
          ReceiptHandle: ReceiptHandle!,
          VisibilityTimeout: 0,
        }),
      );
    }
    return (await call('/v1/admin/queues')).json.queues[0].dead === 1;
  });
  expect(receives).toBe(5);
  expect((await call('/v1/admin/queues/consumer/dead-letters')).json.deadLetters).toMatchObject([
    { body: { detail: { id } } },
  ]);
  expect((await call(`/v1/admin/events/${id}`)).json.deliveries).toMatchObject([
    { consumer: 'failing', status: 'failed', attempts: 5 },
  ]);

  expect((await call('/v1/admin/queues/consumer/redrive', { method: 'POST' })).json).toEqual({
    moved: 1,
    remaining: 0,
  });
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queue.url }));
  expect(await createConsumer('failing', async () => {})(eventOf(Messages[0]!.Body!))).toEqual({
    batchItemFailures: [],
  });
  expect((await call(`/v1/admin/events/${id}`)).json.status).toBe('applied');
  expect((await call('/v1/admin/queues/none/redrive', { method: 'POST' })).status).toBe(404);
});
