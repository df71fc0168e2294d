/** Queries of the archive in AWS: what they may read, and the tables they see. */
import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { resourcesOf } from '../../local/template.ts';
import { fileColumnsOf } from '../../shared/archive/columns.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { load, synth } from './synthesized.ts';

const { template } = await load(synth('prod').folder);
const tables = tieredTablesOf(domains);

interface TableInput {
  Name: string;
  PartitionKeys: unknown;
  Parameters: Record<string, unknown>;
  StorageDescriptor: { Columns: { Name: string; Type: string }[] };
}

test('a query stops at a limit of bytes, and its results are encrypted and expire', () => {
  const [workGroup, ...others] = resourcesOf(template, 'AWS::Athena::WorkGroup');
  expect(others).toEqual([]);
  expect(workGroup!.properties.WorkGroupConfiguration).toMatchObject({
    EnforceWorkGroupConfiguration: true,
    BytesScannedCutoffPerQuery: 10_000_000_000,
    ResultConfiguration: { EncryptionConfiguration: { EncryptionOption: 'SSE_KMS' } },
  });
  const results = resourcesOf(template, 'AWS::S3::Bucket').find(({ logicalId }) =>
    logicalId.startsWith('AthenaResults'),
  )!;
  expect(results.properties.LifecycleConfiguration).toMatchObject({
    Rules: [{ ExpirationInDays: 7, Status: 'Enabled' }],
  });
});

test('each tiered table has a table, whose months are projected and whose columns are those of its files', () => {
  const found = resourcesOf(template, 'AWS::Glue::Table').map(
    ({ properties }) => properties.TableInput as never as TableInput,
  );
  expect(found.map(({ Name }) => Name).sort()).toEqual(tables.map(({ schema, name }) => `${schema}_${name}`).sort());
  for (const { schema, name, tiers } of tables) {
    const { Parameters, PartitionKeys, StorageDescriptor } = found.find((one) => one.Name === `${schema}_${name}`)!;
    expect(PartitionKeys).toEqual([{ Name: 'month', Type: 'string' }]);
    expect(Parameters).toMatchObject({
      'projection.enabled': 'true',
      'projection.month.type': 'date',
      'projection.month.format': 'yyyy-MM',
    });
    expect(JSON.stringify(Parameters['storage.location.template'])).toContain(
      `/table=${schema}.${name}/month=$\{month}/`,
    );
    const asInFiles = fileColumnsOf(
      Object.entries(tiers.columns).map(([column, type]) => ({
        name: column,
        type: type === 'timestamptz' ? 'timestamp with time zone' : type,
        isRequired: true,
      })),
      Object.fromEntries(
        Object.keys(tiers.columns).map((column) => [
          column,
          { scale: 18, isWide: true, overflows: tiers.columns[column] === 'numeric' },
        ]),
      ),
    );
    const glueTypes = {
      integer: 'int',
      bigint: 'bigint',
      boolean: 'boolean',
      text: 'string',
      decimal: 'decimal(38,18)',
      time: 'timestamp',
    };
    const expected = asInFiles.map((column) => ({ Name: column.name, Type: glueTypes[column.kind] }));
    const byName = (a: { Name: string }, b: { Name: string }) => (a.Name < b.Name ? -1 : 1);
    expect([...StorageDescriptor.Columns].sort(byName)).toEqual(expected.sort(byName));
  }
});
