import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { type Domain, kindOf } from '../../shared/kernel/domain.ts';
import { createOracle } from '../support/announced.ts';
import { createDatabase } from '../support/database.ts';
import { relationsOf, samplesOf, tiersOf, worldOf } from '../support/world.ts';

const { pool } = await createDatabase();
const isCached = ({ operations }: Domain) => Object.values(operations).some(({ cache }) => cache);

describe.each(domains.filter(isCached))(
  '$name',
  (domain) => {
    const tables = Object.keys(domain.tables);
    const declared = (table: string) => {
      const { announces } = domain.tables[table]!;
      return 'nothing' in announces ? [] : [...new Set(announces.map(kindOf))].sort();
    };
    let oracle: Awaited<ReturnType<typeof createOracle>>;
    let world: Awaited<ReturnType<typeof worldOf>>;
    let release: () => Promise<void> = async () => {};

    beforeAll(async () => {
      world = await worldOf(domain);
      const tx = await pool.connect();
      release = async () => {
        await tx.query('rollback');
        tx.release();
      };
      await tx.query('begin');
      await world.seed(tx);
      await world.settle?.(tx);
      await tx.query('commit');
      await tx.query('begin');
      oracle = await createOracle(tx, domain, world);
    }, 60_000);
    afterAll(() => release());

    test('every cached read has samples, and at least one returns something', () => {
      const operations = Object.values(domain.operations);
      const cached = operations.filter(({ cache }) => cache).map(({ operationId }) => operationId);
      expect(Object.keys(world.samples).sort()).toEqual(cached.sort());
      const shown = new Set(
        oracle.samples.filter((_, i) => oracle.initialAnswers[i]).map(({ endpoint }) => endpoint.operation.operationId),
      );
      const fenced = operations.filter(({ cache }) => cache && cache.kind !== 'ttlOnly');
      expect([...shown].sort()).toEqual(fenced.map(({ operationId }) => operationId).sort());
    });

    test('a cached read uses only tables of its own domain, each of which announces one of its entities', async () => {
      const tx = await pool.connect();
      for (const { endpoint, statement } of await samplesOf(domain, world)) {
        const { operationId, cache } = endpoint.operation;
        const relations = await relationsOf(tx, statement);
        expect([operationId, relations.length > 0]).toEqual([operationId, true]);
        if (cache!.kind === 'ttlOnly') {
          expect([operationId, cache!.staleness]).toEqual([operationId, expect.any(String)]);
          continue;
        }
        const kinds = [cache!.entity, ...(cache!.dependsOn ?? [])].map(kindOf);
        const unannounced = relations.filter((relation) => {
          if (tiersOf(domain).includes(relation)) return false;
          const [schema, table] = relation.split('.') as [string, string];
          return schema !== domain.name || !declared(table).some((kind) => kinds.includes(kind));
        });
        expect([operationId, unannounced]).toEqual([operationId, []]);
      }
      tx.release();
    });

    test.each(tables)('every change of %s that alters an answer is announced', async (table) => {
      if (world.internal && table in world.internal) return;
      const { failures, kinds, isShown } = await oracle.examine(table);
      expect(failures).toEqual([]);
      // a repair announces more than one table needs
      const isReadModel = table in (world.readModels?.tables ?? {});
      expect({ announced: [...kinds].sort() }).toEqual({
        announced: isReadModel ? expect.arrayContaining(declared(table)) : declared(table),
      });
      expect({ isShown }).toEqual({ isShown: declared(table).length > 0 });
    });

    test('each planted fault is found', async () => {
      for (const { fault, at, sql } of world.planted) {
        const failures = await oracle.failuresWith(sql, at);
        expect([fault, failures]).toEqual([fault, expect.arrayContaining([expect.any(String)])]);
      }
    });

    test('the world names no columns or tables that no longer exist', async () => {
      const columns = await pool.query(
        `select table_name || '.' || column_name as name from information_schema.columns where table_schema = $1`,
        [domain.name],
      );
      const known = new Set(columns.rows.map(({ name }) => name));
      const planted = world.planted.map(({ at }) => at).filter((at) => !at.endsWith('.rows'));
      const named = [...Object.keys(world.refused ?? {}), ...Object.keys(world.values ?? {}), ...planted];
      expect(named.filter((name) => !known.has(name))).toEqual([]);
      const listed = [
        ...Object.keys(world.undeletable ?? {}),
        ...Object.keys(world.internal ?? {}),
        ...Object.keys(world.readModels?.tables ?? {}),
      ];
      expect(listed.filter((name) => !tables.includes(name))).toEqual([]);
    });
  },
  120_000,
);
