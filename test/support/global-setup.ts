/** Starts the servers that all suites share: Postgres with a replica and a migrated template, Redis, SQS, S3, and secrets. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { domains } from '../../functions/registry.ts';
import { databaseOwner, startPostgres } from '../../local/postgres.ts';
import { startQueues } from '../../local/queues.ts';
import { startRedis } from '../../local/redis.ts';
import { startSecrets } from '../../local/secrets.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { closePools } from '../../shared/db/pools.ts';
import { forgetEnv } from '../../shared/env.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { migrate } from './migrate.ts';
import { tempFolder } from './temp-folder.ts';
import { testCredentials, upstreamsOf } from './upstreams.ts';

export interface Services {
  writer: string;
  reader: string;
  redisUrl: string;
  queuesUrl: string;
  secretsUrl: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    services: Services;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await tempFolder('tributary-test');
  const quiet = () => {};
  const [postgres, redis, queues] = await Promise.all([
    startPostgres({ directory: join(directory, 'postgres'), log: quiet }),
    startRedis(console.log),
    startQueues({ onObjectCreated: async () => {} }),
  ]);
  const secrets = await startSecrets(
    new Map<string, Record<string, unknown>>([
      ['owner', { username: databaseOwner.user, password: databaseOwner.password }],
      ...domains.flatMap(upstreamsOf).map((upstream) => [upstream.name, testCredentials(upstream)] as const),
      ['admin', { sha256: '0'.repeat(64) }],
    ]),
  );
  const client = await postgres.connect();
  await client.query('create database template_migrated');
  const template = await postgres.connect('template_migrated');
  await migrate(template);
  await template.end();
  await createTemplatePartitions(postgres.writer, secrets.url);
  await client.end();
  project.provide('services', {
    writer: postgres.writer,
    reader: postgres.reader,
    redisUrl: redis.url,
    queuesUrl: queues.url,
    secretsUrl: secrets.url,
  });
  return async () => {
    await Promise.all([postgres.stop(), redis.stop(), queues.stop(), secrets.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
}

/** The partitions of the template, as a deployment creates them. */
async function createTemplatePartitions(writer: string, secretsUrl: string): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsUrl,
    LOG_LEVEL: 'SILENT',
    SERVICE: 'template',
    DATABASE_WRITER_HOST: writer,
    DATABASE_NAME: 'template_migrated',
    DATABASE_WRITE_SECRET_ARN: 'owner',
    DATABASE_TLS: 'off',
  });
  await createPartitions(partitionedTablesOf(domains), new Date());
  await closePools();
  process.env = before;
  forgetEnv();
}
