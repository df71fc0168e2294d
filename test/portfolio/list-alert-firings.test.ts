import { expect, test } from 'vitest';
import { createAlerts, minutesAgo, minutesAhead, priceAlert, startReceiver } from '../support/alerts.ts';

const { createOwner, recordPrice, evaluate, q } = await createAlerts();
const owner = await createOwner();
const receiver = await startReceiver();

test('firings are listed page by page, latest first', async () => {
  await recordPrice('UNI', minutesAgo(5), '1');
  const { id } = (await owner.call('/v1/alerts', { method: 'POST', body: priceAlert('uni', '5', receiver.url) })).json;
  // the alert is an hour old
  await q(`update portfolio.alerts set active_since = active_since - interval '1 hour'`);
  for (let i = 0; i < 7; i++) {
    await recordPrice('UNI', minutesAgo(50 - 2 * i), '6');
    await recordPrice('UNI', minutesAgo(49 - 2 * i), '4');
  }
  expect((await evaluate()).result).toEqual({ fired: 7 });
  const all = (await owner.call(`/v1/alerts/${id}/firings`)).json.firings;
  expect(all.map(({ observedAt }: { observedAt: string }) => observedAt)).toEqual(
    all
      .map(({ observedAt }: { observedAt: string }) => observedAt)
      .sort()
      .reverse(),
  );
  const pages = [];
  for (let cursor = ''; ; ) {
    const { firings, nextCursor } = (await owner.call(`/v1/alerts/${id}/firings?limit=3${cursor}`)).json;
    pages.push(...firings);
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  expect(pages).toEqual(all);
  const other = (await owner.call('/v1/alerts', { method: 'POST', body: priceAlert('uni', '5', receiver.url) })).json
    .id;
  const { nextCursor } = (await owner.call(`/v1/alerts/${id}/firings?limit=3`)).json;
  expect((await owner.call(`/v1/alerts/${other}/firings?cursor=${nextCursor}`)).status).toBe(400);
});

test('a price from the future is not observed before its time', async () => {
  await recordPrice('SOON', minutesAgo(5), '1');
  const { id } = (await owner.call('/v1/alerts', { method: 'POST', body: priceAlert('soon', '5', receiver.url) })).json;
  await recordPrice('SOON', minutesAhead(10), '6');
  await evaluate();
  expect((await owner.call(`/v1/alerts/${id}/firings`)).json.firings).toEqual([]);
});
