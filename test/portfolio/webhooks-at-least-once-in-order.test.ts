/** Webhooks arrive at least once, and in order per alert, wherever a worker dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { createAlerts, minutesAgo, priceAlert, type Received, startReceiver } from '../support/alerts.ts';

const { createOwner, recordPrice, evaluate, deliver, q } = await createAlerts();
const owner = await createOwner();

/** Creates an alert that fires as often as it is told to; returns it with its secret. */
async function createFiring(symbol: string, url: string, times: number) {
  await recordPrice(symbol, minutesAgo(1_000), 1);
  const { json } = await owner.call('/v1/alerts', { method: 'POST', body: priceAlert(symbol, '10', url) });
  await q(`update portfolio.alerts set active_since = now() - interval '999 minutes' where id = $1`, [json.id]);
  for (let i = 0; i < times; i++) {
    await recordPrice(symbol, minutesAgo(900 - 2 * i), 20 + i);
    await recordPrice(symbol, minutesAgo(899 - 2 * i), 1);
  }
  return json as { id: string; webhookSecret: string };
}

const idOf = ({ headers }: Received) => Number(String(headers['webhook-id']).replace('firing_', ''));
const dataOf = ({ body }: Received) => JSON.parse(body).data;

test('a worker killed between a request and its record sends it again, and nothing before its turn', async () => {
  let child: ChildProcess | undefined;
  let killAt = 3;
  let kills = 0;
  const answer: RequestListener = (_, response) => {
    // half of them before the answer, half after it
    const isBefore = kills % 2 === 0;
    if (!isBefore) response.writeHead(200).end();
    if (child && --killAt === 0) {
      child.kill('SIGKILL');
      kills++;
    }
    if (isBefore) response.writeHead(200).end();
  };
  const receiver = await startReceiver(answer);
  const alerts = [];
  for (const symbol of ['A', 'B', 'C', 'D']) alerts.push(await createFiring(symbol, receiver.url, 12));
  expect((await evaluate()).result).toEqual({ fired: 48 });
  for (let isDone = false; !isDone; ) {
    child = spawn('node', ['test/support/run-message.ts', '{"job":"portfolio.deliverWebhooks","requestedBy":"test"}'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    killAt = kills < 8 ? 1 + ((kills * 5) % 9) : Number.POSITIVE_INFINITY;
    await once(child, 'exit');
    // a claim that the killed worker has sent may still commit after this, and then ends in the next round
    await q(`update platform.jobs set lease_until = now() - interval '1 second' where lease_until is not null`);
    await q(`update portfolio.alert_firings set claimed_until = now() where status = 'pending'`);
    isDone = (await q(`select from portfolio.alert_firings where status = 'pending'`)).length === 0;
  }
  expect(kills).toBe(8);
  const rows = await q(`select id::int, alert_id, status from portfolio.alert_firings order by id`);
  expect(rows.map(({ status }) => status)).toEqual(Array(48).fill('delivered'));
  for (const { id } of alerts) {
    const got = receiver.received.filter((one) => dataOf(one).alertId === id).map(idOf);
    // never back to an earlier one
    expect(got).toEqual([...got].sort((a, b) => a - b));
    expect([...new Set(got)]).toEqual(rows.filter(({ alert_id }) => alert_id === id).map((row) => row.id));
  }
  expect(receiver.received.length).toBeGreaterThan(48);
  // a repeated message is the same one
  const bodies = new Map<number, string>();
  for (const one of receiver.received)
    expect(bodies.get(idOf(one)) ?? one.body).toBe(bodies.set(idOf(one), one.body).get(idOf(one)));
}, 120_000);

test('two workers at once do not send a firing twice', async () => {
  const { deliverWebhooks } = await import('../../functions/portfolio/deliver-webhooks.ts');
  const receiver = await startReceiver();
  for (const symbol of ['E', 'F', 'G']) await createFiring(symbol, receiver.url, 10);
  await evaluate();
  const context = {
    jobId: 'x',
    token: 'x',
    deadline: new Date(Date.now() + 600_000),
    params: {},
    requestedBy: 'test',
    step: async () => {},
  };
  await Promise.all([1, 2, 3].map(() => deliverWebhooks.run(context)));
  expect(receiver.received.map(idOf).sort((a, b) => a - b)).toEqual(
    [...new Set(receiver.received.map(idOf))].sort((a, b) => a - b),
  );
  expect(receiver.received).toHaveLength(30);
});

test('a later firing waits until the earlier one is delivered', async () => {
  let status = 500;
  const receiver = await startReceiver((_, response) => response.writeHead(status).end());
  const { id } = await createFiring('H', receiver.url, 3);
  await evaluate();
  expect((await deliver()).result).toEqual({ delivered: 0, failed: 1 });
  expect((await deliver()).result).toEqual({ delivered: 0, failed: 0 });
  expect((await owner.call(`/v1/alerts/${id}`)).json.deliveries).toEqual({ pending: 3, dead: 0 });
  status = 204;
  await q(`update portfolio.alert_firings set next_attempt_at = now() where alert_id = $1`, [id]);
  expect((await deliver()).result).toEqual({ delivered: 3, failed: 0 });
  expect(receiver.received.map((one) => dataOf(one).value)).toEqual(['20', '20', '21', '22']);
});

test('after a rotation both secrets sign for a day, then the new one alone', async () => {
  const receiver = await startReceiver();
  const { id, webhookSecret: first } = await createFiring('I', receiver.url, 1);
  const { status, json } = await owner.call(`/v1/alerts/${id}/rotate-secret`, { method: 'POST' });
  expect([status, Date.parse(json.previousSignsUntil) / 3_600_000]).toEqual([
    200,
    expect.closeTo(Date.now() / 3_600_000 + 24, 1),
  ]);
  const second = json.webhookSecret;
  expect(second).not.toBe(first);
  await evaluate();
  await deliver();
  const accepts = (secret: string) => {
    const { body, headers } = receiver.received.at(-1)!;
    try {
      return Boolean(new Webhook(secret).verify(body, headers as Record<string, string>));
    } catch {
      return false;
    }
  };
  expect(String(receiver.received[0]!.headers['webhook-signature'])).toMatch(/^v1,\S{44} v1,\S{44}$/);
  expect([accepts(first), accepts(second)]).toEqual([true, true]);
  await q(`update portfolio.alerts set previous_until = now() where id = $1`, [id]);
  await recordPrice('I', minutesAgo(1), 30);
  await evaluate();
  await deliver();
  expect(receiver.received).toHaveLength(2);
  expect([accepts(first), accepts(second)]).toEqual([false, true]);
});

test('a deleted alert sends nothing more', async () => {
  const receiver = await startReceiver();
  const { id } = await createFiring('J', receiver.url, 2);
  await evaluate();
  expect((await owner.call(`/v1/alerts/${id}`, { method: 'DELETE' })).status).toBe(200);
  await deliver();
  expect(receiver.received).toEqual([]);
  expect((await owner.call(`/v1/alerts/${id}`)).status).toBe(404);
});
