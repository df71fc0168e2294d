/** The portfolio domain with owners' keys, and a receiver of webhooks on this machine. */
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';
import { newKey } from '../../shared/http/keys.ts';
import type { Call, Reply } from './api.ts';
import { createTestDomain } from './test-domain.ts';

/** What a receiver got. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export async function createAlerts() {
  const domain = await createTestDomain('portfolio', { WEBHOOK_ALLOWED_ADDRESSES: '127.0.0.1' });
  const { pool } = domain.database;
  const q = async (text: string, values: unknown[] = []) => (await pool.query(text, values)).rows;

  /** Issues a key, and returns a function that calls the API with it. */
  const createOwner = async (name = 'owner') => {
    const { id, token, sha256 } = newKey();
    await q('insert into platform.keys (id, name, sha256) values ($1, $2, $3)', [id, name, sha256]);
    const call = (target: string, call: Call = {}): Promise<Reply> =>
      domain.call(target, { ...call, headers: { authorization: `Bearer ${token}`, ...call.headers } });
    return { id, token, call };
  };
  const run = async (job: string) => {
    await domain.runMessage({ job: `portfolio.${job}`, requestedBy: 'test' });
    const [row] = await q(`select status, result, error from platform.jobs where job = $1 order by id desc limit 1`, [
      `portfolio.${job}`,
    ]);
    return row as { status: string; result: Record<string, number>; error: unknown };
  };
  /** Stores a price of a token, known or new, at a time. */
  const recordPrice = (symbol: string, at: Date, price: number | string) =>
    q(
      `with token as (
         insert into portfolio.tokens (symbol) values ($1) on conflict (key) do update set symbol = excluded.symbol returning id)
       insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
       select id, $2, $3, 'import' from token`,
      [symbol, at, price],
    );
  /** A tracked wallet; its id. */
  const trackWallet = async (address: string): Promise<number> =>
    (
      await q(
        `insert into portfolio.wallets (address, is_tracked) values (decode($1, 'hex'), true)
         on conflict (address) do update set is_tracked = true returning id`,
        [address.slice(2)],
      )
    )[0].id;
  return {
    ...domain,
    q,
    createOwner,
    recordPrice,
    trackWallet,
    evaluate: () => run('evaluateAlerts'),
    deliver: () => run('deliverWebhooks'),
  };
}

/** A receiver on 127.0.0.1 that keeps what it got. `answer` decides what it says; by default 204. */
export async function startReceiver(answer?: RequestListener) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ path: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() });
    if (answer) return answer(request, response);
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, port, received, server };
}

/** A price alert's body. */
export const priceAlert = (
  token: string,
  thresholdUsd: string,
  webhookUrl: string,
  { direction = 'above', marginPercent = 1 }: { direction?: 'above' | 'below'; marginPercent?: number } = {},
) => ({ condition: { kind: 'price', token, direction, thresholdUsd }, marginPercent, webhookUrl });

export const minutesAgo = (n: number) => new Date(Date.now() - n * 60_000);
export const minutesAhead = (n: number) => minutesAgo(-n);
