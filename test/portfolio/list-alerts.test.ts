import { expect, test } from 'vitest';
import { createAlerts, minutesAgo, priceAlert } from '../support/alerts.ts';

const { createOwner, recordPrice } = await createAlerts();
await recordPrice('BTC', minutesAgo(5), '90000');
const body = priceAlert('btc', '100000', 'http://127.0.0.1:9/hook');

test('a key’s own alerts are listed, latest first', async () => {
  const [one, other] = [await createOwner(), await createOwner()];
  const first = (await one.call('/v1/alerts', { method: 'POST', body })).json.id;
  const second = (await one.call('/v1/alerts', { method: 'POST', body })).json.id;
  await other.call('/v1/alerts', { method: 'POST', body });
  const { status, json } = await one.call('/v1/alerts');
  expect([status, json.alerts.map(({ id }: { id: string }) => id)]).toEqual([200, [second, first]]);
  expect((await one.call(`/v1/alerts/${first}`, { method: 'DELETE' })).json).toEqual({ id: first });
  expect((await one.call('/v1/alerts')).json.alerts).toHaveLength(1);
});

test('a key has at most 100 alerts, however many requests come at once', async () => {
  const owner = await createOwner();
  const create = () => owner.call('/v1/alerts', { method: 'POST', body });
  for (let i = 0; i < 97; i++) expect((await create()).status).toBe(200);
  const replies = await Promise.all(Array.from({ length: 8 }, create));
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 200, 409, 409, 409, 409, 409]);
  expect(replies.find(({ status }) => status === 409)!.json.detail).toBe(
    'A key has at most 100 alerts. Delete one first.',
  );
  const { alerts } = (await owner.call('/v1/alerts')).json;
  expect(alerts).toHaveLength(100);
  await owner.call(`/v1/alerts/${alerts[0].id}`, { method: 'DELETE' });
  expect((await create()).status).toBe(200);
});
