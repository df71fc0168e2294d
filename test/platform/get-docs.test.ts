import { expect, test } from 'vitest';
import { platform } from '../../functions/platform/domain.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call } = await createTestDomain('platform');

test('loads only this API’s assets, by relative URLs', async () => {
  const { text } = await call('/docs');
  const links = [...text.matchAll(/(?:src|href)="(?!data:)([^"]*)"/g)].map(([, to]) => to!);
  const { file } = platform.operations.getDocsAsset.pathParameters.shape;
  expect(links.map((to) => to.replace(/^docs\//, '')).sort()).toEqual([...file.options].sort());
  expect(links.every((to) => to.startsWith('docs/'))).toBe(true);
});

test('allows scripts only from its own origin', async () => {
  const { status, headers, text } = await call('/docs');
  expect([status, headers['content-type'], headers['cache-control']]).toEqual([
    200,
    'text/html; charset=utf-8',
    'public, max-age=300',
  ]);
  expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; /);
  // so inline scripts would not run
  expect(text).not.toMatch(/<script(?! src=)| on\w+=/);
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, '/docs?url=/v1/openapi.json')).toEqual([400, ['query.url']]);
});
