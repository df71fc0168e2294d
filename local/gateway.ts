import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Functions } from './functions.ts';
import type { Route } from './route-plans.ts';

export interface GatewayOptions {
  routes: readonly Route[];
  /** Added to every response. */
  corsHeaders: Record<string, string>;
  functions: Functions;
  /** 0: any. */
  port: number;
}

export interface Gateway {
  url: string;
  stop(): Promise<void>;
}

interface FunctionAnswer {
  statusCode?: number;
  headers?: Record<string, string | number>;
  body?: string;
  isBase64Encoded?: boolean;
}

const maxBodyBytes = 10 * 1024 * 1024;

/**
 * An HTTP API (payload format 2.0) on this machine, with the routes, authorizer and functions of the template.
 *
 * @throws Error  the port is taken
 */
export async function startGateway({ routes, corsHeaders, functions, port }: GatewayOptions): Promise<Gateway> {
  const table = routes.map((route) => ({ ...route, match: matcher(route.key) }));
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(corsHeaders)) response.setHeader(name, value);
    handle(table, functions, request, response).catch((error: unknown) => {
      answer(response, 500, { message: 'Internal Server Error', reason: (error as Error).message });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(`Port ${port} is taken. Choose another with --port.`) : error),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: bound } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Matcher = (method: string, path: string) => Record<string, string> | undefined;

function matcher(key: string): Matcher {
  const [method, template] = key.split(' ') as [string, string];
  const names = [...template.matchAll(/\{(\w+)\+?\}/g)].map((found) => found[1]!);
  const pattern = new RegExp(`^${template.replace(/\{\w+\}/g, '([^/]+)')}$`);
  return (wanted, path) => {
    const found = wanted === method ? pattern.exec(path) : null;
    return found ? Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1]!)])) : undefined;
  };
}

async function handle(
  table: readonly (Route & { match: Matcher })[],
  functions: Functions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  const [rawPath = '/', rawQueryString = ''] = url.split('?', 2) as [string, string?];
  if (method === 'OPTIONS') return void response.writeHead(204).end();
  const body = await readBody(request);
  if (!body) return answer(response, 413, { message: 'Request Entity Too Large' });
  const found = table
    .map((route) => ({ route, parameters: route.match(method, rawPath) }))
    .find(({ parameters }) => parameters);
  if (!found) return answer(response, 404, { message: 'Not Found' });
  const { route, parameters } = found;
  const event = toEvent(route.key, request, rawPath, rawQueryString, parameters!, body);
  if (route.authorizer) {
    if (event.headers.authorization === undefined) return answer(response, 401, { message: 'Unauthorized' });
    const verdict = (await functions.invoke(route.authorizer, { ...event, type: 'REQUEST', routeArn: route.key })) as {
      isAuthorized?: boolean;
      context?: object;
    };
    if (!verdict.isAuthorized) return answer(response, 403, { message: 'Forbidden' });
    Object.assign(event.requestContext, { authorizer: { lambda: verdict.context ?? null } });
  }
  const given = (await functions.invoke(route.functionName, event)) as FunctionAnswer;
  const headers = Object.fromEntries(Object.entries(given.headers ?? {}).map(([name, value]) => [name, String(value)]));
  response.writeHead(given.statusCode ?? 200, headers);
  response.end(Buffer.from(given.body ?? '', given.isBase64Encoded ? 'base64' : 'utf8'));
}

function toEvent(
  routeKey: string,
  request: IncomingMessage,
  rawPath: string,
  rawQueryString: string,
  pathParameters: Record<string, string>,
  body: Buffer,
) {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  const isText = /json|text|x-www-form-urlencoded/.test(headers['content-type'] ?? '');
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    headers,
    pathParameters,
    requestContext: {
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      timeEpoch: Date.now(),
      http: {
        method: request.method,
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
        userAgent: headers['user-agent'] ?? '',
      },
    },
    isBase64Encoded: body.length > 0 && !isText,
    ...(body.length > 0 ? { body: body.toString(isText ? 'utf8' : 'base64') } : {}),
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > maxBodyBytes) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
