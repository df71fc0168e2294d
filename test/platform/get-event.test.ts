import { expect, test } from 'vitest';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform');
const announce = async (publishedAt: string | null = null) => {
  const { rows } = await database.pool.query<{ id: string; xid: string; created_at: Date }>(
    `insert into platform.outbox (type, entities, correlation_id, published_at)
     values ('collection_updated', '{collections:tea-club,collection-nfts:tea-club}', 'request-1', $1)
     returning id, xid, created_at`,
    [publishedAt],
  );
  return rows[0]!;
};
const deliver = (id: string, consumer: string, status: string, attempts = 1, error: string | null = null) =>
  database.pool.query(`insert into platform.event_deliveries values ($1, $2, $3, $4, $5, '2026-01-02T03:04:05Z')`, [
    id,
    consumer,
    status,
    attempts,
    error,
  ]);
const published = '2026-01-01T00:00:00Z';

test('returns an event with its deliveries, sorted by consumer', async () => {
  const { id, xid, created_at } = await announce(published);
  await deliver(id, 'warm-collection', 'applied');
  await deliver(id, 'invalidate-cache', 'failed', 5, 'Redis did not answer.');
  const { json, headers } = await call(`/v1/admin/events/${id}`);
  expect(json).toEqual({
    id,
    type: 'collection_updated',
    status: 'failed',
    entities: ['collections:tea-club', 'collection-nfts:tea-club'],
    xid,
    correlationId: 'request-1',
    committedAt: created_at.toISOString(),
    publishedAt: '2026-01-01T00:00:00.000Z',
    deliveries: [
      {
        consumer: 'invalidate-cache',
        status: 'failed',
        attempts: 5,
        error: 'Redis did not answer.',
        at: '2026-01-02T03:04:05.000Z',
      },
      { consumer: 'warm-collection', status: 'applied', attempts: 1, error: null, at: '2026-01-02T03:04:05.000Z' },
    ],
  });
  expect(headers['cache-control']).toBe('no-store');
});

test('the status goes from committed to published to applied', async () => {
  const { id } = await announce();
  const look = async () => {
    const { status, publishedAt, deliveries } = (await call(`/v1/admin/events/${id}`)).json;
    return [status, publishedAt !== null, deliveries.length];
  };
  expect(await look()).toEqual(['committed', false, 0]);
  await database.pool.query('update platform.outbox set published_at = now() where id = $1', [id]);
  expect(await look()).toEqual(['published', true, 0]);
  await deliver(id, 'invalidate-cache', 'applied');
  expect(await look()).toEqual(['applied', true, 1]);
});

test('returns only the requested event and its own deliveries', async () => {
  const { id } = await announce();
  await deliver(id, 'invalidate-cache', 'failed');
  const next = await announce();
  expect((await call(`/v1/admin/events/${next.id}`)).json).toMatchObject({
    id: next.id,
    status: 'committed',
    deliveries: [],
  });
  expect((await call('/v1/admin/events/9000000000000000000')).status).toBe(404);
});

test.each([
  ['/v1/admin/events/0', 'path.id'],
  ['/v1/admin/events/12345678901234567890', 'path.id'],
  ['/v1/admin/events/last', 'path.id'],
  ['/v1/admin/events/1?deliveries=all', 'query.deliveries'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
