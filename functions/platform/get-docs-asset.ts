import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';

const startScript = `SwaggerUIBundle({ url: 'v1/openapi.json', dom_id: '#api', deepLinking: true, tryItOutEnabled: true });\n`;
const compressed = new Map<string, Promise<Buffer>>();

/** A file of the documentation page, bundled with this function's code. `docs.js` is the script that starts the page. */
export const getDocsAsset: Endpoint<'getDocsAsset'> = {
  operation: operations.getDocsAsset,
  async handle(input) {
    const { file } = (input as OperationInput<typeof operations.getDocsAsset>).path;
    const body = compressed.get(file) ?? compress(file);
    compressed.set(file, body);
    body.catch(() => compressed.delete(file));
    return {
      status: 200,
      headers: {
        'content-type': file.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8',
        'content-encoding': 'gzip',
        'cache-control': 'public, max-age=86400',
      },
      body: await body,
    };
  },
};

async function compress(file: string): Promise<Buffer> {
  const content = file === 'docs.js' ? startScript : await readFile(new URL(file, import.meta.url));
  return promisify(gzip)(content);
}
