/** The collections domain's world for the oracle of announcements: tokens, owners, lists of holders, and users. */
import { inFunction, type World } from '../support/world.ts';

const address = (byte: string) => `0x${byte.repeat(20)}`;
const bytes = (byte: string) => `'\\x${byte.repeat(20)}'`;
const hash = (byte: string) => `'\\x${byte.repeat(32)}'`;
const [single, shared, bare] = [address('aa'), address('bb'), address('cc')] as const;
const [alice, bob, carol] = ['a1', 'b2', 'c3'] as const;
const nobody = `'\\x${'00'.repeat(20)}'`;

const idOf = (name: string) => `(select id from collections.collections where name = '${name}')`;
const tokenOf = (name: string, tokenId: number) =>
  `(select id from collections.nfts where collection_id = ${idOf(name)} and token_id = ${tokenId})`;
const transfer = (token: string, block: number, from: string, to: string, more = '1, null, null') =>
  `(${token}, ${block}, ${hash(String(block))}, 1, 0, ${from}, ${to}, ${more}, '2026-01-01Z'::timestamptz + interval '${block} days')`;

const seed = `
  insert into collections.collections (address, slug, name, symbol, token_type, description, image_url, external_url,
    total_supply, floor_price_eth, deployer, deployed_block, completeness, transfers_block, owners_verified_at, refreshed_at)
  values
    (${bytes('aa')}, null, 'Single', 'SGL', 'ERC721', 'One owner each.', 'https://x.test/s.png', 'https://x.test', 3, 0.5,
      ${bytes('dd')}, 7, 'complete', 40, '2026-01-05Z', '2026-01-06Z'),
    (${bytes('bb')}, null, 'Shared', 'SHR', 'ERC1155', null, 'https://x.test/h.png', null, null, null, null, null,
      'complete', null, null, '2026-01-06Z'),
    (null, 'listed', 'Listed', null, 'UNKNOWN', null, 'https://x.test/l.png', null, null, null, null, null, 'complete',
      null, null, '2026-01-07Z'),
    (${bytes('cc')}, null, 'Bare', null, 'UNKNOWN', null, null, null, null, null, null, null, 'metadata', null, null, null);
  insert into collections.collection_traits (collection_id, trait_type, trait_value)
  values (${idOf('Single')}, 'Hat', 'Red'), (${idOf('Single')}, 'Hat', 'Blue'), (${idOf('Single')}, 'Shoe', 'None');
  insert into collections.nfts (collection_id, token_id, name, description, image_url, token_uri, attributes, trait_ids)
  values
    (${idOf('Single')}, 1, 'One', 'The first.', 'https://x.test/1.png', 'ipfs://1', '{"size": 1}',
      (select array_agg(id) from collections.collection_traits where trait_value = 'Red')),
    (${idOf('Single')}, 2, 'Two', null, null, null, null,
      (select array_agg(id) from collections.collection_traits where trait_value = 'Blue')),
    (${idOf('Single')}, 3, 'Three', null, null, null, null, '{}'),
    (${idOf('Shared')}, 1, 'Many', null, null, null, null, '{}');
  insert into collections.fc_users (fid, username, display_name, image_url, username_seen_at, refreshed_at)
  values (1, 'ann', 'Ann', 'https://x.test/ann.png', '2026-01-01Z', '2026-01-01Z'), (2, 'ben', null, null, null, null),
    (3, 'cy', null, null, null, null);
  insert into collections.fc_user_wallets (fid, wallet, first_seen_at, last_seen_at)
  values (1, ${bytes(alice)}, '2026-01-01Z', '2026-01-02Z'), (1, ${bytes(carol)}, '2026-01-01Z', '2026-01-02Z'),
    (2, ${bytes(bob)}, '2026-01-01Z', '2026-01-02Z');
  insert into collections.transfers
    (nft_id, block_number, transaction_hash, log_index, batch_index, from_address, to_address, amount, price_eth, price_usd,
     block_timestamp)
  values
    ${transfer(tokenOf('Single', 1), 10, nobody, bytes(alice))},
    ${transfer(tokenOf('Single', 1), 11, bytes(alice), bytes(bob), '1, 0.25, 500')},
    ${transfer(tokenOf('Single', 2), 12, nobody, bytes(carol))},
    ${transfer(tokenOf('Shared', 1), 13, nobody, bytes(alice), '5, null, null')},
    ${transfer(tokenOf('Shared', 1), 14, bytes(alice), bytes(bob), '2, null, null')};
  update collections.transfers set block_hash = ${hash('77')}, reported_at = '2026-01-15Z' where block_number = 11;
  insert into collections.unsettled_transfers select id from collections.transfers where block_number = 11;
  update collections.nft_ownership set last_verified_at = '2026-01-20Z' where owner = ${bytes(bob)};
  update collections.nft_ownership set verified_block = 9, verified_owner = ${bytes(alice)}
  where nft_id = ${tokenOf('Single', 1)};
  insert into collections.transfer_removals values (${hash('99')}, 3, ${hash('98')}, '2026-01-01Z');
  update collections.collections set holdings_from = 'lists' where slug = 'listed';
  insert into collections.holder_snapshots (collection_id, snapshot_at, completed_at, job_id)
  values (${idOf('Listed')}, '2026-01-01Z', '2026-01-01Z', null), (${idOf('Listed')}, '2026-02-01Z', '2026-02-01Z', null),
    (${idOf('Listed')}, '2026-03-01Z', null, 'in progress');
  insert into collections.snapshot_holders (snapshot_id, owner, token_count)
  select s.id, h.owner, h.tokens from collections.holder_snapshots s, (values
    ('2026-01-01Z'::timestamptz, ${bytes(alice)}::bytea, 1), ('2026-02-01Z', ${bytes(alice)}, 2),
    ('2026-02-01Z', ${bytes(carol)}, 1), ('2026-03-01Z', ${bytes(bob)}, 4)) as h (at, owner, tokens)
  where h.at = s.snapshot_at;
  insert into collections.holder_snapshots (collection_id, snapshot_at, completed_at)
  values (${idOf('Listed')}, '2025-12-01Z', '2025-12-01Z');
  ${publish('true')}`;

/** What settle-holders does when a list is complete. */
function publish(which: string): string {
  return `
    select collections.publish_holders(c.id) from collections.collections c where c.address is null and ${which};
    update collections.collections c set token_count = held.tokens
    from (select collection_id, sum(token_count)::integer as tokens from collections.user_collections group by 1) as held
    where c.id = held.collection_id and c.address is null and c.token_count <> held.tokens and ${which}`;
}

const tokens = [
  { path: { address: single, tokenId: '1' } },
  { path: { address: single, tokenId: '2' } },
  { path: { address: single, tokenId: '3' } },
  { path: { address: shared, tokenId: '1' } },
];
const users = [{ path: { fid: '1' } }, { path: { fid: '2' } }, { path: { fid: '3' } }];
const byAddress = (...all: string[]) => all.map((one) => ({ path: { address: one } }));

export const world: World = {
  seed: async (tx) => void (await tx.query(seed)),
  samples: {
    listCollections: [{}, { query: { sort: '-holders' } }],
    getCollection: byAddress(single, shared, 'listed', bare),
    listNfts: [
      ...byAddress(single, shared, 'listed', bare),
      { path: { address: single }, query: { owner: address(bob), 'trait.Hat': ['Red'] } },
    ],
    getTraits: byAddress(single, 'listed', bare),
    listHolders: [
      ...byAddress(single, shared, 'listed', bare),
      { path: { address: 'listed' }, query: { asOf: '2026-01-15T00:00:00Z' } },
      { path: { address: 'listed' }, query: { asOf: '2026-02-15T00:00:00Z' } },
      { path: { address: 'listed' }, query: { asOf: '2026-03-15T00:00:00Z' } },
    ],
    getNft: tokens,
    getNftOwner: tokens,
    listNftTransfers: tokens,
    getUser: users,
    listUserCollections: users,
    listWalletCollections: byAddress(address(alice), address(bob), address(carol)),
  },
  values: {
    'collections.slug': [`'renamed'`],
    'collections.token_type': [`'ERC721'`, `'ERC1155'`, `'UNKNOWN'`],
    'collections.completeness': [`'metadata'`, `'complete'`],
    'collections.holdings_from': [`'tokens'`, `'lists'`],
    'nfts.trait_ids': [
      `'{}'`,
      `(select array_agg(id) from collections.collection_traits where trait_value = 'Red' and collection_id = t.collection_id)`,
      `(select array_agg(id) from collections.collection_traits where trait_value = 'None' and collection_id = t.collection_id)`,
    ],
    'unsettled_transfers.transfer_id': ['(select id from collections.transfers where block_number = 12)'],
    'transfers.to_address': [bytes('a1'), bytes('b2'), bytes('c3'), nobody],
    'nft_ownership.owner': [bytes('a1'), bytes('c3'), bytes('ee')],
    'nft_ownership.amount': ['0', 't.amount + 1'],
    'holder_snapshots.completed_at': ['null', `timestamptz '2026-03-02Z'`],
  },
  refused: {
    'collections.id': 'generated',
    'collection_traits.id': 'generated',
    'nfts.id': 'generated',
    'transfers.id': 'generated',
    'holder_snapshots.id': 'generated',
    'collection_traits.collection_id': 'a key',
    'nfts.collection_id': 'a key',
    'nfts.token_id': 'a key',
    'transfers.nft_id': 'a key',
    'nft_ownership.nft_id': 'a key',
    'user_collections.user_address': 'a key',
    'user_collections.collection_id': 'a key',
    'holder_snapshots.collection_id': 'a key',
    'snapshot_holders.snapshot_id': 'a key',
    'snapshot_holders.owner': 'a key',
    'fc_users.fid': 'a key',
    'fc_user_wallets.fid': 'a key',
    'fc_user_wallets.wallet': 'a key',
  },
  settle: async (tx) => {
    await tx.query(publish(`c.holdings_from = 'lists'`));
    return true;
  },
  derived: {
    user_collections: {
      unless: ['collections.holdings_from', 'collections.address'],
      wrong: `
      with expected as (
        select o.owner, n.collection_id, count(*) as tokens, sum(o.amount) as amount
        from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
          join collections.collections c on c.id = n.collection_id
        where o.amount > 0 and c.holdings_from = 'tokens' group by 1, 2
        union all
        select h.owner, s.collection_id, h.token_count, h.token_count
        from collections.collections c cross join lateral (
            select * from collections.holder_snapshots s
            where s.collection_id = c.id and s.completed_at is not null order by s.snapshot_at desc limit 1) as s
          join collections.snapshot_holders h on h.snapshot_id = s.id
        where c.holdings_from = 'lists' and c.address is null
      )
      select * from expected e full join collections.user_collections u
        on u.user_address = e.owner and u.collection_id = e.collection_id
      where (u.token_count, u.amount) is distinct from (e.tokens, e.amount)`,
    },
    'collections.held_count': {
      unless: [],
      wrong: `
      select c.name, c.held_count, sum(u.token_count) from collections.collections c
        left join collections.user_collections u on u.collection_id = c.id
      group by c.id having c.held_count <> coalesce(sum(u.token_count), 0)`,
    },
    'collections.holder_count': {
      unless: [],
      wrong: `
      select c.name, c.holder_count, count(u.*) from collections.collections c
        left join collections.user_collections u on u.collection_id = c.id
      group by c.id having c.holder_count <> count(u.*)`,
    },
    'collections.token_count': {
      unless: ['collections.address'],
      wrong: `
      select c.name, c.token_count, count(n.*) from collections.collections c
        left join collections.nfts n on n.collection_id = c.id
      where c.address is not null group by c.id having c.token_count <> count(n.*)`,
    },
    'collection_traits.token_count': {
      unless: [],
      wrong: `
      select t.trait_value, t.token_count, count(n.*) from collections.collection_traits t
        left join collections.nfts n on t.id = any (n.trait_ids)
      group by t.id having t.token_count <> count(n.*)`,
    },
  },
  planted: [
    {
      fault: 'users are not announced when the holdings of their wallets change',
      at: 'nft_ownership.owner',
      sql: inFunction('collections.entities_of_wallets', [
        "union\n    select 'users:' || w.fid from collections.fc_user_wallets w where w.wallet = any (addresses)",
        '',
      ]),
    },
    {
      fault: 'a collection’s new image is not announced to the lists of its holders',
      at: 'collections.image_url',
      sql: inFunction(
        'collections.announce_collections',
        ['n.image_url, n.address', 'n.address'],
        ['o.image_url, o.address', 'o.address'],
      ),
    },
    {
      fault: 'a new floor price is not announced',
      at: 'collections.floor_price_eth',
      sql: inFunction('collections.announce_collections', ['n.floor_price_eth, ', ''], ['o.floor_price_eth, ', '']),
    },
    {
      fault: 'a count changed by hand is not announced',
      at: 'collections.token_count',
      sql: inFunction('collections.announce_collections', ['n.token_count <> o.token_count', 'false']),
    },
    {
      fault: 'changed traits of a token are not announced',
      at: 'nfts.trait_ids',
      sql: inFunction(
        'collections.announce_nfts',
        ['n.trait_ids, n.updated_at', 'n.updated_at'],
        ['o.trait_ids, o.updated_at', 'o.updated_at'],
      ),
    },
    {
      fault: 'a first verification is not announced',
      at: 'nft_ownership.last_verified_at',
      sql: inFunction('collections.announce_ownership', [' or count(last_verified_at) not in (0, count(*))', '']),
    },
    {
      fault: 'a user’s new picture is not announced',
      at: 'fc_users.image_url',
      sql: inFunction('collections.announce_users', ['n.image_url, ', ''], ['o.image_url, ', '']),
    },
    {
      fault: 'a holder who is no longer on the last list is kept',
      at: 'snapshot_holders.rows',
      sql: inFunction('collections.publish_holders', ['when matched and d.token_count is null then delete', '']),
    },
    {
      fault: 'a key can change',
      at: 'user_collections.user_address',
      sql: 'drop trigger keep_key on collections.user_collections',
    },
  ],
};
