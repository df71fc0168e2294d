import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface HttpServer {
  url: string;
  stop(): Promise<void>;
}

/** Starts a server on a free port of this machine. What `handle` throws is a response with status 500. */
export async function startHttpServer(
  handle: (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    handle(request, response, new URL(request.url ?? '/', 'http://stand-in')).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}
