import { randomBytes } from 'node:crypto';
import { type AlchemyStandIn, startAlchemy } from './alchemy.ts';
import { startNeynar } from './neynar.ts';
import { type SnowflakeStandIn, startSnowflake } from './snowflake.ts';

export interface Upstreams {
  alchemy: AlchemyStandIn;
  snowflake: SnowflakeStandIn;
  /** What Alchemy signs its webhooks with. */
  signingKey: string;
  /** Their addresses, by the settings' names. */
  settings: Record<string, string>;
  /** What their secrets hold, by the upstream's name. */
  secrets: Record<string, Record<string, string>>;
  collections: { address: string; name: string; totalSupply: number }[];
  /** Makes a transfer now and then, and tells the webhook; gives what ends it. */
  startTrickle(options: { everyMs: number; webhookUrl: string }): () => void;
  stop(): Promise<void>;
}

/** Starts the stand-ins of all third parties; what has happened in their world is kept in a file. */
export async function startUpstreams(statePath: string): Promise<Upstreams> {
  const [alchemyKey, neynarKey, signingKey] = Array.from({ length: 3 }, () => randomBytes(12).toString('hex')) as [
    string,
    string,
    string,
  ];
  const alchemy = await startAlchemy({ statePath, apiKey: alchemyKey });
  const neynar = await startNeynar({ world: alchemy.world, apiKey: neynarKey });
  const snowflake = await startSnowflake();
  return {
    alchemy,
    snowflake,
    signingKey,
    settings: { ALCHEMY_BASE_URL: alchemy.url, NEYNAR_BASE_URL: neynar.url, SNOWFLAKE_BASE_URL: snowflake.url },
    secrets: {
      alchemy: { apiKey: alchemyKey, webhookSigningKey: signingKey },
      neynar: { apiKey: neynarKey },
      snowflake: snowflake.secret,
    },
    collections: alchemy.collections,
    startTrickle: (options) => alchemy.startTrickle({ ...options, signingKey }),
    stop: async () => void (await Promise.all([alchemy.stop(), neynar.stop(), snowflake.stop()])),
  };
}
