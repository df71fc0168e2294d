import { startJob } from '../operator.ts';
import { dayMs, type PastToken, pastFiles, wallets } from '../past-portfolios.ts';
import type { Running, Sample } from '../sample.ts';
import { upload } from '../upload.ts';
import { standIn as base } from '../upstreams/baserpc.ts';
import { standIn as ethereum } from '../upstreams/ethereumrpc.ts';
import { createMarket } from '../upstreams/market.ts';

/** Moves months of history to packs, and then the oldest to files, as the schedules would. */
const moves = ['pack-partitions', 'archive-partitions'];
/** Each needs what those before it recorded. */
const syncs = ['syncPrices', 'syncBalances', 'syncLocks', 'snapshotPortfolios', 'computeRisk'];

/** Sixteen months of some wallets, in all three tiers; then what the price sources and chains say now. */
export const sample: Sample = {
  async load(running, follow) {
    for (const [dataset, content] of pastFiles(tokensOf(running), Date.now())) {
      const bytes = Buffer.byteLength(content);
      const jobId = await upload(running, `portfolio.${dataset}`, { name: `${dataset}.csv`, content, bytes });
      await follow(`portfolio.${dataset}`, content.split('\n').length - 1, jobId);
    }
    for (const move of moves) await running.functions.invoke(functionNamed(running, move), {});
    for (const sync of syncs) await follow(`portfolio.${sync}`, 1, await startJob(running, `portfolio.${sync}`));
  },
  // the schedules sync every few minutes
  startTrickle: () => () => {},
  examples({ url }) {
    const portfolio = `${url}/v1/portfolios/${wallets[0]!.address}`;
    const ago = (days: number) => `${new Date(Date.now() - days * dayMs).toISOString().slice(0, 10)}T00:00:00Z`;
    return [
      `curl -i ${portfolio}`,
      `curl -i '${portfolio}?at=${ago(400)}'   (what it held and was worth then)`,
      `curl -i '${portfolio}/history?interval=1d&from=${ago(470)}'   (rows, packs, and files: see x-served-by)`,
    ];
  },
};

/** The tokens of the market with contracts on the chains whose stand-ins run. */
function tokensOf({ upstreams }: Running): PastToken[] {
  const chains = { base: upstreams.get(base), ethereum: upstreams.get(ethereum) };
  return createMarket().assets.flatMap(({ symbol, decimals, contracts }) =>
    Object.entries(chains).flatMap(([chain, { tokens, head }]) => {
      const address = contracts[chain];
      const token = address === undefined ? undefined : tokens.get(address);
      if (address === undefined || !token) return [];
      const balanceOf = (account: string) => Number(token.otherwise(account, head())) / 10 ** decimals;
      return [{ symbol, chain, address, balanceOf }];
    }),
  );
}

function functionNamed({ functions }: Running, name: string): string {
  const found = functions.names.find((one) => one.endsWith(name));
  if (!found) throw new Error(`The template has no function ${name}.`);
  return found;
}
