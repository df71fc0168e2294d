import { expect, test } from 'vitest';
import { datasets } from '../../functions/collections/datasets.ts';
import { domains } from '../../functions/registry.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call } = await createTestDomain('platform');
const { imports } = (await call('/v1/imports')).json;
const columnsOf = (dataset: string) => imports.find((one: { dataset: string }) => one.dataset === dataset);

test('lists all datasets of all domains', () => {
  expect(imports.map((one: { dataset: string }) => one.dataset)).toEqual(
    domains.flatMap((domain) => Object.values(domain.datasets).map(({ name }) => `${domain.name}.${name}`)),
  );
});

test('lists a dataset with its required and settable columns', () => {
  expect(columnsOf('collections.holders')).toEqual({
    dataset: 'collections.holders',
    summary: datasets.holders.summary,
    columns: [
      { name: 'snapshot_at', required: true, settable: true },
      { name: 'collection', required: true, settable: true },
      { name: 'wallet_address', required: true, settable: false },
      { name: 'token_count', required: true, settable: false },
    ],
    otherColumns: false,
  });
});

test('lists optional columns, and whether other columns are accepted', () => {
  const { columns, otherColumns } = columnsOf('collections.nfts');
  expect(
    columns.filter((one: { required: boolean }) => !one.required).map(({ name }: { name: string }) => name),
  ).toEqual(['name', 'description', 'image_url', 'token_uri']);
  expect(otherColumns).toBe(true);
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, '/v1/imports?domain=wallets')).toEqual([400, ['query.domain']]);
});
