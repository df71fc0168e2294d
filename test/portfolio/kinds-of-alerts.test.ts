/** What the alerts on wallets observe: values, falls from a peak, and locks about to unlock. */
import { expect, test } from 'vitest';
import { createAlerts, minutesAgo, priceAlert } from '../support/alerts.ts';

const { createOwner, trackWallet, recordPrice, evaluate, q } = await createAlerts();
const owner = await createOwner();
const day = 24 * 60;
let wallets = 0;

async function createWallet() {
  const address = `0x${(++wallets).toString(16).padStart(40, '0')}`;
  return { address, id: await trackWallet(address) };
}

/** Creates an alert that began a year ago, on a new wallet. */
async function createAlert(condition: (wallet: string) => object, marginPercent = 10) {
  const wallet = await createWallet();
  const body = { condition: condition(wallet.address), marginPercent, webhookUrl: 'http://127.0.0.1:9/' };
  const { json } = await owner.call('/v1/alerts', { method: 'POST', body });
  await q(`update portfolio.alerts set active_since = now() - interval '1 year' where id = $1`, [json.id]);
  const fired = async () => {
    await evaluate();
    const { firings } = (await owner.call(`/v1/alerts/${json.id}/firings`)).json;
    return firings.map(({ value }: { value: string }) => Number(value)).reverse();
  };
  const record = (minutes: number, value: number, { priced = 1, unpriced = 0 } = {}) =>
    q('insert into portfolio.portfolio_snapshots_late values ($1, $2, $3, $4, $5)', [
      wallet.id,
      minutesAgo(minutes),
      value,
      priced,
      unpriced,
    ]);
  return { ...wallet, alertId: json.id as string, fired, record };
}

test('the value of a wallet fires at its threshold, and again after it went back by the margin', async () => {
  const { fired, record } = await createAlert((wallet) => ({
    kind: 'value',
    wallet,
    direction: 'below',
    thresholdUsd: '100',
  }));
  await record(50, 101);
  expect(await fired()).toEqual([]);
  await record(45, 100);
  await record(40, 99);
  await record(35, 110);
  await record(30, 98);
  expect(await fired()).toEqual([100]);
  await record(25, 110.5);
  expect(await fired()).toEqual([100]);
  await record(20, 97);
  expect(await fired()).toEqual([100, 97]);
});

test('a value that is unknown is not a value of zero', async () => {
  const { fired, record } = await createAlert((wallet) => ({
    kind: 'value',
    wallet,
    direction: 'below',
    thresholdUsd: '100',
  }));
  await record(50, 200);
  await record(40, 0, { priced: 0, unpriced: 3 });
  expect(await fired()).toEqual([]);
  // an empty wallet is
  await record(30, 0, { priced: 0, unpriced: 0 });
  expect(await fired()).toEqual([0]);
});

test('a drawdown is the fall from the maximum in its window, and no further back', async () => {
  const { fired, record } = await createAlert((wallet) => ({ kind: 'drawdown', wallet, percent: 20, windowDays: 2 }));
  await record(10 * day, 1_000);
  await record(5 * day, 500);
  // the fall from 1,000 was not observed: the peak is out of the window
  expect(await fired()).toEqual([]);
  await record(4 * day, 401);
  expect(await fired()).toEqual([]);
  await record(4 * day - 10, 400);
  expect(await fired()).toEqual([20]);
  await record(4 * day - 20, 405);
  await record(4 * day - 30, 300);
  // 19 % is within the margin
  expect(await fired()).toEqual([20]);
  // the peak ages: 300 is the maximum of its window two days later
  await record(2 * day - 40, 300);
  await record(2 * day - 50, 240);
  expect(await fired()).toEqual([20, 20]);
});

test('drawdowns equal those of a model that looks at the whole window each time', async () => {
  const windowMinutes = day;
  const alerts = [];
  for (let n = 0; n < 12; n++) {
    const alert = await createAlert((wallet) => ({ kind: 'drawdown', wallet, percent: 30, windowDays: 1 }));
    // a walk whose window of a day moves over two days
    let value = 1_000;
    const values = Array.from({ length: 48 }, (_, hour) => {
      value = Math.max(1, Math.round(value * (0.7 + ((n * 7 + hour * 13) % 10) / 15)));
      return { minutes: (48 - hour) * 60, value };
    });
    alerts.push({ ...alert, values });
  }
  for (let hour = 0; hour < 48; hour++) {
    for (const { record, values } of alerts) await record(values[hour]!.minutes, values[hour]!.value);
    if (hour % 3 === 2) await evaluate();
  }
  let total = 0;
  for (const { fired, values } of alerts) {
    const expected: number[] = [];
    let isArmed = true;
    for (const [i, { minutes, value }] of values.entries()) {
      const inWindow = values.slice(0, i + 1).filter((one) => one.minutes <= minutes + windowMinutes);
      const fall = 100 * (1 - value / Math.max(...inWindow.map((one) => one.value)));
      if (fall >= 30 && isArmed) expected.push(fall);
      if (fall >= 30) isArmed = false;
      else if (fall < 27) isArmed = true;
    }
    const got = await fired();
    expect(got.map((one: number) => one.toFixed(6))).toEqual(expected.map((one) => one.toFixed(6)));
    total += expected.length;
  }
  expect(total).toBeGreaterThan(20);
}, 60_000);

test('a lock fires once within the days before it unlocks, and again if it was extended', async () => {
  const { id, alertId, fired } = await createAlert((wallet) => ({ kind: 'lock_expiry', wallet, days: 7 }));
  const lock = async (externalId: string, unlockInDays: number | null, amount = 5) => {
    const [position] = await q(
      `insert into portfolio.positions (protocol, chain, external_id, kind, wallet_id) values ('ve', 'base', $1, 'lock', $2)
       on conflict (protocol, chain, external_id) do update set wallet_id = excluded.wallet_id returning id`,
      [externalId, id],
    );
    await q(
      `insert into portfolio.governance_locks (position_id, amount, unlock_at, as_of)
       values ($1, $2, now() + $3 * interval '1 day', now())
       on conflict (position_id) do update set amount = excluded.amount, unlock_at = excluded.unlock_at`,
      [position.id, amount, unlockInDays],
    );
  };
  await lock('far', 30);
  await lock('permanent', null);
  await lock('withdrawn', 3, 0);
  await lock('long ago', -400);
  expect(await fired()).toEqual([]);
  await lock('soon', 6.5);
  await lock('sooner', 2);
  expect((await fired()).map(Math.round).sort()).toEqual([2, 6]);
  expect(await fired()).toHaveLength(2);
  const { firings } = (await owner.call(`/v1/alerts/${alertId}/firings`)).json;
  expect(firings.map(({ lock: { id: name } }: { lock: { id: string } }) => name).sort()).toEqual(['soon', 'sooner']);
  expect(firings[0].lock).toMatchObject({ protocol: 've', chain: 'base', unlockAt: expect.any(String) });
  // extended, but not beyond the margin of 10 % of seven days
  await lock('soon', 7.5);
  await fired();
  await lock('soon', 5);
  expect(await fired()).toHaveLength(2);
  await lock('soon', 8);
  await fired();
  await lock('soon', 6);
  expect(await fired()).toHaveLength(3);
  // time alone brings it near
  await lock('far', 6.9);
  expect(await fired()).toHaveLength(4);
});

test('an alert on a lock may name a wallet that is known but not tracked, a value may not', async () => {
  const { address, id } = await createWallet();
  await q('update portfolio.wallets set is_tracked = false where id = $1', [id]);
  const create = (condition: object) =>
    owner.call('/v1/alerts', { method: 'POST', body: { condition, webhookUrl: 'http://127.0.0.1:9/' } });
  expect((await create({ kind: 'lock_expiry', wallet: address, days: 7 })).status).toBe(200);
  const { status, json } = await create({ kind: 'value', wallet: address, direction: 'above', thresholdUsd: '1' });
  expect([status, json.detail]).toEqual([400, 'body.condition.wallet is not a tracked wallet.']);
});

test('a price too old to value anything does not fire a new alert', async () => {
  await recordPrice('ANCIENT', minutesAgo(4 * day), 5);
  const body = priceAlert('ancient', '10', 'http://127.0.0.1:9/', { direction: 'below' });
  const { json } = await owner.call('/v1/alerts', { method: 'POST', body });
  const fired = async () => {
    await evaluate();
    return (await owner.call(`/v1/alerts/${json.id}/firings`)).json.firings.length;
  };
  expect(await fired()).toBe(0);
  await recordPrice('ANCIENT', new Date(), 6);
  expect(await fired()).toBe(1);
});
