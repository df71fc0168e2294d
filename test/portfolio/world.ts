/** The portfolio domain's world for the oracle of announcements. */
import type { World } from '../support/world.ts';

const day = (n: number) => `'2026-01-0${n}Z'`;

const seed = `
  insert into portfolio.tokens (chain, address, symbol, name, decimals) values (null, null, 'BTC', 'Bitcoin', 8),
    ('base', '\\x${'aa'.repeat(20)}', 'HUNT', null, 18), (null, null, 'NEW', null, null);
  insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
  values (1, ${day(1)}, 10, 'import'), (1, ${day(2)}, 11, 'import'), (2, ${day(2)}, 3, 'defillama');
  insert into portfolio.price_checks (token_id, checked_at, source, price_usd, other_source, other_price_usd, deviation)
  values (2, ${day(2)}, 'defillama', 3, 'alchemy', 4, 0.33);
  insert into portfolio.price_disputes (token_id, since, until, source, price_usd, other_source, other_price_usd)
  values (2, ${day(2)}, ${day(3)}, 'defillama', 3, 'alchemy', 4);`;

const tokens = ['btc', `base:0x${'aa'.repeat(20)}`, 'new', 'none'].map((id) => ({ path: { id } }));

export const world: World = {
  seed: async (tx) => void (await tx.query(seed)),
  samples: {
    getTokenPrice: tokens,
    listTokenPrices: [undefined, '1d'].flatMap((interval) =>
      tokens.map((one) => ({ ...one, query: { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z', interval } })),
    ),
  },
  values: {},
  refused: { 'tokens.id': 'generated', 'tokens.key': 'generated' },
  internal: {
    alerts: 'no cached read shows it',
    alert_states: 'no cached read shows it',
    alert_firings: 'no cached read shows it',
    latest_prices: 'a trigger on price_snapshots updates it, in the transaction of the change that it announces',
  },
  planted: [],
};
