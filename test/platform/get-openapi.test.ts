import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call } = await createTestDomain('platform');
const { json: document, headers, text } = await call('/v1/openapi.json');
const all = domains.flatMap(({ operations }) => Object.values(operations));
const described = (path: string, method = 'get') => document.paths[path][method];

test('describes each operation of each domain once', () => {
  const found = Object.entries(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => [method.toUpperCase(), path, operationId]),
  );
  expect(found.sort()).toEqual(all.map(({ method, path, operationId }) => [method, path, operationId]).sort());
  expect([document.openapi, headers['cache-control']]).toEqual(['3.1.0', 'public, max-age=300']);
});

test('describes parameters with their constraints', () => {
  const parameters = described('/v1/collections/{address}/nfts').parameters;
  expect(parameters.map((one: Record<string, unknown>) => [one.name, one.in, one.required ?? false])).toEqual([
    ['address', 'path', true],
    ['page', 'query', false],
    ['pageSize', 'query', false],
    ['owner', 'query', false],
    ['filters', 'query', false],
  ]);
  expect(parameters[2].schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 100, default: 50 });
  const q = described('/v1/search').parameters.find((one: { name: string }) => one.name === 'q');
  expect(q).toMatchObject({ in: 'query', required: true, schema: { minLength: 2, maxLength: 100 } });
});

test('describes all statuses of an operation', () => {
  const statuses = (path: string, method?: string) => Object.keys(described(path, method).responses);
  expect(statuses('/v1/collections/{address}')).toEqual([
    '200',
    '304',
    '400',
    '404',
    '429',
    '500',
    '502',
    '503',
    '504',
  ]);
  expect(statuses('/v1/jobs/{id}')).toEqual(['200', '400', '404', '500', '503', '504']);
  expect(statuses('/v1/admin/jobs', 'post')).toEqual(['202', '400', '401', '404', '500', '503', '504']);
});

test('admin operations require the token, and only cached ones describe x-cache', () => {
  for (const { path, method, access, cache } of all) {
    const { security, responses } = described(path, method.toLowerCase());
    const [{ headers: sent }] = Object.values<{ headers: object }>(responses) as [{ headers: object }];
    expect([path, security, 'x-cache' in sent]).toEqual([
      path,
      { admin: [{ operator: [] }], key: [{ key: [] }], public: undefined, signed: undefined }[access],
      cache !== undefined,
    ]);
  }
});

test('resolves all references', () => {
  const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to!);
  const schemas = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  expect(references.filter((to) => !schemas.includes(to))).toEqual([]);
  expect(schemas.filter((to) => !references.includes(to))).toEqual([]);
  expect(document.components.schemas.Collection.required).toContain('holderCount');
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, '/v1/openapi.json?domain=wallets')).toEqual([400, ['query.domain']]);
});
