/** The portfolio domain's world for the oracle of announcements: wallets and tokens, what they hold, and prices, now and then. */
import { inFunction, type World } from '../support/world.ts';

const day = (n: number) => `'2026-01-0${n}Z'`;
/** Some hours before the test: prices of today are hot, and those of other months are late. */
const ago = (hours: number) => `date_trunc('milliseconds', now()) - interval '${hours} hours'`;
const address = (byte: string) => `0x${byte.repeat(20)}`;
const bytes = (byte: string) => `'\\x${byte.repeat(20)}'`;
const [ada, bo, cy] = ['a1', 'b2', 'c3'] as const;

const seed = `
  insert into portfolio.tokens (chain, address, symbol, name, decimals) values (null, null, 'BTC', 'Bitcoin', 8),
    ('base', ${bytes('aa')}, 'HUNT', null, 18), (null, null, 'NEW', null, null), (null, null, 'UNUSED', null, null);
  insert into portfolio.wallets (address, label, is_tracked) values (${bytes(ada)}, 'Ada', true), (${bytes(bo)}, null, false),
    (${bytes(cy)}, null, false);
  insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
  values (1, ${day(1)}, 10, 'import'), (1, ${day(2)}, 11, 'import'), (2, ${day(2)}, 3, 'defillama');
  insert into portfolio.price_checks (token_id, checked_at, source, price_usd, other_source, other_price_usd, deviation)
  values (2, ${day(2)}, 'defillama', 3, 'alchemy', 4, 0.33);
  insert into portfolio.price_disputes (token_id, since, until, source, price_usd, other_source, other_price_usd)
  values (2, ${day(2)}, ${day(3)}, 'defillama', 3, 'alchemy', 4);
  insert into portfolio.price_snapshots (token_id, recorded_at, price_usd, source)
  values (1, ${ago(2)}, 20, 'import'), (1, ${ago(1)}, 21, 'import');
  insert into portfolio.token_balances (wallet_id, token_id, balance, as_of, since)
  values (1, 1, 2, ${ago(1)}, ${day(1)}), (1, 2, 5, ${ago(1)}, ${day(2)}), (1, 3, 7, ${ago(1)}, ${ago(1)}), (2, 1, 3, ${ago(1)}, ${ago(1)});
  insert into portfolio.balance_changes (wallet_id, token_id, as_of, balance, confirmed_at)
  values (1, 1, ${day(1)}, 4, array[timestamptz ${day(2)}, timestamptz ${day(3)}]), (1, 1, ${ago(1)}, 2, null), (1, 2, ${day(2)}, 5, null),
    (1, 3, ${ago(1)}, 7, null), (2, 1, ${ago(1)}, 3, null);
  insert into portfolio.portfolio_snapshots_late (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
  values (1, ${day(1)}, 40, 1, 0), (1, ${day(3)}, 59, 2, 0), (2, ${day(3)}, 1, 1, 0);
  insert into portfolio.portfolio_snapshots (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
  values (1, ${ago(1)}, 42, 1, 2);
  insert into portfolio.value_moves (wallet_id, captured_at, token_id, before_usd, after_usd, sources)
  values (1, ${day(3)}, 2, 0, 15, '{defillama}');
  insert into portfolio.positions (protocol, chain, external_id, kind, wallet_id, token_id)
  values ('veTEST', 'base', '1', 'lock', 1, 2), ('veTEST', 'base', '2', 'lock', 1, null), ('veTEST', 'base', '3', 'lock', null, null),
    ('dex', 'base', 'p', 'liquidity', 2, null);
  insert into portfolio.position_snapshots_late (position_id, captured_at, amount, value_usd, unlock_at)
  values (1, ${day(1)}, 100, null, ${day(9)}), (1, ${day(2)}, 110, 330, null), (2, ${day(2)}, 5, null, null);
  insert into portfolio.position_snapshots (position_id, captured_at, amount, value_usd, unlock_at)
  values (1, ${ago(1)}, 120, 360, null);
  insert into portfolio.governance_locks (position_id, amount, unlock_at, voting_power, as_of, block)
  values (1, 120, null, 120, ${ago(1)}, 99), (2, 5, ${day(9)}, null, ${day(2)}, null);
  insert into portfolio.asset_correlations (timeframe, token_id, other_token_id, correlation, days, computed_at)
  values ('30d', 1, 2, 0.5, 29, ${day(1)}), ('90d', 1, 2, -0.25, 89, ${day(1)}), ('30d', 1, 3, 0.75, 29, ${day(1)});
  insert into portfolio.wallet_risks (wallet_id, timeframe, volatility, max_drawdown, days, computed_at)
  values (1, '30d', 0.6, 0.25, 30, ${day(1)}), (1, '90d', null, null, 1, ${day(1)}),
    (2, '30d', 0.1, 0.1, 20, ${day(1)})`;

const tokens = ['btc', `base:${address('aa')}`, 'new', 'none'].map((id) => ({ path: { id } }));
const wallets = [ada, bo, cy, 'd4'].map((one) => ({ path: { wallet: address(one) } }));
const january = { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' };
const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
const today = { from: hoursAgo(12), to: hoursAgo(0) };
const derived = (from: string) => `a trigger on ${from} updates it, in the transaction of the change that it announces`;
const packed = 'only what moves history from tier to tier writes it, and then no answer changes';

export const world: World = {
  seed: async (tx) => void (await tx.query(seed)),
  samples: {
    getTokenPrice: tokens,
    listTokenPrices: [undefined, '1d'].flatMap((interval) =>
      tokens.map((one) => ({ ...one, query: { ...january, interval } })),
    ),
    listTokens: [{}, { query: { chain: 'base' } }],
    listPortfolios: [{}, { query: { minValue: '50' } }],
    getPortfolio: wallets.flatMap((one) =>
      [undefined, '2026-01-02T12:00:00Z', '2026-01-01T00:00:00Z', hoursAgo(1.5)].map((at) => ({
        ...one,
        query: at === undefined ? {} : { at },
      })),
    ),
    getPortfolioHistory: wallets.flatMap((one) => [
      { ...one, query: { ...january, interval: '1d' } },
      { ...one, query: { ...today, interval: '5m' } },
    ]),
    listPositions: wallets,
    listPositionHistory: wallets.flatMap((one) => [
      { ...one, query: january },
      { ...one, query: today },
    ]),
    listLocks: wallets,
    listCorrelations: [{}, { query: { timeframe: '90d' } }],
    getWalletRisk: wallets.map(({ path }) => ({ path: { address: path.wallet } })),
  },
  values: {
    'positions.wallet_id': ['1', '2', '3', 'null'],
    'positions.kind': [`'staking'`],
    'price_snapshots.source': [`'coingecko'`],
    'price_snapshots_late.source': [`'coingecko'`],
    'asset_correlations.timeframe': [`'90d'`],
    'asset_correlations.correlation': ['t.correlation / 2'],
    'wallet_risks.timeframe': [`'90d'`],
    'wallet_risks.volatility': ['t.volatility / 2', 'null'],
    'wallet_risks.max_drawdown': ['t.max_drawdown / 2', 'null'],
  },
  refused: {
    'tokens.id': 'generated',
    'tokens.key': 'generated',
    'wallets.id': 'generated',
    'positions.id': 'generated',
  },
  internal: {
    alerts: 'no cached read shows it',
    alert_states: 'no cached read shows it',
    alert_firings: 'no cached read shows it',
    last_valuations: 'no cached read shows it',
    latest_prices: derived('price_snapshots'),
    latest_values: derived('portfolio_snapshots'),
    latest_positions: derived('position_snapshots'),
    price_snapshots_packed: packed,
    portfolio_snapshots_packed: packed,
    position_snapshots_packed: packed,
  },
  derived: {
    latest_prices: {
      unless: [],
      wrong: `
        select * from portfolio.latest_prices p join (
          select distinct on (token_id) * from (table portfolio.price_snapshots union all table portfolio.price_snapshots_late) as s
          order by token_id, recorded_at desc) as latest using (token_id)
        -- one that is later than all that is stored was deleted
        where p.recorded_at < latest.recorded_at
          or p.recorded_at = latest.recorded_at and (p.price_usd, p.source) is distinct from (latest.price_usd, latest.source)`,
    },
  },
  planted: [
    {
      fault: 'a new price is not announced to portfolios',
      at: 'price_snapshots.price_usd',
      sql: inFunction('portfolio.on_prices', [`'token-prices:all'::text || (select`, '(select']),
    },
    {
      fault: 'a corrected late price is not announced',
      at: 'price_snapshots_late.price_usd',
      sql: 'drop trigger announce_updated on portfolio.price_snapshots_late',
    },
    {
      fault: 'a balance is not announced to the list',
      at: 'token_balances.balance',
      sql: inFunction('portfolio.on_wallet_rows', [
        `case when tg_table_name like 'token_balances%' then text 'portfolio-list:all' end || changed`,
        'changed',
      ]),
    },
    {
      fault: 'a change of a past balance is not announced',
      at: 'balance_changes.balance',
      sql: 'drop trigger announce_updated on portfolio.balance_changes',
    },
    {
      fault: 'a position that changes hands is not announced to its former owner',
      at: 'positions.wallet_id',
      sql: inFunction('portfolio.on_wallet_rows', ['table new_rows union all table old_rows', 'table new_rows']),
    },
    {
      fault: 'a corrected snapshot of a position is not announced',
      at: 'position_snapshots_late.amount',
      sql: 'drop trigger announce_updated on portfolio.position_snapshots_late',
    },
    {
      fault: 'a token of a dispute is not announced to portfolios',
      at: 'tokens.disputed_since',
      sql: inFunction('portfolio.on_tokens', [`'token-list:all'::text || changed`, 'changed']),
    },
    {
      fault: 'an old price that arrives late replaces the latest',
      at: 'price_snapshots_late.price_usd',
      sql: inFunction('portfolio.on_prices', ['where excluded.recorded_at >= l.recorded_at', 'where true']),
    },
  ],
};
