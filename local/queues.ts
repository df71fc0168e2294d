/**
 * SQS and S3 on this machine, on one port.
 *
 * A thin proxy sits in front of the server. It refuses calls for subresources that the server does not know, which the
 * server would execute as a write of the object itself, and it reports every object created, as the bucket's
 * notifications would.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type FauxqsServer, startFauxqs } from 'fauxqs';

export interface CreatedObject {
  bucket: string;
  key: string;
  size: number;
  /** Without quotes. Undefined for an upload in parts: the answer to its end has it in its body only. */
  etag: string | undefined;
}

export interface Queues {
  url: string;
  server: FauxqsServer;
  stop(): Promise<void>;
}

export interface QueuesOptions {
  onObjectCreated(created: CreatedObject): Promise<void>;
  /** Where messages and objects are kept between runs. Default: in memory. */
  directory?: string;
}

export const localRegion = 'us-east-1';
export const localAccount = '000000000000';

const knownSubresources = new Set([
  'uploads',
  'uploadId',
  'partNumber',
  'list-type',
  'prefix',
  'delimiter',
  'max-keys',
  'x-id',
  'continuation-token',
  'start-after',
  'encoding-type',
  'delete',
  'location',
  'fetch-owner',
]);

/** Starts both. Create queues and buckets through `server`. */
export async function startQueues({ onObjectCreated, directory }: QueuesOptions): Promise<Queues> {
  const server = await startFauxqs({
    port: 0,
    host: '127.0.0.1',
    logger: false,
    defaultRegion: localRegion,
    ...(directory ? { dataDir: directory } : {}),
  });
  const proxy = createServer((incoming, outgoing) => {
    const refusal = refuse(incoming);
    if (refusal) {
      outgoing.writeHead(501, { 'content-type': 'application/xml' });
      outgoing.end(`<Error><Code>NotImplemented</Code><Message>${refusal}</Message></Error>`);
      return;
    }
    forward(incoming, outgoing, server.port, onObjectCreated);
  });
  proxy.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await server.stop();
    },
  };
}

function refuse({ method, url = '/', headers }: IncomingMessage): string | undefined {
  if (headers['x-amz-target'] !== undefined || method === 'GET' || method === 'HEAD') return undefined;
  const unknown = [...new URL(url, 'http://s3').searchParams.keys()].find((name) => !knownSubresources.has(name));
  return unknown && `The subresource ${unknown} is not supported.`;
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  port: number,
  onObjectCreated: QueuesOptions['onObjectCreated'],
): void {
  const { method, url: path, headers } = incoming;
  const upstream = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    const created = answer.statusCode === 200 ? createdObject(incoming, answer) : undefined;
    const pass = () => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    };
    if (created) onObjectCreated(created).then(pass, pass);
    else pass();
  });
  upstream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => upstream.destroy());
  incoming.pipe(upstream);
}

function createdObject(
  { method, url = '/', headers }: IncomingMessage,
  answer: IncomingMessage,
): CreatedObject | undefined {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [, bucket, ...key] = pathname.split('/').map(decodeURIComponent);
  if (!bucket || key.length === 0 || headers['x-amz-target'] !== undefined) return undefined;
  const isPut = method === 'PUT' && !searchParams.has('partNumber');
  const isCompleted = method === 'POST' && searchParams.has('uploadId');
  if (!isPut && !isCompleted) return undefined;
  return {
    bucket,
    key: key.join('/'),
    size: Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0),
    etag: answer.headers.etag?.replaceAll('"', ''),
  };
}
