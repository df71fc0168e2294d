/** What fires depends on what was observed, and on nothing else: not on when, how often, or by how many it was evaluated. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluateAlerts } from '../../functions/portfolio/evaluate-alerts.ts';
import { createAlerts, minutesAgo, priceAlert } from '../support/alerts.ts';

const { createOwner, recordPrice, evaluate, q } = await createAlerts();
const start = minutesAgo(24 * 60);
const at = (minute: number) => new Date(start.getTime() + minute * 60_000);

interface Series {
  direction: 'above' | 'below';
  threshold: number;
  marginPercent: number;
  /** The price before the alert, if there is one, then one a minute. */
  before: number | null;
  prices: number[];
}

/** The minutes at which an alert fires. */
function expected({ direction, threshold, marginPercent, before, prices }: Series): number[] {
  const isReached = (price: number) => (direction === 'above' ? price >= threshold : price <= threshold);
  const margin = (threshold * marginPercent) / 100;
  const isBack = (price: number) => (direction === 'above' ? price < threshold - margin : price > threshold + margin);
  const fired: number[] = [];
  let isArmed = true;
  for (const [i, price] of [before, ...prices].entries()) {
    if (price === null) continue;
    if (isReached(price) && isArmed) fired.push(i - 1);
    if (isReached(price)) isArmed = false;
    else if (isBack(price)) isArmed = true;
  }
  return fired;
}

const series = fc.record<Series>({
  direction: fc.constantFrom('above', 'below'),
  threshold: fc.integer({ min: 8, max: 12 }),
  // a quarter of 8 to 12 is exact, so that the model needs no decimals
  marginPercent: fc.constantFrom(0, 25, 50),
  before: fc.option(fc.integer({ min: 1, max: 20 })),
  prices: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 25 }),
});

let tokens = 0;

/** Creates an alert for each series, with its first price. Returns the tokens' symbols and the alerts' ids. */
async function createAll(all: readonly Series[]): Promise<{ symbol: string; id: string }[]> {
  const owner = await createOwner();
  const created = [];
  for (const { direction, threshold, marginPercent, before } of all) {
    const symbol = `T${++tokens}`;
    if (before === null) await q('insert into portfolio.tokens (symbol) values ($1)', [symbol]);
    else await recordPrice(symbol, at(-1), before);
    const body = priceAlert(symbol, String(threshold), 'http://127.0.0.1:9/', { direction, marginPercent });
    const { json } = await owner.call('/v1/alerts', { method: 'POST', body });
    created.push({ symbol, id: json.id as string });
  }
  await q('update portfolio.alerts set active_since = $1 where key_id = $2', [at(-0.5), owner.id]);
  return created;
}

async function firedMinutes(id: string): Promise<number[]> {
  const rows = await q('select observed_at from portfolio.alert_firings where alert_id = $1 order by id', [id]);
  return rows.map(({ observed_at }) => Math.round((observed_at.getTime() - start.getTime()) / 60_000));
}

test('an alert fires once per crossing, with hysteresis, however its prices are spread over evaluations', async () => {
  let crossings = 0;
  const rounds = fc.array(fc.integer({ min: 0, max: 25 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(series, { minLength: 20, maxLength: 20 }), rounds, async (all, cuts) => {
      const created = await createAll(all);
      let from = 0;
      for (const until of [...cuts.sort((a, b) => a - b), 25]) {
        for (const [i, { prices }] of all.entries())
          for (let minute = from; minute < Math.min(until, prices.length); minute++)
            await recordPrice(created[i]!.symbol, at(minute), prices[minute]!);
        from = Math.max(from, until);
        await evaluate();
      }
      for (const [i, one] of all.entries()) {
        const fired = await firedMinutes(created[i]!.id);
        expect([one, fired]).toEqual([one, expected(one)]);
        crossings += fired.length;
      }
    }),
    // to shrink a failure would take minutes
    { numRuns: 6, endOnFailure: true },
  );
  expect(crossings).toBeGreaterThan(100);
}, 120_000);

test('evaluations that run at once, or again, fire nothing twice', async () => {
  const zigzag = [1, 20, 1, 20, 1, 20, 1, 20];
  const all = Array.from({ length: 5 }, (): Series => {
    return { direction: 'above', threshold: 10, marginPercent: 25, before: 1, prices: zigzag };
  });
  const created = await createAll(all);
  const context = {
    jobId: 'x',
    token: 'x',
    deadline: new Date(),
    params: {},
    requestedBy: 'test',
    step: async () => {},
  };
  for (const [minute, price] of zigzag.entries()) {
    for (const { symbol } of created) await recordPrice(symbol, at(minute), price);
    await Promise.all([1, 2, 3].map(() => evaluateAlerts.run(context)));
  }
  for (const { id } of created) expect(await firedMinutes(id)).toEqual([1, 3, 5, 7]);
});

test('prices recorded late, or corrected, fire nothing', async () => {
  const [alert] = await createAll([{ direction: 'above', threshold: 10, marginPercent: 0, before: 1, prices: [] }]);
  const { symbol, id } = alert!;
  await recordPrice(symbol, at(10), 5);
  await evaluate();
  await recordPrice(symbol, at(4), 20);
  await q(
    `update portfolio.price_snapshots_late p set price_usd = 30 from portfolio.tokens t
    where t.id = p.token_id and t.symbol = $1 and p.recorded_at = $2`,
    [symbol, at(10)],
  );
  await evaluate();
  expect(await firedMinutes(id)).toEqual([]);
  await recordPrice(symbol, at(11), 20);
  await evaluate();
  expect(await firedMinutes(id)).toEqual([11]);
});

test('a paused alert fires nothing, and resumes with the latest price', async () => {
  const owner = await createOwner();
  await recordPrice('PAUSED', at(0), 1);
  const body = priceAlert('paused', '10', 'http://127.0.0.1:9/', { marginPercent: 0 });
  const { id } = (await owner.call('/v1/alerts', { method: 'POST', body })).json;
  await q('update portfolio.alerts set active_since = $1 where id = $2', [at(0), id]);
  await evaluate();
  const change = async (action: string) =>
    (await owner.call(`/v1/alerts/${id}/${action}`, { method: 'POST' })).json.status;
  expect([await change('pause'), await change('pause')]).toEqual(['paused', 'paused']);
  await recordPrice('PAUSED', at(1), 20);
  await recordPrice('PAUSED', at(2), 1);
  await evaluate();
  // what was crossed during the pause is not made up for
  expect([await change('resume'), await change('resume')]).toEqual(['active', 'active']);
  await evaluate();
  expect(await firedMinutes(id)).toEqual([]);
  await change('pause');
  await recordPrice('PAUSED', at(3), 20);
  await change('resume');
  await evaluate();
  expect(await firedMinutes(id)).toEqual([3]);
});

test('the alerts of a revoked key rest', async () => {
  const owner = await createOwner();
  await recordPrice('REVOKED', at(0), 20);
  const { id } = (
    await owner.call('/v1/alerts', { method: 'POST', body: priceAlert('revoked', '10', 'http://127.0.0.1:9/') })
  ).json;
  await q('update platform.keys set revoked_at = now() where id = $1', [owner.id]);
  await evaluate();
  expect(await firedMinutes(id)).toEqual([]);
  await q('update platform.keys set revoked_at = null where id = $1', [owner.id]);
  await evaluate();
  expect(await firedMinutes(id)).toEqual([0]);
});
