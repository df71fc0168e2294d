/** The room's client of the warehouse, made once a container, under the budget that all containers share. */
import { env } from '../../shared/env.ts';
import { expandTemplate } from '../../shared/kernel/declaration.ts';
import { getRedis } from '../../shared/resources.ts';
import { secret } from '../../shared/secrets.ts';
import { createBudget } from '../../shared/upstream/budget.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { wallets } from './domain.ts';
import { createSnowflake, reasonOfSnowflake, type Snowflake, snowflakeCredentials } from './sources/snowflake.ts';

const longestWaitMs = 60_000;
/** A statement is answered at once or after 45 seconds with a handle. */
const timeoutMs = 90_000;
/** A partition, unpacked. */
const bytesAtMost = 128 * 1024 * 1024;

let snowflake: Promise<Snowflake> | undefined;

export function getSnowflake(): Promise<Snowflake> {
  snowflake ??= open().catch((error: unknown) => {
    snowflake = undefined;
    throw error;
  });
  return snowflake;
}

async function open(): Promise<Snowflake> {
  const { name, requestsPerSecond } = wallets.upstreams[0]!;
  const { redis } = await getRedis();
  const budget = createBudget({ redis, name, points: requestsPerSecond, perSeconds: 1 });
  const credentials = () => secret(env('SNOWFLAKE_SECRET_ARN'), snowflakeCredentials);
  const { account } = await credentials();
  return createSnowflake({
    baseUrl: expandTemplate(env('SNOWFLAKE_BASE_URL'), { account: account.toLowerCase() }),
    credentials,
    request: createRequest({
      name,
      budget: () => budget.wait('all', longestWaitMs),
      timeoutMs,
      attempts: 5,
      bytesAtMost,
      reasonIn: reasonOfSnowflake,
    }),
  });
}
