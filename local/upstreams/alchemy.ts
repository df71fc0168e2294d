/** A stand-in for Alchemy: NFT API v3, Transfers, and the NFT-activity webhook, over a world that keeps changing. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { answerNft, answerRpc, hex, type Rpc, type Source, UnknownPageKey } from './alchemy-responses.ts';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import type { StandIn } from './stand-in.ts';
import {
  addTransfer,
  type Collection,
  createRandom,
  createWorld,
  hashOf,
  mine,
  nextTransfer,
  orphan,
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
  /** Makes a transfer in a new block and returns it. */
  transfer(): Transfer;
  /** Replaces the last blocks by empty ones. Returns the transfers that were in them, the last first. */
  reorg(blocks?: number): Transfer[];
  /** Forgets the page keys that it has issued, as upstream does after ten minutes. */
  expirePageKeys(): void;
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
  /** Default: the world of the seed. */
  world?: World;
  /** The owners or transfers of a page. Default: 1,000. */
  pageSize?: number;
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
  world = createWorld(seed),
  pageSize = 1_000,
  statePath,
}: AlchemyOptions): Promise<AlchemyStandIn> {
  const source: Source = { world, pageSize, pageKeys: new Map() };
  const made = await remember(world, statePath);
  const faults = createFaultSwitch();
  const random = createRandom(world.head);
  const server = createServer((request, response) => {
    handle(request, response, { source, apiKey, faults }).catch((error: unknown) => {
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
    const [one] = mine(world, [nextTransfer(world, random)]);
    made.push(one!);
    void keep();
    return one!;
  };
  const reorg = (blocks = 1) => {
    const orphaned = orphan(world, blocks);
    for (let i = 0; i < blocks; i++) mine(world, []);
    for (const one of orphaned) made.splice(made.indexOf(one), 1);
    void keep();
    return orphaned;
  };
  const alchemy: AlchemyStandIn = {
    url: `http://127.0.0.1:${port}`,
    secret: { apiKey, webhookSigningKey },
    world,
    collections: world.collections,
    faults,
    transfer,
    reorg,
    expirePageKeys: () => source.pageKeys.clear(),
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
    while (world.head < one.block) mine(world, []);
    if (one.blockHash) world.hashes.set(one.block, one.blockHash);
    addTransfer(world, one);
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
      if (removed.length > 0) await alchemy.notify(options, removed, true).catch(() => 0);
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

export function toActivity(transfer: Transfer, removed: boolean) {
  const { block, logIndex, hash, contract, tokenType, from, to, tokens } = transfer;
  return {
    fromAddress: from,
    toAddress: to,
    contractAddress: contract,
    blockNum: hex(block),
    hash,
    ...(tokenType === 'ERC1155'
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
      blockHash: transfer.blockHash ?? hashOf({ hashes: new Map() }, block),
      logIndex: hex(logIndex),
      removed,
    },
  };
}

interface State {
  source: Source;
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
  if (first === 'v2') {
    const calls = (await readJson(request)) as Rpc | Rpc[];
    const answerCall = (call: Rpc) => answerRpc(state.source, call);
    return respond(response, 200, Array.isArray(calls) ? calls.map(answerCall) : answerCall(calls), fault);
  }
  let answer: ReturnType<typeof answerNft>;
  try {
    answer = answerNft(state.source, rest[2] ?? '', searchParams);
  } catch (error) {
    if (!(error instanceof UnknownPageKey)) throw error;
    return respond(response, 400, { error: { message: error.message } }, fault);
  }
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
