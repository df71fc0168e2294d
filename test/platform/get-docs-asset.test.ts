import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

// a bundle includes the assets; here they are read from their package
const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const shipped = (path: unknown) => /\/functions\/platform\/(swagger-ui[\w.-]+)$/.exec(String(path))?.[1];
  return {
    ...fs,
    readFile: vi.fn((path: string | URL) => fs.readFile(shipped(path) ? join(assets, shipped(path)!) : path)),
  };
});
const { call } = await createTestDomain('platform');

test.each([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
])('%s is served compressed and read from disk only once', async (file, type) => {
  vi.mocked(readFile).mockClear();
  const [first] = [await call(`/docs/${file}`), await call(`/docs/${file}`)];
  expect(vi.mocked(readFile)).toHaveBeenCalledTimes(1);
  expect(first!.headers).toMatchObject({
    'content-type': type,
    'content-encoding': 'gzip',
    'cache-control': 'public, max-age=86400',
  });
  expect(first!.text).toBe((await readFile(join(assets, file))).toString());
});

test('docs.js opens this API’s OpenAPI document', async () => {
  const { text, headers } = await call('/docs/docs.js');
  expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
  const open = vi.fn();
  new Function('SwaggerUIBundle', text)(open);
  expect(open).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ url: 'v1/openapi.json', dom_id: '#api' }));
});

test.each([
  ['/docs/get-docs.ts', 'path.file'],
  ['/docs/..%2Fcontract.ts', 'path.file'],
  ['/docs/docs.js?v=1', 'query.v'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
