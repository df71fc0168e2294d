import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { createAlerts, minutesAgo, priceAlert, startReceiver } from '../support/alerts.ts';

const { call, createOwner, recordPrice, trackWallet, evaluate, deliver, q } = await createAlerts();
const owner = await createOwner();
const receiver = await startReceiver();
const wallet = `0x${'ab'.repeat(20)}`;
await recordPrice('BTC', minutesAgo(60), '90000');
await trackWallet(wallet);
const create = (body: unknown) => owner.call('/v1/alerts', { method: 'POST', body });

test('a price that reaches the threshold fires once, is listed, and is posted with a signature', async () => {
  const { status, json } = await create(priceAlert('btc', '100000', receiver.url));
  expect([status, json]).toMatchObject([200, { status: 'active', deliveries: { pending: 0, dead: 0 } }]);
  await evaluate();
  expect((await owner.call(`/v1/alerts/${json.id}/firings`)).json.firings).toEqual([]);
  // later than the alert: what was recorded before it is where it begins
  await recordPrice('BTC', new Date(), '100000.50');
  expect((await evaluate()).result).toEqual({ fired: 1 });
  expect((await evaluate()).result).toEqual({ fired: 0 });
  expect((await deliver()).result).toEqual({ delivered: 1, failed: 0 });
  const [firing, ...others] = (await owner.call(`/v1/alerts/${json.id}/firings`)).json.firings;
  expect([firing, others]).toMatchObject([{ value: '100000.5', delivery: { status: 'delivered', attempts: 1 } }, []]);
  const [got] = receiver.received;
  const headers = got!.headers as Record<string, string>;
  expect(new Webhook(json.webhookSecret).verify(got!.body, headers)).toEqual({
    type: 'alert.fired',
    timestamp: firing.firedAt,
    data: {
      alertId: json.id,
      firingId: firing.id,
      condition: { kind: 'price', token: 'btc', direction: 'above', thresholdUsd: '100000' },
      value: '100000.5',
      observedAt: firing.observedAt,
    },
  });
  expect(headers['webhook-id']).toBe(`firing_${firing.id}`);
  expect((await owner.call(`/v1/alerts/${json.id}`)).json).toMatchObject({ lastFiredAt: firing.firedAt });
});

test.each([
  { kind: 'price', token: 'btc', direction: 'below', thresholdUsd: '0.5' },
  { kind: 'value', wallet, direction: 'above', thresholdUsd: '1000000.25' },
  { kind: 'drawdown', wallet, percent: 20, windowDays: 30 },
  { kind: 'lock_expiry', wallet, days: 7 },
])('an alert of kind $kind is shown as it was created, without its secret', async (condition) => {
  const created = await create({ condition, webhookUrl: receiver.url });
  expect(created.status).toBe(200);
  const { webhookSecret, ...alert } = created.json;
  expect(webhookSecret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(alert).toMatchObject({ condition, marginPercent: 1, webhookUrl: receiver.url, lastFiredAt: null });
  const { text, json } = await owner.call(`/v1/alerts/${alert.id}`);
  expect(json).toEqual(alert);
  expect(text).not.toContain('whsec');
});

const price = { kind: 'price', token: 'btc', direction: 'above', thresholdUsd: '1' };
test.each([
  ['an unknown token', { ...price, token: 'nothing' }, 'body.condition.token'],
  [
    'a wallet that nobody tracks',
    { kind: 'value', wallet: `0x${'ee'.repeat(20)}`, direction: 'above', thresholdUsd: '1' },
    'body.condition.wallet',
  ],
  ['a threshold of zero', { ...price, thresholdUsd: '0.00' }, 'body.condition.thresholdUsd'],
  ['a negative threshold', { ...price, thresholdUsd: '-1' }, 'body.condition.thresholdUsd'],
  ['a drawdown of everything', { kind: 'drawdown', wallet, percent: 100, windowDays: 30 }, 'body.condition.percent'],
  ['a window of years', { kind: 'drawdown', wallet, percent: 10, windowDays: 365 }, 'body.condition.windowDays'],
  ['a kind that does not exist', { kind: 'weather' }, 'body.condition.kind'],
])('%s is rejected', async (_, condition, field) => {
  const { status, json } = await create({ condition, webhookUrl: receiver.url });
  expect([status, json.errors.map((one: { field: string }) => one.field)]).toEqual([400, [field]]);
});

test('without a key, with a malformed or a revoked one, every operation answers 401', async () => {
  const revoked = await createOwner();
  await q('update platform.keys set revoked_at = now() where id = $1', [revoked.id]);
  const forged = `Bearer ${owner.token.slice(0, -4)}AAAA`;
  const { id } = (await create(priceAlert('btc', '1', receiver.url))).json;
  for (const authorization of [undefined, 'Bearer x', forged, `Basic ${owner.token}`, `Bearer ${revoked.token}`]) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const [method, path] of operations(id)) {
      const { status } = await call(path, { method, headers, ...(path === '/v1/alerts' ? { body: {} } : {}) });
      expect([method, path, status]).toEqual([method, path, 401]);
    }
  }
});

test('the alert of another owner does not exist', async () => {
  const other = await createOwner();
  const { id } = (await create(priceAlert('btc', '1', receiver.url))).json;
  for (const [method, path] of operations(id).filter(([, one]) => one !== '/v1/alerts')) {
    const { status, json } = await other.call(path, { method });
    expect([method, path, status]).toEqual([method, path, 404]);
    expect(json.detail).toMatch(/^There is no /);
  }
  expect((await owner.call(`/v1/alerts/${id}`)).json.status).toBe('active');
});

const operations = (id: string): [method: string, path: string][] => [
  ['POST', '/v1/alerts'],
  ['GET', '/v1/alerts'],
  ['GET', `/v1/alerts/${id}`],
  ['POST', `/v1/alerts/${id}/pause`],
  ['POST', `/v1/alerts/${id}/resume`],
  ['DELETE', `/v1/alerts/${id}`],
  ['POST', `/v1/alerts/${id}/rotate-secret`],
  ['GET', `/v1/alerts/${id}/firings`],
  ['POST', `/v1/alerts/${id}/firings/1/replay`],
];
