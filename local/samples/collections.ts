import { postForJob } from '../operator.ts';
import type { Sample } from '../sample.ts';
import { standIn as alchemy } from '../upstreams/alchemy.ts';

const transferEveryMs = 3_000;

/** A refresh of each collection, then a transfer every few seconds, which the webhook reports. */
export const sample: Sample = {
  async load(running, follow) {
    const { collections } = running.upstreams.get(alchemy);
    await Promise.all(
      collections.map(async ({ address, name, totalSupply }) =>
        follow(name, totalSupply * 3, await postForJob(running, `/v1/collections/${address}/refresh`)),
      ),
    );
  },
  startTrickle({ url, upstreams }) {
    const standIn = upstreams.get(alchemy);
    return standIn.startTrickle({
      everyMs: transferEveryMs,
      webhookUrl: `${url}/v1/webhooks/alchemy`,
      signingKey: standIn.secret.webhookSigningKey,
    });
  },
  examples({ url, upstreams }) {
    const collection = `${url}/v1/collections/${upstreams.get(alchemy).collections[0]!.address}`;
    return [
      `curl -i ${collection}           (warmed: a hit)`,
      `curl -i ${collection}/nfts/7    (a miss, then hits)`,
      `A transfer every ${transferEveryMs / 1_000} s changes owners: see …/nfts/{tokenId}/owner`,
    ];
  },
};
