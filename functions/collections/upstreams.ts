/** The room's clients of third parties, each made once a container, under the budget that all containers share. */
import * as z from 'zod';
import { env } from '../../shared/env.ts';
import { getRedis } from '../../shared/resources.ts';
import { secret } from '../../shared/secrets.ts';
import { type Budget, createBudget } from '../../shared/upstream/budget.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { collections } from './domain.ts';
import { type Alchemy, createAlchemy } from './sources/alchemy.ts';
import { createNeynar, type Neynar } from './sources/neynar.ts';

const longestWaitMs = 20_000;
const keys = z.object({ apiKey: z.string() });

let alchemy: Promise<Alchemy> | undefined;
let neynar: Promise<Neynar> | undefined;
let firstReads: Promise<FirstReads> | undefined;

/** What a client, and all clients together, may have fetched by asking for what nobody has asked for yet. */
export interface FirstReads {
  perClient: Budget;
  inAll: Budget;
}

export function getAlchemy(): Promise<Alchemy> {
  alchemy ??= upstream('alchemy').then((request) =>
    createAlchemy({
      baseUrl: env('ALCHEMY_BASE_URL'),
      apiKey: async () => (await secret(env('ALCHEMY_SECRET_ARN'), keys)).apiKey,
      request,
    }),
  );
  return alchemy;
}

export function getNeynar(): Promise<Neynar> {
  neynar ??= upstream('neynar').then((request) =>
    createNeynar({
      baseUrl: env('NEYNAR_BASE_URL'),
      apiKey: async () => (await secret(env('NEYNAR_SECRET_ARN'), keys)).apiKey,
      request,
    }),
  );
  return neynar;
}

export function getFirstReads(): Promise<FirstReads> {
  firstReads ??= getRedis().then(({ redis }) => ({
    perClient: createBudget({ redis, name: 'first-reads-of-a-client', points: 10, perSeconds: 60 }),
    inAll: createBudget({ redis, name: 'first-reads', points: 100, perSeconds: 60 }),
  }));
  return firstReads;
}

async function upstream(name: string) {
  const declared = collections.upstreams.find((one) => one.name === name)!;
  const { redis } = await getRedis();
  const budget = createBudget({ redis, name, points: declared.requestsPerSecond, perSeconds: 1 });
  return createRequest({ name, budget: () => budget.wait('all', longestWaitMs) });
}
