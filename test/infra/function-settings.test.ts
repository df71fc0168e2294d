import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { planFunctions } from '../../infra/functions.ts';
import { settingsOf } from '../../infra/settings.ts';
import { DataStack } from '../../infra/stacks/data.ts';
import { ServiceStack } from '../../infra/stacks/service.ts';

const folder = mkdtempSync(join(tmpdir(), 'tributary-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));
const plans = planFunctions(domains);

/** The resources of the service stack of `prod`, with an empty bundle for each function, except for the given code. */
function resourcesWith(code: Record<string, string> = {}) {
  const bundles = new Map(
    plans.map(({ name }) => {
      const bundle = join(folder, `${Object.keys(code).join('-')}-${name}`);
      mkdirSync(bundle);
      writeFileSync(join(bundle, 'index.mjs'), code[name] ?? '');
      return [name, bundle];
    }),
  );
  const app = new App({ outdir: mkdtempSync(join(folder, 'out-')) });
  const settings = settingsOf('prod');
  const data = new DataStack(app, 'Data', { settings });
  const service = new ServiceStack(app, 'Service', { settings, data, plans, bundles });
  return Object.entries(Template.fromStack(service).toJSON().Resources as Record<string, Resource>);
}

interface Resource {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the properties of CloudFormation's resources
  Properties: any;
}

const resources = resourcesWith();
const ofType = (type: string, all = resources) => all.filter(([, { Type }]) => Type === type);
const variablesOf = (name: string, all = resources) =>
  ofType('AWS::Lambda::Function', all)
    .map(([, { Properties }]) => Properties.Environment?.Variables ?? {})
    .find(({ SERVICE }) => SERVICE === name)!;
const connected = plans.filter(({ roles }) => roles.reads ?? roles.writes);

test.each(connected)('$name connects as its plan says', ({ name, poolSize, roles }) => {
  const variables = variablesOf(name);
  expect(variables.DATABASE_POOL_SIZE).toBe(String(poolSize));
  expect(variables.NODE_EXTRA_CA_CERTS).toBe('/var/runtime/ca-cert.pem');
  expect(variables.DATABASE_ANALYTICS_HOST).not.toEqual(variables.DATABASE_READER_HOST);
  // what it commits is published at once
  const writes = roles.writes === 'writer' || roles.writes === 'worker';
  expect('RELAY_QUEUE_URL' in variables).toBe(writes);
});

test('a function that declares a number of connections gets them', () => {
  const declared = domains.flatMap(({ functions = {} }) =>
    Object.entries(functions).flatMap(([name, one]) => ('poolSize' in one ? [[name, String(one.poolSize)]] : [])),
  );
  expect(declared.length).toBeGreaterThan(0);
  expect(declared.map(([name]) => [name, variablesOf(name!).DATABASE_POOL_SIZE])).toEqual(declared);
});

test('a domain that declares a heap size gets it', () => {
  const declared = domains.flatMap(({ name, etl }) => (etl && 'heapMb' in etl ? [{ name, heapMb: etl.heapMb }] : []));
  expect(declared.length).toBeGreaterThan(0);
  for (const { name, heapMb } of declared)
    expect(variablesOf(`${name}-etl`).NODE_OPTIONS).toContain(`--max-old-space-size=${heapMb} `);
});

test('no message is received again while it is being handled, and dead letters outlive the others', () => {
  const queues = new Map(ofType('AWS::SQS::Queue').map(([, { Properties }]) => [Properties.QueueName, Properties]));
  const all = plans.flatMap((plan) => plan.queues.map(({ name }) => ({ name, timeoutSeconds: plan.timeoutSeconds })));
  expect(all.length).toBeGreaterThan(5);
  for (const { name, timeoutSeconds } of all) {
    const [live, dead] = [queues.get(`tributary-prod-${name}`), queues.get(`tributary-prod-${name}-dead`)];
    expect([name, live.VisibilityTimeout]).toEqual([name, timeoutSeconds * 2]);
    expect([name, dead.MessageRetentionPeriod > live.MessageRetentionPeriod]).toEqual([name, true]);
  }
});

test('the alarm on old messages allows for the delay of their queue', () => {
  const delayed = ofType('AWS::SQS::Queue').filter(([, { Properties }]) => Properties.DelaySeconds);
  expect(delayed.length).toBeGreaterThan(0);
  for (const [id, { Properties }] of delayed) {
    const alarms = ofType('AWS::CloudWatch::Alarm').filter(
      ([, alarm]) =>
        alarm.Properties.MetricName === 'ApproximateAgeOfOldestMessage' &&
        JSON.stringify(alarm.Properties.Dimensions).includes(id),
    );
    expect(alarms.map(([, alarm]) => alarm.Properties.Threshold)).toEqual([900 + Properties.DelaySeconds]);
  }
});

test('every alarm notifies the topic of the operators', () => {
  const topics = ofType('AWS::SNS::Topic').map(([id]) => ({ Ref: id }));
  expect(topics.length).toBe(1);
  const alarms = ofType('AWS::CloudWatch::Alarm');
  expect(alarms.length).toBeGreaterThan(20);
  for (const [id, { Properties }] of alarms) expect([id, Properties.AlarmActions]).toEqual([id, topics]);
});

test('the secrets that an operator supplies are encrypted with the key of the stage', () => {
  const secrets = ofType('AWS::SecretsManager::Secret');
  expect(secrets.length).toBeGreaterThan(3);
  const key = JSON.stringify(secrets[0]![1].Properties.KmsKeyId);
  expect(key).toContain('Key');
  for (const [id, { Properties }] of secrets) expect([id, JSON.stringify(Properties.KmsKeyId)]).toEqual([id, key]);
});

test('the code of any function, once changed, runs the replica canary again', () => {
  const deployment = (all: typeof resources) => variablesOf('verify-replicas', all).DEPLOYMENT;
  const changed = resourcesWith({ 'collections-api': 'export const changed = true;' });
  expect(deployment(changed)).toMatch(/^[0-9a-f]{16}$/);
  expect(deployment(changed)).not.toBe(deployment(resources));
});
