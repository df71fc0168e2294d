/** The data of `npm run bench -- reads`: one large collection, one large wallet, and many small ones of each. */
import type pg from 'pg';
import { chooseLargeWallets, copyChunk } from '../functions/wallets/copy-large-wallets.ts';
import { currentStats } from '../functions/wallets/edition-stats.ts';
import { countEditions, countTeams, everyWallet, heldBy, summarize } from '../functions/wallets/summaries.ts';
import type { Transaction } from '../shared/db/transaction.ts';

export const sizes = {
  holdings: 1_000_000,
  wallets: 100_000,
  editions: 2_000,
  largeWallet: 100_000,
  collections: 50_000,
  tokens: 200_000,
  owners: 100_000,
  largeOwner: 20_000,
} as const;

/** The large collection, the collection known from a list of holders, the owner of many tokens and of many collections. */
export const named = {
  collection: `0x${'c0'.repeat(20)}`,
  list: 'list-of-holders',
  owner: `0x${'a1'.repeat(20)}`,
  holder: `0x${'a2'.repeat(20)}`,
  fid: '1',
  wallet: '0x00000000000000aa',
  /** Just not a large one. */
  smallWallet: '0x00000000000000ab',
  edition: '1-1',
} as const;

/** Fills the tables of both domains, always with the same rows, without their triggers. */
export async function fillReadsWorld(client: pg.Client): Promise<void> {
  await client.query(`select setseed(0.5); set session_replication_role = replica`);
  for (const statement of [...collections, ...wallets]) await client.query(statement);
  await client.query(`
    insert into wallets.wallet_summary_snapshot select n.*, now() from (${summarize(countEditions(heldBy(everyWallet))).text}) as n;
    insert into wallets.wallet_team_counts ${countTeams(countEditions(heldBy(everyWallet))).text};
    insert into wallets.editions_snapshot select n.*, now() from (${currentStats.text}) as n;
    set session_replication_role = origin`);
  const tx = client as unknown as Transaction;
  await chooseLargeWallets(tx);
  while (await copyChunk(tx));
  await client.query('vacuum analyze');
}

const bytes = (hex: string) => `'\\x${hex.slice(2)}'::bytea`;
/** An address from an integer expression. */
const ethereum = (n: string) => `int8send(hashint8extended(${n}, 0)) || int8send(${n}) || int4send(7)`;
const names = `(array['Moon', 'Cyber', 'Lazy', 'Pixel', 'Tiny', 'Mutant', 'Royal', 'Lost', 'Ghost', 'Neon', 'Abstract', 'Ab'])`;
const things = `(array['Apes', 'Cats', 'Foxes', 'Hats', 'Cups', 'Birds', 'Labs', 'Tables', 'Robots', 'Doodles', 'Stones'])`;

// one in ten collections has no name, and one in five was never refreshed
const collections = [
  `insert into collections.collections (address, slug, name, token_type, token_count, holder_count, holdings_from, refreshed_at)
   select case when i <> 2 then case when i = 1 then ${bytes(named.collection)} else ${ethereum('i')} end end,
     case when i = 2 then '${named.list}' end,
     case when i % 10 > 0 then ${names}[1 + i % 12] || ' ' || ${things}[1 + i % 11] || ' ' || i / 100 end,
     'ERC721', case when i = 1 then ${sizes.tokens} else i % 1000 end, i % 500, case when i = 2 then 'lists' else 'tokens' end,
     case when i % 5 > 0 then timestamptz '2026-01-01Z' + (i % 2000) * interval '1 hour' end
   from generate_series(1, ${sizes.collections}::bigint) as i`,
  `insert into collections.collection_traits (collection_id, trait_type, trait_value, token_count)
   select 1, 'Type ' || t, 'Value ' || v, ${sizes.tokens} / t from generate_series(1, 8) as t, generate_series(1, t) as v`,
  `insert into collections.nfts (collection_id, token_id, name, trait_ids)
   select 1, i, 'Token ' || i, (
     select array_agg(t * (t - 1) / 2 + 1 + i % t order by t) from generate_series(1, 8) as t)
   from generate_series(1, ${sizes.tokens}) as i order by hashint4(i)`,
  `insert into collections.nft_ownership (nft_id, owner, amount, exclusive, acquired_at)
   select n.id, case when n.token_id % 10 = 0 then ${bytes(named.owner)} else ${ethereum(`floor(random() * ${sizes.owners})::bigint`)} end,
     1, true, timestamptz '2026-01-01Z'
   from collections.nfts n`,
  `insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
   select owner, 1, count(*), count(*), timestamptz '2026-01-01Z' from collections.nft_ownership group by owner`,
  `insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
   select ${bytes(named.holder)}, i, 1 + i % 7, 1, timestamptz '2026-01-01Z' from generate_series(3, ${sizes.largeOwner}) as i
   union all
   select ${ethereum(`i % ${sizes.owners}`)}, 3 + i % (${sizes.collections} - 3), 1 + i % 5, 1, timestamptz '2026-01-01Z'
   from generate_series(1, 300000::bigint) as i`,
  `insert into collections.holder_snapshots (collection_id, snapshot_at, completed_at) values (2, timestamptz '2026-01-01Z', timestamptz '2026-01-01Z')`,
  `insert into collections.snapshot_holders select 1, ${ethereum('i')}, 1 + i % 3 from generate_series(1, ${sizes.owners}::bigint) as i`,
  `insert into collections.user_collections select owner, 2, token_count, token_count, timestamptz '2026-01-01Z' from collections.snapshot_holders`,
  `update collections.collections c set holder_count = h.holders, held_count = h.tokens
   from (select collection_id, count(*) as holders, sum(token_count) as tokens from collections.user_collections
         where collection_id < 3 group by 1) as h
   where h.collection_id = c.id`,
  `insert into collections.transfers (nft_id, block_number, transaction_hash, log_index, from_address, to_address, block_timestamp)
   select case when i <= 20000 then (select id from collections.nfts where token_id = 1) else i end, i / 4,
     sha256(int8send(i)), case when i % 3 = 0 then -1 else i % 4 end, ${ethereum('i')}, ${ethereum('i + 1')}, timestamptz '2026-01-01Z'
   from generate_series(1, 300000::bigint) as i where i <= 20000 or i <= ${sizes.tokens}`,
  `insert into collections.fc_users (fid, username) select i, 'user' || i from generate_series(1, 10000) as i`,
  `insert into collections.fc_user_wallets select 1, ${bytes(named.holder)}, now(), now()
   union all select 1, ${ethereum('i')}, now(), now() from generate_series(1, 9::bigint) as i
   union all select i, ${ethereum('i')}, now(), now() from generate_series(10, 10000::bigint) as i`,
];

// the large wallet's moments lie between those of others; acquisitions and prices have many ties
const wallets = [
  `insert into wallets.editions (set_id, play_id, set_name, tier, player_name, team_name)
   select 1 + (i - 1) % 40, i, 'Set ' || i % 40,
     (array['COMMON', 'COMMON', 'COMMON', 'COMMON', 'UNCOMMON', 'RARE', 'RARE', 'LEGENDARY', 'ULTIMATE'])[1 + i % 9],
     ${names}[1 + i % 12] || ' ' || 'Player ' || i % 400, 'Team ' || i % 30
   from generate_series(1, ${sizes.editions}) as i`,
  `insert into wallets.nft_core_metadata
   select i, 1 + floor(random() * ${sizes.editions}), 1 + i % 15000 from generate_series(1, ${sizes.holdings}) as i where i % 100 > 0`,
  `insert into wallets.wallet_holdings
   select i, case when i % ${sizes.holdings / sizes.largeWallet} = 0 then ${bytes(named.wallet)}
       when i % 1009 = 1 then ${bytes(named.smallWallet)} else int8send(hashint8extended(floor(${sizes.wallets} * random() ^ 1.5)::bigint, 0)) end,
     i % 3 = 0, timestamptz '2026-01-01Z' - (i % 20000) * interval '1 hour', now()
   from generate_series(1, ${sizes.holdings}) as i order by hashint4(i)`,
  `insert into wallets.wallet_profiles
   select wallet_address, ${names}[1 + n % 12] || ${things}[1 + n % 11] || case when n % 2 = 0 then ' ' else '_' end || n
   from (select wallet_address, row_number() over (order by wallet_address) as n
         from (select distinct wallet_address from wallets.wallet_holdings) as w) as numbered`,
  `insert into wallets.edition_price_scrape
   select e, timestamptz '2026-01-01Z' + s * interval '1 hour', 1 + (e + s) % 300, 2 + e % 400, s
   from generate_series(1, ${sizes.editions}) as e, generate_series(1, 20) as s
   union all
   select 1, timestamptz '2026-01-01Z' + s * interval '1 hour', 1 + s % 300, 2, s from generate_series(21, 50000) as s`,
  `insert into wallets.edition_prices
   select distinct on (edition_id) edition_id, scraped_at, floor_usd, average_sale_usd from wallets.edition_price_scrape
   order by edition_id, scraped_at desc`,
  `insert into wallets.edition_prices_snapshot select edition_id, floor_usd, average_sale_usd from wallets.edition_prices`,
];
