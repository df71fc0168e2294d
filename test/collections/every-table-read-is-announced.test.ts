import { expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { getCollection } from '../../functions/collections/get-collection.ts';
import { getNft } from '../../functions/collections/get-nft.ts';
import { getNftOwner } from '../../functions/collections/get-nft-owner.ts';
import { getTraits } from '../../functions/collections/get-traits.ts';
import { getUser } from '../../functions/collections/get-user.ts';
import { listCollections } from '../../functions/collections/list-collections.ts';
import { listHolders } from '../../functions/collections/list-holders.ts';
import { listNftTransfers } from '../../functions/collections/list-nft-transfers.ts';
import { listNfts } from '../../functions/collections/list-nfts.ts';
import { listUserCollections } from '../../functions/collections/list-user-collections.ts';
import { listWalletCollections } from '../../functions/collections/list-wallet-collections.ts';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const address = `0x${'ab'.repeat(20)}`;
const reads: [endpoint: Endpoint, path: Record<string, string>, query: Record<string, unknown>][] = [
  [listCollections, {}, {}],
  [getCollection, { address }, {}],
  [listNfts, { address }, {}],
  [listNfts, { address }, { owner: address, 'trait.Hat': ['Red'] }],
  [getTraits, { address }, {}],
  [listHolders, { address }, {}],
  [listHolders, { address }, { asOf: '2026-01-01T00:00:00Z' }],
  [getNft, { address, tokenId: '1' }, {}],
  [getNftOwner, { address, tokenId: '1' }, {}],
  [listNftTransfers, { address, tokenId: '1' }, {}],
  [getUser, { fid: '1' }, {}],
  [listUserCollections, { fid: '1' }, {}],
  [listWalletCollections, { address }, {}],
];

test('every cached read of the room is looked at', () => {
  const cached = collections.operations.filter(({ cache }) => cache).map(({ operationId }) => operationId);
  expect(new Set(reads.map(([{ operation }]) => operation.operationId))).toEqual(new Set(cached));
});

test.each(reads)(
  '$operation.operationId reads only what is announced for one of its entities, or lives by its age',
  async ({ operation, statement }, path, query) => {
    const input = { path: operation.pathParameters.parse(path), query: operation.query.parse(query), body: undefined };
    const { text, values } = statement!(input as never);
    const { rows } = await pool.query(`explain (format json, verbose) ${text}`, values);
    const relations = [
      ...new Set(
        JSON.stringify(rows)
          .match(/"Relation Name":"(\w+)"/g)
          ?.map((found) => /:"(\w+)"/.exec(found)![1]!),
      ),
    ];
    expect(relations.length).toBeGreaterThan(0);
    const view = operation.cache!;
    if (view.kind === 'ttlOnly') return expect(view.staleness).toBeTypeOf('string');
    const entities = [view.entity, ...(view.dependsOn ?? [])].map(kindOf);
    for (const relation of relations) {
      const announces = collections.tables.find(({ name }) => name === relation)?.announces ?? [];
      const kinds = 'ttlOnly' in announces ? [] : announces.map(kindOf);
      expect([relation, kinds.some((kind) => entities.includes(kind))]).toEqual([relation, true]);
    }
  },
);

/** `nfts` of `nfts:{address}:{tokenId}`: what kind of thing an entity is. */
function kindOf(template: string): string {
  return template.split(':')[0]!;
}
