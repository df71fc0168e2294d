/** Between the import and S3 stands a proxy that breaks connections off. */
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, afterEach, expect, inject, test, vi } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createCollections } from '../support/collections.ts';
import { drain, putObject } from '../support/queues.ts';

/** What the proxy does to the body of the next answer to a GET. */
let fault: ((outgoing: ServerResponse, body: Buffer) => void) | undefined;
const faults = {
  'is reset': (outgoing: ServerResponse, body: Buffer) => {
    outgoing.write(body.subarray(0, body.length / 2), () => outgoing.socket!.resetAndDestroy());
  },
  'is closed early': (outgoing: ServerResponse, body: Buffer) => {
    outgoing.write(body.subarray(0, body.length / 2), () => outgoing.socket!.end());
  },
  stalls: (outgoing: ServerResponse, body: Buffer) => {
    const { setTimeout } = globalThis;
    // the time that a connection may stall, shortened
    const shortened: typeof setTimeout = Object.assign(
      (...[work, ms, ...rest]: Parameters<typeof setTimeout>) => setTimeout(work, ms === 30_000 ? 300 : ms, ...rest),
      { __promisify__: setTimeout.__promisify__ },
    );
    vi.stubGlobal('setTimeout', shortened);
    outgoing.write(body.subarray(0, body.length / 2));
  },
};
const proxy = createServer((incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const { port } = new URL(inject('services').queuesUrl);
  const forwarded = request({ host: '127.0.0.1', port, method, path: url, headers }, async (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const breaks = method === 'GET' && body.length > 10_000 ? fault : undefined;
    if (breaks) fault = undefined;
    if (breaks) breaks(outgoing, body);
    else outgoing.end(body);
  });
  incoming.pipe(forwarded);
});
await new Promise<void>((ready) => proxy.listen(0, '127.0.0.1', ready));
const { bucket, database, jobRow, jobsQueue, runMessage } = await createCollections({
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
});
afterAll(() => {
  proxy.closeAllConnections();
  proxy.close();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const rows = Array.from({ length: 6_000 }, (_, i) => [String(i), 'Hat', `Red ${(i * 7_919) % 1_000}`] as const);
const csv = ['token_id,trait_type,trait_value', ...rows.map((row) => row.join(','))].join('\n');
const column = (name: string, i: 0 | 1 | 2) => ({ name, data: rows.map((row) => row[i]), type: 'STRING' as const });
const parquet = Buffer.from(
  parquetWriteBuffer({
    columnData: [column('token_id', 0), column('trait_type', 1), column('trait_value', 2)],
    rowGroupSize: 1_500,
  }),
);

test.each(
  Object.entries(faults).flatMap(([what, act]) => [
    { what, act, name: 'x.csv', content: csv },
    { what, act, name: 'x.parquet', content: parquet },
  ]),
)('an import of $name goes on from its checkpoint after a connection that $what', async ({ act, name, content }) => {
  const id = ulid();
  const key = `collections/traits/${id}/${name}`;
  await putObject(bucket, key, content, {
    collection: `0x${id
      .toLowerCase()
      .replace(/[^0-9a-f]/g, '0')
      .padStart(40, '0')}`,
  });
  fault = act;
  await runMessage({ Records: [{ s3: { bucket: { name: bucket }, object: { key } } }] });
  const interrupted = await jobRow(id);
  expect(interrupted).toMatchObject({ status: 'running', error: { code: 'unavailable' } });
  vi.unstubAllGlobals();
  await database.pool.query('update platform.jobs set lease_until = null where id = $1', [id]);
  await runMessage({ job: 'collections.import', jobId: id, params: { bucket, key }, requestedBy: 'test' });
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_read: 6_000, rows_applied: 6_000 });
  await drain(jobsQueue.url);
});
