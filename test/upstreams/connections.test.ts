import { afterAll, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { startSecrets } from '../../local/secrets.ts';
import { forgetEnv } from '../../shared/env.ts';
import type { Upstream } from '../../shared/kernel/upstream.ts';
import { connectUpstream } from '../../shared/upstream/client.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase({
  UPSTREAM_RADAR_URL: 'https://{account}.radar.example',
  UPSTREAM_RADAR_SECRET_ARN: 'radar',
  UPSTREAM_BEACON_URL: 'https://beacon.example',
});
const secrets = await startSecrets(new Map([['radar', { account: 'storm' }]]));
afterAll(() => secrets.stop());

const radar = {
  name: 'radar',
  baseUrl: 'https://{account}.radar.example',
  secret: z.object({ account: z.string() }),
  requestsPerSecond: 1,
} satisfies Upstream;

function useSecrets(url: string): void {
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = url;
  forgetEnv();
}

test('a container that could not connect to an upstream tries again on the next use', async () => {
  const connect = () => connectUpstream(radar, baseUrlOf);
  const baseUrlOf = ({ baseUrl }: { baseUrl: string }) => baseUrl;
  useSecrets('http://127.0.0.1:1');
  await expect(connect()).rejects.toMatchObject({ code: 'unavailable' });
  useSecrets(secrets.url);
  expect(await connect()).toBe('https://storm.radar.example');
  useSecrets(inject('services').secretsUrl);
});

test('an upstream without credentials has no secret, and none is asked for', async () => {
  const beacon = { ...radar, name: 'beacon', secret: z.object({}) } satisfies Upstream;
  useSecrets('http://127.0.0.1:1');
  const { baseUrl, credentials } = await connectUpstream(beacon, (connection) => connection);
  expect([baseUrl, await credentials()]).toEqual(['https://beacon.example', {}]);
  useSecrets(inject('services').secretsUrl);
});
