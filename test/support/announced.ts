import type pg from 'pg';
import { expect, test } from 'vitest';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import type { Domain } from '../../shared/kernel/declaration.ts';

/** A cached read with an input to look at its plan with. */
export type PlannedRead = [endpoint: Endpoint, path: Record<string, string>, query: Record<string, unknown>];

/** Tests that each table a room's cached reads look into is announced for one of the read's entities. */
export function testAnnouncements(domain: Domain, pool: pg.Pool, reads: readonly PlannedRead[]): void {
  test('every cached read of the room is looked at', () => {
    const cached = domain.operations.filter(({ cache }) => cache).map(({ operationId }) => operationId);
    expect(new Set(reads.map(([{ operation }]) => operation.operationId))).toEqual(new Set(cached));
  });

  test.each(reads)(
    '$operation.operationId reads only what is announced for one of its entities, or lives by its age',
    async ({ operation, statement }, path, query) => {
      const input = {
        path: operation.pathParameters.parse(path),
        query: operation.query.parse(query),
        body: undefined,
      };
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
        const announces = domain.tables.find(({ name }) => name === relation)?.announces ?? [];
        const kinds = 'ttlOnly' in announces ? [] : announces.map(kindOf);
        expect([relation, kinds.some((kind) => entities.includes(kind))]).toEqual([relation, true]);
      }
    },
  );
}

/** `nfts` of `nfts:{address}:{tokenId}`: what kind of thing an entity is. */
function kindOf(template: string): string {
  return template.split(':')[0]!;
}
