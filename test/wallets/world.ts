/** The wallets domain's world for the oracle of announcements: moments, their holders, prices, and up-to-date read models. */
import { auditEditions, auditWallets } from '../../functions/wallets/rebuild-snapshots.ts';
import { refreshRound } from '../../functions/wallets/refresh-snapshots.ts';
import { inFunction, type World } from '../support/world.ts';

const address = (byte: string) => `0x${byte.repeat(8)}`;
const bytes = (byte: string) => `'\\x${byte.repeat(8)}'`;
const [ada, bo, cy, dee] = ['a1', 'b2', 'c3', 'd4'] as const;
const edition = (playId: number) => `(select id from wallets.editions where set_id = 1 and play_id = ${playId})`;
const at = (day: number) => `'2026-01-0${day}Z'`;

const seed = `
  insert into wallets.sets values (1, 'Opening Night'), (2, 'Home Stand');
  insert into wallets.set_tiers values ('Opening Night', 'RARE');
  insert into wallets.plays (id, player_name, team_name, category, season, moment_at, details)
  values (1, 'Ada Amsel', 'Harbor Gulls', 'Dunk', '2025', ${at(1)}, '{"height": 2}'), (2, 'Bo Brook', null, null, null, null, '{}'),
    (9, 'Nobody', null, null, null, null, '{}');
  insert into wallets.editions (set_id, play_id, set_name, tier, player_name, team_name, category, season, moment_at)
  values (1, 1, 'Opening Night', 'RARE', 'Ada Amsel', 'Harbor Gulls', 'Dunk', '2025', ${at(1)}),
    (1, 2, 'Opening Night', 'COMMON', 'Bo Brook', 'Ridge Foxes', null, null, null),
    (1, 3, null, null, 'Cleo Castor', null, null, null, null), (1, 4, null, null, null, null, null, null, null);
  insert into wallets.nft_core_metadata
  values (1, ${edition(1)}, 11), (2, ${edition(1)}, 12), (3, ${edition(2)}, 13), (5, ${edition(2)}, 15);
  insert into wallets.large_wallets (wallet_address, is_complete) values (${bytes(ada)}, true);
  insert into wallets.wallet_holdings (nft_id, wallet_address, is_locked, last_event_ts)
  values (1, ${bytes(ada)}, false, ${at(1)}), (2, ${bytes(bo)}, true, ${at(2)}), (3, ${bytes(ada)}, false, ${at(3)}),
    (4, ${bytes(bo)}, false, ${at(4)}), (6, null, false, ${at(5)});
  insert into wallets.wallet_profiles (wallet_address, display_name)
  values (${bytes(ada)}, 'ada'), (${bytes(cy)}, 'adam');
  insert into wallets.edition_price_scrape (edition_id, scraped_at, floor_usd, average_sale_usd, sale_count)
  values (${edition(1)}, ${at(1)}, 5, 6, 2), (${edition(1)}, ${at(2)}, 7, 8, 3), (${edition(2)}, ${at(1)}, 1, null, null);
  insert into wallets.player_price_scrape values ('Cleo Castor', ${at(1)}, 3, 4, 5), ('Cleo Castor', ${at(2)}, 6, 7, 8);
  insert into wallets.purchases (nft_id, purchased_at, seller, buyer, price_usd, block_height)
  values (1, ${at(1)}, ${bytes(bo)}, ${bytes(ada)}, 4, 100), (3, ${at(2)}, ${bytes(bo)}, ${bytes(ada)}, 9, null);
  insert into wallets.missing_rows values ('run', 'key', 'stored');
  insert into wallets.seen_rows values ('run', '{key}')`;

const isDirty = `
  select exists (select 1 from wallets.dirty_wallets) or exists (select 1 from wallets.dirty_editions)
    or exists (select 1 from wallets.changed_holdings) or exists (select 1 from wallets.changed_moments)
    or exists (select 1 from wallets.new_sales) or exists (select 1 from wallets.outdated_moments) as dirty`;

const wallets = [ada, bo, cy, dee].map((one) => ({ path: { address: address(one) } }));
const editions = ['1-1', '1-2', '1-3', '1-4'].map((id) => ({ path: { id } }));
const queue = 'only triggers add to it, in the transaction of the change that they announce; no read shows it';

export const world: World = {
  seed: async (tx) => void (await tx.query(seed)),
  samples: {
    getWalletSummary: wallets,
    listHoldings: [
      ...wallets,
      ...['acquired', 'serial', '-floor', 'moment'].map((sort) => ({ path: wallets[0]!.path, query: { sort } })),
      { path: wallets[0]!.path, query: { tier: 'RARE', team: 'Harbor Gulls', edition: '1-1', locked: 'false' } },
    ],
    listTopWallets: ['moments', 'floorValue', 'tier.RARE', 'tier.COMMON', 'team.Harbor Gulls'].map((by) => ({
      query: { by, wallet: address(bo) },
    })),
    listEditions: [
      {},
      ...['-floor', '-lastSale', '-holders', '-supply', '-lockedShare'].map((sort) => ({ query: { sort } })),
      { query: { tier: 'RARE', team: 'Harbor Gulls', player: 'Ada Amsel' } },
    ],
    getEdition: editions,
    getPriceHistory: [...editions, { path: { id: '1-1' }, query: { from: '2026-01-02T00:00:00Z' } }],
    getExplorerFilters: [{}],
    search: [{ query: { q: 'ada' } }, { query: { q: '0xa1a1' } }, { query: { q: 'foxes' } }],
  },
  values: {
    'set_tiers.tier': [`'COMMON'`],
    'editions.tier': [`'COMMON'`, `'RARE'`, 'null'],
    'wallet_profiles.display_name': [`'zed'`, `t.display_name || 'x'`],
    'wallet_holdings.wallet_address': [bytes(ada), bytes(bo), bytes(cy), bytes(dee), 'null'],
    'nft_core_metadata.edition_id': [edition(1), edition(2), edition(3)],
  },
  refused: {
    'sets.id': 'a key',
    'set_tiers.set_name': 'a key',
    'plays.id': 'a key',
    'editions.id': 'generated',
    'editions.set_id': 'a key',
    'editions.play_id': 'a key',
    'nft_core_metadata.nft_id': 'a key',
    'wallet_holdings.nft_id': 'a key',
    'wallet_profiles.wallet_address': 'a key',
    'edition_price_scrape.edition_id': 'a key',
    'edition_price_scrape.scraped_at': 'a key',
    'edition_prices.edition_id': 'a key',
    'player_price_scrape.player_name': 'a key',
    'player_price_scrape.scraped_at': 'a key',
    'purchases.nft_id': 'a key',
    'purchases.purchased_at': 'a key',
    'purchases.seller': 'a key',
  },
  internal: {
    edition_prices: 'a trigger on edition_price_scrape updates it, in the transaction of the change that it announces',
    large_wallets: 'decides from which of two equal tables a list is read',
    large_wallet_holdings:
      'triggers on wallet_holdings and nft_core_metadata update it, in the transaction of the change that they announce',
    dirty_wallets: queue,
    dirty_editions: queue,
    changed_holdings: queue,
    changed_moments: queue,
    new_sales: queue,
    outdated_moments: 'only the refresh writes it; no read shows it',
  },
  settle: async (tx) => {
    const { rows } = await tx.query<{ dirty: boolean }>(isDirty);
    if (!rows[0]!.dirty) return false;
    await refreshRound(tx);
    await dropTemporary(tx);
    return true;
  },
  readModels: {
    tables: {
      wallet_summary_snapshot: { updated_at: 'when the row was last written; the repair writes it again' },
      wallet_team_counts: {},
      editions_snapshot: { updated_at: 'when the row was last written; the repair writes it again' },
      edition_prices_snapshot: {},
    },
    repair: async (tx) => {
      for (const round of [auditWallets, auditEditions, refreshRound]) {
        await round(tx);
        await dropTemporary(tx);
      }
    },
  },
  derived: {
    edition_prices: {
      unless: [],
      wrong: `
        select * from wallets.edition_prices p full join (
            select distinct on (edition_id) * from wallets.edition_price_scrape order by edition_id, scraped_at desc
          ) as latest using (edition_id)
        where (p.scraped_at, p.floor_usd, p.average_sale_usd)
          is distinct from (latest.scraped_at, latest.floor_usd, latest.average_sale_usd)`,
    },
    large_wallet_holdings: {
      unless: ['large_wallets'],
      wrong: `
        select * from wallets.large_wallet_holdings l full join (
            select h.wallet_address, h.is_locked, h.nft_id, h.last_event_ts,
              coalesce(m.edition_id, 0) as edition_id, coalesce(m.serial_number, 2147483647) as serial_number
            from wallets.wallet_holdings h join wallets.large_wallets w using (wallet_address)
              left join wallets.nft_core_metadata m using (nft_id)
          ) as held using (wallet_address, is_locked, nft_id)
        where (l.edition_id, l.serial_number, l.last_event_ts)
          is distinct from (held.edition_id, held.serial_number, held.last_event_ts)`,
    },
    edition_prices_snapshot: {
      unless: ['edition_prices'],
      wrong: `
        select * from wallets.edition_prices p full join wallets.edition_prices_snapshot s using (edition_id)
        where (p.floor_usd, p.average_sale_usd) is distinct from (s.floor_usd, s.average_sale_usd)`,
    },
  },
  planted: [
    {
      fault: 'a new display name is not announced to searches',
      at: 'wallet_profiles.display_name',
      sql: inFunction('wallets.on_profiles', ["'search:all'::text || (select", '(select']),
    },
    {
      fault: 'a corrected serial number is not announced',
      at: 'nft_core_metadata.serial_number',
      sql: inFunction('wallets.on_moments', [
        '(o.edition_id, o.serial_number) is distinct from (n.edition_id, n.serial_number)',
        'o.edition_id is distinct from n.edition_id',
      ]),
    },
    {
      fault: 'a corrected price of a player is not announced',
      at: 'player_price_scrape.median_sale_usd',
      sql: 'drop trigger announce_updated on wallets.player_price_scrape',
    },
    {
      fault: 'an old price that arrives late replaces the latest',
      at: 'edition_price_scrape.floor_usd',
      sql: inFunction('wallets.on_price_scrapes', ['where excluded.scraped_at >= p.scraped_at', '']),
    },
    {
      fault: 'a new price is not shown to the wallets that hold the edition',
      at: 'edition_price_scrape.floor_usd',
      sql: inFunction('wallets.on_price_scrapes', ['insert into wallets.dirty_editions select unnest(latest);', '']),
    },
    {
      fault: 'a play that arrives after its editions is not announced',
      at: 'plays.rows',
      sql: 'drop trigger announce_inserted on wallets.plays',
    },
    { fault: 'a key can change', at: 'purchases.nft_id', sql: 'drop trigger keep_key on wallets.purchases' },
  ],
};

/** Drops the temporary tables of a round, which last until the end of its transaction: the oracle's goes on. */
async function dropTemporary(tx: Parameters<World['seed']>[0]): Promise<void> {
  const { rows } = await tx.query<{ tables: string | null }>(`
    select string_agg(format('pg_temp.%I', relname), ', ') as tables from pg_class
    where relnamespace = pg_my_temp_schema() and relkind = 'r'`);
  if (rows[0]!.tables) await tx.query(`drop table ${rows[0]!.tables}`);
}
