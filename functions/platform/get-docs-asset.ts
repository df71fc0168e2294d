import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';

const startPage = `SwaggerUIBundle({ url: 'v1/openapi.json', dom_id: '#api', deepLinking: true, tryItOutEnabled: true });\n`;
const packed = new Map<string, Promise<Buffer>>();

/** A file of the documentation page: shipped beside this function's code, or for `docs.js` the line that starts it. */
export const getDocsAsset: Endpoint<'getDocsAsset'> = {
  operation: operations.getDocsAsset,
  async handle(input) {
    const { file } = (input as OperationInput<typeof operations.getDocsAsset>).path;
    const body = packed.get(file) ?? pack(file);
    packed.set(file, body);
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

async function pack(file: string): Promise<Buffer> {
  const content = file === 'docs.js' ? startPage : await readFile(new URL(file, import.meta.url));
  return promisify(gzip)(content);
}
