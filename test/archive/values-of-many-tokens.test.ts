/** A past value of many tokens needs one price of each, however many the files have of the days before it. */
import { expect, test } from 'vitest';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { createArchiveWorld } from '../support/archive.ts';

const { archive, call, query } = await createArchiveWorld();
const tokens = 600;
const wallet = `0x${'a1'.repeat(20)}`;

test('a wallet of 600 tokens is valued at an instant in the archive', async () => {
  await query(`insert into portfolio.tokens (symbol) select 'T' || i from generate_series(1, ${tokens}) as i`);
  await query(`insert into portfolio.wallets (address) values ('\\x${wallet.slice(2)}')`);
  await query(`insert into portfolio.token_balances (wallet_id, token_id, balance, as_of, since)
    select w.id, t.id, 2, '2019-01-01Z', '2019-01-01Z' from portfolio.wallets w, portfolio.tokens t`);
  await query(`insert into portfolio.latest_prices (token_id, recorded_at, price_usd, source, first_recorded_at)
    select id, '2020-01-01Z', 1, 'import', '2019-01-05Z' from portfolio.tokens`);
  await query(`create table portfolio.price_snapshots_packed_201901 partition of portfolio.price_snapshots_packed
    for values from ('2019-01-01Z') to ('2019-02-01Z')`);
  await query(`insert into portfolio.price_snapshots_packed (token_id, day, offsets, price_usd, price_usd_unit, source)
    select t.id, d, array(select i * 300000 from generate_series(0, 287) as i), array(select i from generate_series(1, 288) as i), 1, '{import}'
    from portfolio.tokens t, generate_series(timestamptz '2019-01-05Z', '2019-01-07Z', '1 day') as d`);
  await archive({ graceMs: 0 });
  forgetMarkers();
  const reply = await call(`/v1/portfolios/${wallet}?at=2019-01-08T00:00:00Z`);
  expect([reply.status, reply.json.valueUsd, reply.json.pricedTokens]).toEqual([200, String(tokens * 2 * 288), tokens]);
}, 300_000);
