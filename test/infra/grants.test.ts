/** Each function gets only the secrets, queues, and triggers of its declaration. */
import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import {
  type Domain,
  isWritingApi,
  jobsOf,
  lanesOf,
  tieredTablesOf,
  upstreamsOfApi,
  upstreamsOfEtl,
} from '../../shared/kernel/domain.ts';
import { needsCredentials } from '../../shared/kernel/upstream.ts';
import { allowed, functionsOf, load, roleOf, synth, triggersOf } from './synthesized.ts';

const all: readonly Domain[] = domains;
const declared = all.flatMap((domain) => Object.entries(domain.functions ?? {}));
const { template, plan } = await load(synth('prod').folder);
const environmentOf = (name: string) => plan.functions.find((one) => one.name === name)!.environment;
const domainWith = (suffix: 'api' | 'etl', name: string) => all.find((one) => `${one.name}-${suffix}` === name);

test.each(plan.functions.map(({ name }) => name))('%s gets the secrets of its roles and upstreams', (name) => {
  const environment = environmentOf(name);
  const [api, etl] = [domainWith('api', name), domainWith('etl', name)];
  const [, own] = declared.find(([key]) => key === name) ?? [];
  const writes = api && isWritingApi(api);
  const roles = own ? (own.roles ?? {}) : { reads: 'reader', writes: etl ? 'worker' : writes ? 'writer' : undefined };
  expect([
    roleOf(plan, environment.DATABASE_READ_SECRET_ARN),
    roleOf(plan, environment.DATABASE_WRITE_SECRET_ARN),
  ]).toEqual([roles.reads, roles.writes]);
  const upstreams = api ? upstreamsOfApi(api) : etl ? upstreamsOfEtl(etl) : [];
  const expected = [
    ...(roles.reads ? ['DATABASE_READ_SECRET_ARN'] : []),
    ...(roles.writes ? ['DATABASE_WRITE_SECRET_ARN'] : []),
    ...(!own || own.redis ? ['REDIS_SECRET_ARN'] : []),
    ...(own?.grants?.includes('adminToken') ? ['ADMIN_TOKEN_SECRET_ARN'] : []),
    ...upstreams.filter(needsCredentials).map((one) => `UPSTREAM_${one.name.toUpperCase()}_SECRET_ARN`),
  ];
  const settings = Object.keys(environment).filter((key) => key.endsWith('_SECRET_ARN'));
  expect(settings.sort()).toEqual(expected.sort());
  for (const { name: upstream, baseUrl } of upstreams)
    expect(environment[`UPSTREAM_${upstream.toUpperCase()}_URL`]).toBe(baseUrl);
});

test.each(plan.functions.map(({ name }) => name))('%s may use only what its settings name', (name) => {
  const environment = environmentOf(name);
  const [, own] = declared.find(([key]) => key === name) ?? [];
  const apiDomain = domainWith('api', name);
  const secrets = Object.keys(environment).filter((key) => key.endsWith('_SECRET_ARN'));
  const roleSecrets = Object.values<string>(JSON.parse(environment.DATABASE_ROLE_SECRETS ?? '{}'));
  const readable = new Set([...secrets.map((key) => environment[key]!), ...roleSecrets]);
  expect(allowed(template, name, 'secretsmanager:GetSecretValue')).toEqual([...readable].sort());
  const queueUrls = Object.keys(environment).filter((key) => /^(JOBS_QUEUE_URL_\w+|RELAY_QUEUE_URL)$/.test(key));
  const operated = Object.values<string>(JSON.parse(environment.QUEUES ?? '{}'));
  const sendable = new Set([...queueUrls.map((key) => environment[key]!), ...operated]);
  expect(allowed(template, name, 'sqs:SendMessage')).toEqual([...sendable].map((url) => nameIn(url)).sort());
  expect(allowed(template, name, 'events:PutEvents').length > 0).toBe('BUS_NAME' in environment);
  const consumed = plan.eventSources.filter(({ functionName }) => functionName === name);
  const dead = operated.map((url) => `${nameIn(url)}-dead`);
  expect(allowed(template, name, 'sqs:ReceiveMessage')).toEqual(
    [...consumed.map(({ queueName }) => queueName), ...dead].sort(),
  );
  const grants = [
    ...(own?.grants ?? []),
    ...(apiDomain && tieredTablesOf([apiDomain]).length > 0 ? ['readArchive'] : []),
  ];
  const mayWrite = grants.includes('writeArchive');
  const mayRead = mayWrite || grants.includes('readArchive');
  expect('ARCHIVE_BUCKET' in environment).toBe(mayRead);
  for (const [action, isAllowed] of [
    ['s3:GetObject', mayRead],
    ['s3:PutObject', mayWrite],
    ['s3:DeleteObject', mayWrite],
  ] as const)
    expect([action, allowed(template, name, action).filter((one) => one.includes('table='))]).toEqual([
      action,
      isAllowed ? ['table=*'] : [],
    ]);
  const inNetwork = functionsOf(template).find((one) => one.name === name)!.properties.VpcConfig !== undefined;
  expect(inNetwork).toBe('DATABASE_WRITER_HOST' in environment);
});

test('only functions that start jobs get their lanes', () => {
  const lanes = (name: string) =>
    Object.keys(environmentOf(name)).flatMap((key) => /^JOBS_QUEUE_URL_(\w+)$/.exec(key)?.[1] ?? []);
  const lanesIn = (domain: Domain) => lanesOf(domain).map((lane) => `${domain.name}_${lane}`.toUpperCase());
  for (const domain of all) {
    if (jobsOf(domain).length > 0) expect(lanes(`${domain.name}-etl`)).toEqual(lanesIn(domain));
    const writes = isWritingApi(domain);
    const startsAll = domain.api?.grants?.includes('startJobs');
    expect(lanes(`${domain.name}-api`)).toEqual(startsAll ? all.flatMap(lanesIn) : writes ? lanesIn(domain) : []);
  }
});

test.each(declared)('%s is invoked as declared', (name, { invoked }) => {
  const queued = plan.eventSources.filter(({ functionName }) => functionName === name);
  const queues = queued.map(({ queueName }) => queueName);
  const scheduled = plan.schedules.filter((one) => one.name === `tributary-prod-${name}`);
  const targets = plan.rules.flatMap((rule) => rule.targets.map(({ queue }) => [rule.pattern, queue]));
  const [first, again] = [`tributary-prod-${name}`, `tributary-prod-${name}-again`];
  switch (invoked.by) {
    case 'queue':
      expect(queues).toEqual([first]);
      expect(scheduled).toMatchObject(
        invoked.schedule ? [{ expression: invoked.schedule, target: { queue: first } }] : [],
      );
      break;
    case 'events': {
      const expected = invoked.againAfterSeconds === undefined ? [first] : [first, again];
      expect(queues.sort()).toEqual(expected);
      for (const queue of expected) expect(targets).toContainEqual([{ source: ['tributary'] }, queue]);
      const delay = plan.queues.find((queue) => queue.name === again)?.attributes.DelaySeconds;
      expect(delay).toBe(invoked.againAfterSeconds?.toString());
      break;
    }
    case 'schedule':
      expect(scheduled).toMatchObject([{ expression: invoked.schedule, target: { function: name } }]);
      break;
    case 'deployment':
      expect(triggersOf(template, name).length).toBe(1);
      break;
    case 'authorizer':
      expect(plan.routes.map(({ authorizer }) => authorizer)).toContain(name);
  }
  if (invoked.by === 'queue' || invoked.by === 'events')
    for (const { maxConcurrency, reportsFailures } of queued)
      expect([maxConcurrency, reportsFailures]).toEqual([invoked.maxConcurrency, true]);
});

function nameIn(url: string): string {
  return url.split('/').at(-1)!;
}
