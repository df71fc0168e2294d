import { createServer } from 'node:http';

/** A request to an upstream: its path and, if it has one, its JSON body. */
export interface ProxiedRequest {
  path: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the client sends
  body: any;
}

export interface ProxiedReply {
  status: number;
  headers?: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the upstream answers
  json: any;
  /** Cuts the reply off in the middle. */
  isCut?: boolean;
}

/** A server between a client and an upstream. */
export interface UpstreamProxy {
  url: string;
  /** Answers instead of the upstream, or changes its answer. Undefined passes it on as it is. */
  intervene: (request: ProxiedRequest, pass: () => Promise<ProxiedReply>) => Promise<ProxiedReply | undefined>;
  stop(): Promise<void>;
}

const passedHeaders = ['x-api-key', 'content-type', 'authorization', 'x-snowflake-authorization-token-type'];

/** Starts a proxy that lets everything pass until it is told otherwise. */
export async function startUpstreamProxy(upstreamUrl: string): Promise<UpstreamProxy> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => passedHeaders.includes(name)),
    ) as Record<string, string>;
    const pass = async (): Promise<ProxiedReply> => {
      const reply = await fetch(upstreamUrl + request.url!, {
        method: request.method!,
        headers,
        ...(text === '' ? {} : { body: text }),
      });
      return { status: reply.status, json: JSON.parse(await reply.text()) };
    };
    const asked = { path: request.url!, body: text === '' ? undefined : JSON.parse(text) };
    // an answer in any case: a client whose request is never answered waits in vain for what went wrong here
    const reply = await Promise.resolve()
      .then(() => proxy.intervene(asked, pass))
      .then(async (own) => own ?? (await pass()))
      .catch((error: unknown): ProxiedReply => ({ status: 500, json: { error: String(error) } }));
    const body = JSON.stringify(reply.json);
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
    response.end(reply.isCut ? body.slice(0, body.length / 2) : body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const proxy: UpstreamProxy = {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    intervene: async () => undefined,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
