import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { upstreamsIn } from '../../local/function-plans.ts';
import type { Plan } from '../../local/plan.ts';
import { secretValues } from '../../local/secret-values.ts';
import type { Template } from '../../local/template.ts';
import { standIn as alchemy } from '../../local/upstreams/alchemy.ts';
import { standIn as neynar } from '../../local/upstreams/neynar.ts';
import { startUpstreams } from '../../local/upstreams/start.ts';

const directory = await mkdtemp(join(tmpdir(), 'upstreams-'));
afterAll(() => rm(directory, { recursive: true }));

test('finds the upstreams that the template’s functions call', () => {
  const functionWith = (Variables: Record<string, string>) => ({
    Type: 'AWS::Lambda::Function',
    Properties: { Environment: { Variables } },
  });
  const resources = {
    A: functionWith({ UPSTREAM_NEYNAR_URL: '', UPSTREAM_NEYNAR_SECRET_ARN: '', REDIS_URL: '' }),
    B: functionWith({ UPSTREAM_ALCHEMY_URL: '', UPSTREAM_NEYNAR_URL: '' }),
    C: { Type: 'AWS::Lambda::Function', Properties: {} },
  };
  const template: Template = { assets: new Map(), stacks: [{ name: 'Service', resources, outputs: {} }] };
  expect(upstreamsIn(template)).toEqual(['alchemy', 'neynar']);
});

test('starts stand-ins by name, with their addresses in the settings', async () => {
  const upstreams = await startUpstreams(['neynar'], directory);
  const { url, secret } = upstreams.get(neynar);
  expect(upstreams.settings).toEqual({ UPSTREAM_NEYNAR_URL: url });
  expect(upstreams.secrets).toEqual({ neynar: secret });
  expect(() => upstreams.get(alchemy)).toThrow('Running stand-ins: neynar.');
  await upstreams.stop();
});

test.each(['spotify', 'world'])('an upstream without a stand-in (%s) is an error of one line', async (name) => {
  await expect(startUpstreams([name], directory)).rejects.toThrow(
    `The upstream ${name} has no stand-in. Write local/upstreams/${name}.ts, which exports \`standIn: StandIn\`.`,
  );
});

test('a secret’s value depends on the setting that refers to it, not on its name', async () => {
  const environment = {
    UPSTREAM_NEY_SECRET_ARN: 'One',
    UPSTREAM_NEYNAR_SECRET_ARN: 'Ney',
    ADMIN_TOKEN_SECRET_ARN: 'T',
  };
  const plan = {
    functions: [{ environment }],
    secrets: new Map([
      ['One', { template: undefined }],
      ['Ney', { template: undefined }],
      ['T', { template: undefined }],
      ['NeynarRole', { template: '{"username":"reader"}' }],
      ['OwnerRole', { template: '{"username":"owner"}' }],
    ]),
  } as unknown as Plan;
  const file = join(directory, 'secrets.json');
  const upstreams = { ney: { apiKey: '1' }, neynar: { apiKey: '2' } };
  const first = await secretValues(plan, file, upstreams);
  expect(Object.fromEntries(first.values)).toEqual({
    One: { apiKey: '1' },
    Ney: { apiKey: '2' },
    T: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    NeynarRole: { username: 'reader', password: expect.stringMatching(/^[0-9a-f]{36}$/) },
    OwnerRole: { username: 'owner', password: 'owner' },
  });
  expect(await secretValues(plan, file, upstreams)).toEqual(first);
  expect(JSON.parse(await readFile(file, 'utf8')).adminToken).toBe(first.adminToken);
});
