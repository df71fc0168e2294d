import { createServer } from 'node:http';
import { afterAll } from 'vitest';

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
}

export interface UpstreamProxy {
  url: string;
  /** Answers instead of the upstream, or changes its answer. Undefined passes it on as it is. */
  intervene: (request: ProxiedRequest, pass: () => Promise<ProxiedReply>) => Promise<ProxiedReply | undefined>;
}

/** Starts a server between a client and an upstream that a test can intervene in. Stops after the suite. */
export async function startProxy(upstreamUrl: string): Promise<UpstreamProxy> {
  const proxy: UpstreamProxy = { url: '', intervene: async () => undefined };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const pass = async (): Promise<ProxiedReply> => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => name === 'x-api-key' || name === 'content-type'),
      ) as Record<string, string>;
      const reply = await fetch(upstreamUrl + request.url!, {
        method: request.method!,
        headers,
        ...(text === '' ? {} : { body: text }),
      });
      return { status: reply.status, json: await reply.json() };
    };
    const asked = { path: request.url!, body: text === '' ? undefined : JSON.parse(text) };
    const { status, headers = {}, json } = (await proxy.intervene(asked, pass)) ?? (await pass());
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  proxy.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return proxy;
}
