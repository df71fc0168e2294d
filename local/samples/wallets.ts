import { startJob } from '../operator.ts';
import type { Sample } from '../sample.ts';
import { standIn as snowflake } from '../upstreams/snowflake.ts';

/** Each needs the rows of those before it. */
const syncs = ['syncMoments', 'syncPrices', 'syncProfiles', 'syncHoldings'];
const tradesEveryMs = 20_000;
const tradesPerTick = 5;

/** A sync of each table of the warehouse, then trades and prices every few seconds, synced as the schedule would. */
export const sample: Sample = {
  async load(running, follow) {
    for (const sync of syncs) await follow(`wallets.${sync}`, 100, await startJob(running, `wallets.${sync}`));
  },
  startTrickle(running) {
    const { world } = running.upstreams.get(snowflake);
    let trades = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < tradesPerTick; i++, trades++)
        world.trade((trades * 7_919) % world.moments, (trades * 104_729) % world.wallets.length);
      world.scrape(trades % world.editions);
      // the next tick tries again
      for (const sync of ['wallets.syncPrices', 'wallets.syncHoldings']) startJob(running, sync).catch(() => {});
    }, tradesEveryMs);
    return () => clearInterval(timer);
  },
  examples({ url, upstreams }) {
    return [
      `curl -i '${url}/v1/leaderboards/wallets?by=floorValue&limit=3'`,
      `curl -i ${url}/v1/wallets/${upstreams.get(snowflake).world.wallets[0]}/summary`,
      `A sync every ${tradesEveryMs / 1_000} s adds trades and prices from the warehouse: see /v1/jobs`,
    ];
  },
};
