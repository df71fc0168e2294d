/** A stand-in for Alchemy: NFT API v3, Transfers, and the NFT-activity webhook, over a world that keeps changing. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { answerNft, answerRpc, hex, type Rpc } from './alchemy-responses.ts';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import type { StandIn } from './stand-in.ts';
import {
  apply,
  type Collection,
  createRandom,
  createWorld,
  nextTransfer,
  type Transfer,
  type World,
  worldSeed,
} from './world.ts';

export interface AlchemyStandIn {
  url: string;
  /** What its secret holds. Webhooks are signed with the second. */
  secret: { apiKey: string; webhookSigningKey: string };
  world: World;
  collections: Collection[];
  faults: FaultSwitch;
  /** Makes a transfer and returns it. */
  transfer(): Transfer;
  /** Removes the last such transfer from the chain and returns it. */
  reorg(): Transfer | undefined;
  /** Posts transfers to a webhook, signed; returns the response's status. */
  notify(options: WebhookOptions, transfers: readonly Transfer[], removed?: boolean): Promise<number>;
  /** Makes transfers and reports them to a webhook. Returns what stops it. */
  startTrickle(options: WebhookOptions & { everyMs: number }): () => void;
  stop(): Promise<void>;
}

export interface WebhookOptions {
  webhookUrl: string;
  signingKey: string;
}

export interface AlchemyOptions {
  apiKey: string;
  /** Default: random. */
  webhookSigningKey?: string;
  seed?: number;
  /** Keeps the transfers made here between runs. */
  statePath?: string;
}

/** Keys are new in each run. */
export const standIn = {
  start: ({ statePath }) => startAlchemy({ apiKey: randomKey(), statePath }),
} satisfies StandIn<AlchemyStandIn>;

const randomKey = () => randomBytes(12).toString('hex');

/** Starts the stand-in, with the transfers of earlier runs. */
export async function startAlchemy({
  apiKey,
  webhookSigningKey = randomKey(),
  seed = worldSeed,
  statePath,
}: AlchemyOptions): Promise<AlchemyStandIn> {
  const world = createWorld(seed);
  const made = await remember(world, statePath);
  const faults = createFaultSwitch();
  const random = createRandom(world.head);
  const server = createServer((request, response) => {
    handle(request, response, { world, apiKey, faults }).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };

  const keep = () =>
    statePath
      ? writeFile(
          statePath,
          JSON.stringify(made, (_, value) => (typeof value === 'bigint' ? value.toString() : value)),
        )
      : undefined;
  const transfer = () => {
    const one = nextTransfer(world, random);
    world.transfers.push(one);
    made.push(one);
    apply(world, one, 1n);
    void keep();
    return one;
  };
  const reorg = () => {
    const one = made.pop();
    if (!one) return undefined;
    world.transfers.splice(world.transfers.indexOf(one), 1);
    apply(world, one, -1n);
    void keep();
    return one;
  };
  const alchemy: AlchemyStandIn = {
    url: `http://127.0.0.1:${port}`,
    secret: { apiKey, webhookSigningKey },
    world,
    collections: world.collections,
    faults,
    transfer,
    reorg,
    notify,
    startTrickle: (options) => trickle(alchemy, options, random),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return alchemy;
}

/** Applies the transfers of earlier runs to the world; returns their list, to be appended to. */
async function remember(world: World, statePath: string | undefined): Promise<Transfer[]> {
  const text = statePath ? await readFile(statePath, 'utf8').catch(() => '[]') : '[]';
  const made = (
    JSON.parse(text) as (Omit<Transfer, 'tokens'> & { tokens: { tokenId: string; amount: string }[] })[]
  ).map((one) => ({
    ...one,
    tokens: one.tokens.map(({ tokenId, amount }) => ({ tokenId, amount: BigInt(amount) })),
  }));
  for (const one of made) {
    world.transfers.push(one);
    apply(world, one, 1n);
    world.head = Math.max(world.head, one.block);
  }
  return made;
}

/** One transfer after another. Some are delivered twice, and some are reverted. */
function trickle(
  alchemy: AlchemyStandIn,
  options: WebhookOptions & { everyMs: number },
  random: () => number,
): () => void {
  const timer = setInterval(async () => {
    if (random() < 0.05) {
      const removed = alchemy.reorg();
      if (removed) await alchemy.notify(options, [removed], true).catch(() => 0);
    }
    const transfer = alchemy.transfer();
    for (let attempt = 0; attempt < 5; attempt++) {
      const status = await alchemy.notify(options, [transfer]).catch(() => 0);
      if (status === 200 && random() > 0.1) break;
    }
  }, options.everyMs);
  return () => clearInterval(timer);
}

async function notify(
  { webhookUrl, signingKey }: WebhookOptions,
  transfers: readonly Transfer[],
  removed = false,
): Promise<number> {
  const body = JSON.stringify({
    webhookId: 'wh_local',
    id: `whevt_${randomUUID()}`,
    createdAt: new Date().toISOString(),
    type: 'NFT_ACTIVITY',
    event: { network: 'ETH_MAINNET', activity: transfers.map((transfer) => toActivity(transfer, removed)) },
  });
  const signature = createHmac('sha256', signingKey).update(body).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-alchemy-signature': signature };
  const { status } = await fetch(webhookUrl, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });
  return status;
}

function toActivity({ block, logIndex, hash, contract, from, to, tokens }: Transfer, removed: boolean) {
  const isBatch = tokens.length > 1 || tokens[0]!.amount > 1n;
  return {
    fromAddress: from,
    toAddress: to,
    contractAddress: contract,
    blockNum: hex(block),
    hash,
    ...(isBatch
      ? {
          category: 'erc1155',
          erc1155Metadata: tokens.map(({ tokenId, amount }) => ({ tokenId: hex(BigInt(tokenId)), value: hex(amount) })),
        }
      : { category: 'erc721', erc721TokenId: hex(BigInt(tokens[0]!.tokenId)) }),
    log: {
      address: contract,
      topics: [],
      data: '0x',
      blockNumber: hex(block),
      transactionHash: hash,
      transactionIndex: '0x0',
      blockHash: hash,
      logIndex: hex(logIndex),
      removed,
    },
  };
}

interface State {
  world: World;
  apiKey: string;
  faults: FaultSwitch;
}

async function handle(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://alchemy');
  if (pathname === '/__faults') {
    state.faults.set((await readJson(request)) as Faults | undefined);
    return respond(response, 200, {}, undefined);
  }
  const [, first, ...rest] = pathname.split('/');
  const key = first === 'v2' ? rest[0] : rest[1];
  if (key !== state.apiKey) return respond(response, 401, { error: { message: 'Must be authenticated!' } }, undefined);
  const fault = state.faults.next();
  if (first === 'v2') return respond(response, 200, answerRpc(state.world, (await readJson(request)) as Rpc), fault);
  const answer = answerNft(state.world, rest[2] ?? '', searchParams);
  if (fault?.kind === 'garbage' && answer) spoil(answer);
  return answer
    ? respond(response, 200, answer, fault)
    : respond(response, 404, { error: { message: 'Not found' } }, fault);
}

/** Makes one item of a page malformed. */
function spoil(answer: Record<string, unknown>): void {
  for (const name of ['nfts', 'owners']) {
    if (Array.isArray(answer[name])) (answer[name] as unknown[])[0] = { tokenId: 'not a number', ownerAddress: 17 };
  }
}
