/** The portfolio domain under test, with a stand-in for the node of each chain. */
import { afterAll, afterEach } from 'vitest';
import { baserpc } from '../../functions/upstreams/baserpc.ts';
import { ethereumrpc } from '../../functions/upstreams/ethereumrpc.ts';
import { type ChainOptions, startChain } from '../../local/upstreams/chain.ts';
import type { Escrow } from '../../local/upstreams/voting-escrow.ts';
import { createPortfolio } from './portfolio.ts';

const noLocks = (isByAccount: boolean): Escrow => ({ locks: [], otherwise: () => [], isByAccount });

/** Starts chains without tokens and locks, and the domain that calls them. Faults last until the end of a test. */
export async function createChains(environment: Record<string, string> = {}) {
  const start = (chain: ChainOptions['chain']) =>
    startChain({
      chain,
      apiKey: `${chain}rpc-apiKey`,
      tokens: new Map(),
      locks: noLocks(chain === 'ethereum'),
      isMining: false,
    });
  const [ethereum, base] = await Promise.all([start('ethereum'), start('base')]);
  const chains = [ethereum, base];
  // the real budgets would slow the tests down
  for (const upstream of [ethereumrpc, baserpc]) upstream.requestsPerSecond = 1_000;
  const domain = await createPortfolio({
    ...environment,
    UPSTREAM_ETHEREUMRPC_URL: ethereum.url,
    UPSTREAM_BASERPC_URL: base.url,
  });
  afterEach(() => {
    for (const chain of chains) {
      chain.faults.set(undefined);
      chain.beforeCall = undefined;
      chain.requests.length = 0;
    }
  });
  afterAll(() => Promise.all(chains.map((chain) => chain.stop())));
  return { ...domain, ethereum, base };
}
