/** Fills the legacy tables that this domain replaces, and runs the migrations up, down, and up again. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { migrate } from '../support/migrate.ts';

const wallet = (byte: string) => `0x${byte.repeat(20)}`;
const [alice, bob] = [wallet('a1'), wallet('b2')];
const [punks, editions, unseen] = [wallet('c0'), wallet('c1'), wallet('c2')];
/** The number of migrations up to the one that removes user_nft_cache. */
const migrationCount = 6;
const name = `legacy_${randomBytes(6).toString('hex')}`;

const contract = (address: string, tokens: number, more: object = {}) => ({
  address,
  name: `Collection ${address.slice(2, 4)}`,
  symbol: 'C',
  tokenType: 'ERC721',
  totalBalance: tokens,
  numDistinctTokensOwned: tokens,
  ...more,
});

let admin: pg.Client;
let client: pg.Client;

function connect(database: string): pg.Client {
  const [host, port] = inject('services').writer.split(':');
  return new pg.Client({ host: host!, port: Number(port), database, user: 'owner', password: 'owner' });
}

beforeAll(async () => {
  admin = connect('postgres');
  await admin.connect();
  await admin.query(`create database ${name}`);
  client = connect(name);
  await client.connect();
  await client.query(`
    create table public.collections (id uuid primary key default gen_random_uuid(), contract_address text, name text,
      description text, image_url text, token_type text, total_supply integer, last_refresh_at timestamptz);
    create table public.nfts (id uuid primary key default gen_random_uuid(), collection_id uuid, token_id text, title text,
      image_url text, attributes jsonb, owner_address text, last_owner_check_at timestamptz);
    create table public.collection_traits (id uuid primary key default gen_random_uuid(), collection_id uuid,
      trait_type text, trait_value text, count integer);
    create table public.fc_users (fid bigint primary key, username text, display_name text, pfp_url text,
      verified_addresses jsonb);
    create table public.user_nft_cache (id uuid primary key default gen_random_uuid(), fid bigint, wallet_address text,
      contracts jsonb, last_updated_at timestamptz default now())`);
  await client.query(
    `with c as (
       insert into public.collections (contract_address, name, token_type, total_supply)
       values ($1, 'Punks', 'ERC721', 10000) returning id
     )
     insert into public.nfts (collection_id, token_id, title, attributes, owner_address, last_owner_check_at)
     select c.id, token_id, 'Punk ' || token_id, attributes::jsonb, owner, '2025-01-01'
     from c, (values
       ('1', '[{"trait_type": "type", "value": "Alien"}]', upper(substr($2, 3))),
       ('2', '[{"trait_type": "type", "value": "Alien"}, {"trait_type": "hat", "value": "Cap"}]', substr($2, 3)),
       ('3', '[]', substr($3, 3)),
       ('4', '[]', repeat('00', 20)),
       ('not a number', '[]', substr($3, 3))
     ) as v (token_id, attributes, hex), lateral (select '0x' || hex as owner) as o`,
    [punks, alice, bob],
  );
  await client.query(`insert into public.fc_users (fid, username, verified_addresses) values (7, 'alice', $1)`, [
    JSON.stringify([alice]),
  ]);
  await client.query(
    `insert into public.user_nft_cache (fid, wallet_address, contracts) values (7, $1, $2), (null, $3, $4), (null, 'broken', '[]')`,
    [
      alice.toUpperCase().replace('0X', '0x'),
      JSON.stringify([contract(punks, 99), contract(editions, 2, { tokenType: 'ERC1155', totalBalance: 5 })]),
      bob,
      JSON.stringify([contract(unseen, 1), { name: 'no address' }]),
    ],
  );
  // of a wallet's entries, the latest counts
  await client.query(
    `insert into public.user_nft_cache (wallet_address, contracts, last_updated_at) values ($1, $2, '2020-01-01')`,
    [alice, JSON.stringify([contract(editions, 7)])],
  );
});

afterAll(async () => {
  await client.end();
  await admin.query(`drop database ${name} with (force)`);
  await admin.end();
});

async function state() {
  const { rows } = await client.query(`
    select (select jsonb_agg(jsonb_build_array('0x' || encode(u.user_address, 'hex'), '0x' || encode(c.address, 'hex'),
        u.token_count, u.amount) order by u.user_address, c.address)
      from collections.user_collections u join collections.collections c on c.id = u.collection_id) as holdings,
      (select jsonb_agg(jsonb_build_array(n.token_id, '0x' || encode(o.owner, 'hex')) order by n.token_id)
      from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id) as owners,
      (select jsonb_agg(jsonb_build_array(trait_type, trait_value, token_count) order by trait_type)
      from collections.collection_traits) as traits,
      (select jsonb_agg(jsonb_build_array(fid, '0x' || encode(wallet, 'hex'))) from collections.fc_user_wallets) as wallets,
      (select jsonb_agg(jsonb_build_array('0x' || encode(address, 'hex'), token_count, holder_count) order by address)
      from collections.collections) as collections`);
  return rows[0];
}

const filled = {
  // counts come from the known tokens, not from the old cache
  holdings: [
    [alice, punks, 2, 2],
    [alice, editions, 2, 5],
    [bob, punks, 1, 1],
    [bob, unseen, 1, 1],
  ],
  owners: [
    [1, alice],
    [2, alice],
    [3, bob],
  ],
  traits: [
    ['hat', 'Cap', 1],
    ['type', 'Alien', 2],
  ],
  wallets: [[7, alice]],
  collections: [
    [punks, 4, 2],
    [editions, 0, 1],
    [unseen, 0, 1],
  ],
};

const legacyExists = async () =>
  (await client.query(`select to_regclass('public.user_nft_cache') is not null as there`)).rows[0].there as boolean;

test('fills the new tables from the old ones and removes user_nft_cache', async () => {
  await migrate(client, 'up', migrationCount);
  expect(await state()).toEqual(filled);
  expect(await legacyExists()).toBe(false);
});

test('migrating down restores user_nft_cache with its content', async () => {
  await migrate(client, 'down', 1);
  const { rows } = await client.query(
    `select wallet_address, contracts from public.user_nft_cache order by wallet_address`,
  );
  expect(rows).toEqual([
    {
      wallet_address: alice,
      contracts: [
        { address: punks, name: 'Punks', tokenType: 'ERC721', totalBalance: 2, numDistinctTokensOwned: 2 },
        { ...contract(editions, 2), tokenType: 'ERC1155', totalBalance: 5 },
      ],
    },
    {
      wallet_address: bob,
      contracts: [
        { address: punks, name: 'Punks', tokenType: 'ERC721', totalBalance: 1, numDistinctTokensOwned: 1 },
        contract(unseen, 1),
      ],
    },
  ]);
});

test('migrating all the way down and up again gives the same result', async () => {
  await migrate(client, 'down', 5);
  expect((await client.query(`select to_regnamespace('collections') as gone`)).rows[0].gone).toBeNull();
  expect(await legacyExists()).toBe(true);
  await migrate(client, 'up', migrationCount);
  expect(await state()).toEqual(filled);
  expect(await legacyExists()).toBe(false);
});

test('without legacy tables, migrating up and down creates none', async () => {
  const empty = `${name}_empty`;
  await admin.query(`create database ${empty}`);
  const other = connect(empty);
  await other.connect();
  try {
    await migrate(other, 'up', migrationCount);
    await migrate(other, 'down', 5);
    const { rows } = await other.query(
      `select count(*)::integer as tables from pg_tables where schemaname = 'public' and tablename <> 'migrations'`,
    );
    expect(rows[0].tables).toBe(0);
  } finally {
    await other.end();
    await admin.query(`drop database ${empty}`);
  }
});
