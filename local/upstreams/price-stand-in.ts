/** What the stand-ins for price sources have in common. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import { startHttpServer } from './http-server.ts';
import { createMarket, type Market } from './market.ts';

/** An entry of an answer, as the source's API has it. */
export type Entry = Record<string, unknown>;

export interface PriceStandIn {
  url: string;
  /** What its secret holds. */
  secret: Record<string, string>;
  market: Market;
  faults: FaultSwitch;
  /** Changes the entry of a token, or leaves it out, by the token's name in this API. */
  change: ((name: string, entry: Entry) => Entry | undefined) | undefined;
  /** The paths of all requests, without keys. */
  requests: string[];
  stop(): Promise<void>;
}

/** A response: its status, and its body. */
export type Reply = readonly [status: number, body: unknown];

/** What answers the requests of one source. */
export interface PriceApi {
  secret: Record<string, string>;
  /** `entryOf` applies `change` to what is answered for a token. */
  answer(
    request: IncomingMessage,
    url: URL,
    entryOf: (name: string, entry: Entry) => Entry | undefined,
    market: Market,
  ): Promise<Reply>;
  /** The response if the fault is `garbage`. */
  garbage: Reply;
}

/** Starts a stand-in for a price source. */
export async function startPriceStandIn(api: PriceApi, market: Market = createMarket()): Promise<PriceStandIn> {
  const faults = createFaultSwitch();
  const handle = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    if (url.pathname === '/__faults') {
      faults.set((await readJson(request)) as Faults | undefined);
      return respond(response, 200, {}, undefined);
    }
    const keys = Object.values(api.secret);
    standIn.requests.push(keys.reduce((path, key) => path.replace(key, '{key}'), url.pathname + url.search));
    const fault = faults.next();
    const entryOf = (name: string, entry: Entry) => (standIn.change ? standIn.change(name, entry) : entry);
    const [status, body] = fault?.kind === 'garbage' ? api.garbage : await api.answer(request, url, entryOf, market);
    return respond(response, status, body, fault);
  };
  const { url, stop } = await startHttpServer(handle);
  const standIn: PriceStandIn = { url, secret: api.secret, market, faults, change: undefined, requests: [], stop };
  return standIn;
}

/** Sources publish a price for each minute. */
export function lastMinuteMs(): number {
  return Math.floor(Date.now() / 60_000) * 60_000;
}
