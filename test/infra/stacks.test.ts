import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { sizesOf } from '../../bench/bundles.ts';
import { domains } from '../../functions/registry.ts';
import { isSubHourly } from '../../infra/constructs/scheduled-job.ts';
import { type Plan, planOf } from '../../local/plan.ts';
import { type Resource, readTemplate, resourcesOf, type Template } from '../../local/template.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const output = await mkdtemp(join(tmpdir(), 'tributary-synth-'));
afterAll(() => rm(output, { recursive: true }));

function synth(stage: string) {
  const folder = join(output, stage);
  const { status, stderr, stdout } = spawnSync('cdk', ['synth', '--quiet', '-c', `stage=${stage}`, '-o', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  return { folder, status, output: stdout + stderr };
}

const stages = { dev: synth('dev'), prod: synth('prod') };
const overrides = {
  ...Object.fromEntries(
    ['DATABASE_WRITER_HOST', 'DATABASE_READER_HOST', 'DATABASE_ANALYTICS_HOST', 'DATABASE_CLUSTER_ID', 'REDIS_URL'].map(
      (name) => [name, 'local'],
    ),
  ),
};
const load = async (stage: keyof typeof stages) => {
  const template = await readTemplate(stages[stage].folder);
  const text = JSON.stringify(template.stacks);
  return { template, text, plan: planOf(template, { queuesUrl: 'http://queues', overrides }) };
};
const schedules = domains.flatMap(({ name, jobs }) =>
  jobs.filter(({ schedule }) => schedule).map((job) => ({ domain: name, ...job })),
);

test('an unknown stage is refused in one line', () => {
  const { status, output: said } = synth('staging');
  expect([status, said]).toEqual([1, expect.stringContaining('There is no stage staging; there are dev, prod.')]);
});

describe.each(['dev', 'prod'] as const)('%s', (stage) => {
  test('is synthesized without a finding of the AwsSolutions pack, and without a circle', () => {
    expect([stages[stage].status, stages[stage].output]).toEqual([
      0,
      expect.not.stringMatching(/AwsSolutions-\w+\d|Circular/),
    ]);
  });

  test('has a route for each operation, with the operator’s behind the authorizer', async () => {
    const { plan } = await load(stage);
    const declared = domains.flatMap((domain) =>
      domain.operations.map(({ method, path, access }) => ({
        key: `${method} ${path}`,
        functionName: `${domain.name}-api`,
        ...(access === 'admin' ? { authorizer: 'authorize' } : {}),
      })),
    );
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    expect([...plan.routes].sort(byKey)).toEqual(declared.sort(byKey));
  });

  test('has a dead-letter queue after five receives and alarms for each queue', async () => {
    const { template, plan } = await load(stage);
    const dead = plan.queues.filter(({ name }) => name.endsWith('-dead'));
    const living = plan.queues.filter(({ name }) => !name.endsWith('-dead'));
    expect(living.length).toBe(dead.length);
    for (const { name, attributes } of living) {
      expect(JSON.parse(attributes.RedrivePolicy!)).toEqual({
        deadLetterTargetArn: expect.stringMatching(`:${name}-dead$`),
        maxReceiveCount: 5,
      });
    }
    expect(
      resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(({ logicalId }) => logicalId.startsWith('Queue')).length,
    ).toBe(living.length * 2);
    for (const { queueName } of plan.eventSources) expect(living.map(({ name }) => name)).toContain(queueName);
  });

  test('runs every function on arm64 and Node 24, after the migration', async () => {
    const { template, plan } = await load(stage);
    const ours = functionsOf(template, plan);
    expect(ours.length).toBe(plan.functions.length);
    for (const { properties } of ours)
      expect([properties.Runtime, properties.Architectures, properties.TracingConfig]).toEqual([
        'nodejs24.x',
        ['arm64'],
        { Mode: 'Active' },
      ]);
    const [migration] = triggersOf(template, 'migrate');
    for (const { logicalId, properties } of ours) {
      const { DependsOn = [] } = serviceOf(template)[logicalId] as Resource & { DependsOn?: string[] };
      if (!isNamed(properties, 'migrate') && !isNamed(properties, 'verify-replicas'))
        expect([logicalId, DependsOn]).toEqual([logicalId, expect.arrayContaining([migration!.logicalId])]);
    }
  });

  test('runs the replica canary when every other function is deployed', async () => {
    const { template, plan } = await load(stage);
    const [canary, ...more] = triggersOf(template, 'verify-replicas');
    expect([more, canary!.properties.InvocationType]).toEqual([[], 'RequestResponse']);
    for (const { logicalId } of functionsOf(template, plan))
      expect(canary!.dependsOn, `the trigger waits for ${logicalId}`).toContain(logicalId);
    const { environment, timeoutMs } = plan.functions.find(({ name }) => name === 'verify-replicas')!;
    expect([environment.DEPLOYMENT, timeoutMs]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/), 300_000]);
    // the role's that writes, and no upstream's
    expect(Object.keys(environment).filter((name) => name.includes('SECRET'))).toEqual(['DATABASE_SECRET_ARN']);
    expect(environment.DATABASE_SECRET_ARN).toMatch(/writerSecret/i);
  });

  test('grants no function everything', async () => {
    const { template } = await load(stage);
    for (const { logicalId, properties } of resourcesOf(template, 'AWS::IAM::Policy')) {
      for (const { Action, Resource: on } of (
        properties.PolicyDocument as { Statement: { Action: string | string[]; Resource: unknown }[] }
      ).Statement) {
        expect([logicalId, [Action].flat().filter((action) => action === '*' || /^\w+:\*$/.test(action))]).toEqual([
          logicalId,
          [],
        ]);
        if (on === '*')
          expect([
            logicalId,
            [Action].flat().every((action) => /^(xray|ec2):/.test(action) || action === 'lambda:ListFunctions'),
          ]).toEqual([logicalId, true]);
      }
    }
  });

  test('holds no secret', async () => {
    const { text } = await load(stage);
    expect(text).not.toMatch(/"SecretString":/);
    expect(text).not.toMatch(/"(MasterUserPassword|AuthToken)":"(?!\{\{resolve)/);
  });

  test('tells a domain’s jobs of files dropped below its name', async () => {
    const { plan } = await load(stage);
    const withEtl = domains.filter(({ jobs, imports }) => jobs.length + imports.length > 0);
    expect(plan.notifications.map(({ prefix, queue }) => [prefix, queue])).toEqual(
      withEtl.map(({ name }) => [`${name}/`, `tributary-${stage}-${name}-jobs`]),
    );
  });
});

test('only the functions that ask an upstream are given its key', async () => {
  const { template, plan } = await load('prod');
  for (const { name: room, upstreams } of domains) {
    for (const { name, askedBy } of upstreams) {
      const setting = `${name.toUpperCase()}_SECRET_ARN`;
      const given = plan.functions.filter(({ environment }) => setting in environment).map((one) => one.name);
      expect([name, given.sort()]).toEqual([name, askedBy.map((member) => `${room}-${member}`).sort()]);
      const granted = resourcesOf(template, 'AWS::IAM::Policy').filter(({ properties }) =>
        JSON.stringify(properties.PolicyDocument).includes(`"Ref":"${name}Secret`),
      );
      expect([name, granted.length]).toEqual([name, askedBy.length]);
    }
  }
});

test('every event reaches the cache twice: at once, and two minutes later', async () => {
  const { plan } = await load('prod');
  const queues = ['tributary-prod-invalidate-cache', 'tributary-prod-invalidate-cache-again'];
  const ofEverything = plan.rules.filter(({ pattern }) => JSON.stringify(pattern) === '{"source":["tributary"]}');
  expect(ofEverything.flatMap(({ targets }) => targets.map(({ queue }) => queue)).sort()).toEqual(queues);
  const sources = plan.eventSources.filter(({ functionName }) => functionName === 'invalidate-cache');
  const reported = sources.map(({ queueName, reportsFailures }) => [queueName, reportsFailures] as const);
  expect(new Map(reported)).toEqual(new Map(queues.map((queue) => [queue, true])));
  const delays = queues.map((queue) => plan.queues.find(({ name }) => name === queue)?.attributes.DelaySeconds);
  expect(delays).toEqual([undefined, '120']);
});

test('what uses the database is given its cluster’s own identity, and what replicas are believed for', async () => {
  const { template, plan } = await load('prod');
  const variables = functionsOf(template, plan).flatMap(({ properties }) => {
    const { Variables } = properties.Environment as { Variables: Record<string, unknown> };
    return 'DATABASE_WRITER_HOST' in Variables ? [Variables] : [];
  });
  expect(variables.length).toBeGreaterThan(5);
  for (const { SERVICE, DATABASE_CLUSTER_ID, REPLICA_PROOFS } of variables)
    expect([SERVICE, JSON.stringify(DATABASE_CLUSTER_ID), REPLICA_PROOFS]).toEqual([
      SERVICE,
      expect.stringContaining('DBClusterResourceId'),
      'status',
    ]);
});

test('a job that events start has a rule that puts its message on its room’s queue', async () => {
  const { plan } = await load('prod');
  const started = domains.flatMap(({ name, jobs }) => jobs.filter(({ on }) => on).map((job) => ({ room: name, job })));
  expect(started.length).toBeGreaterThan(1);
  for (const { room, job } of started) {
    const message = JSON.stringify({ job: `${room}.${job.name}`, requestedBy: 'event' });
    const rule = plan.rules.find(({ targets }) => targets.some(({ input }) => input === message));
    expect(rule).toMatchObject({
      pattern: { source: ['tributary'], 'detail-type': job.on },
      targets: [{ queue: `tributary-prod-${room}-jobs` }],
    });
  }
});

test('prod schedules every job, and the relay every minute', async () => {
  const { plan } = await load('prod');
  const found = Object.fromEntries(plan.schedules.map(({ name, expression }) => [name, expression]));
  expect(found).toEqual({
    'tributary-prod-relay-outbox': 'rate(1 minute)',
    'tributary-prod-create-partitions': 'cron(30 2 * * ? *)',
    ...Object.fromEntries(
      schedules.map(({ domain, name, schedule }) => [`tributary-prod-${domain}-${name}`, schedule]),
    ),
  });
});

test('dev can pause: nothing runs more often than hourly, and there is no proxy', async () => {
  const { template, plan, text } = await load('dev');
  expect(plan.schedules.filter(({ expression }) => isSubHourly(expression))).toEqual([]);
  expect(resourcesOf(template, 'AWS::RDS::DBProxy')).toEqual([]);
  expect(text).toContain('"MinCapacity":0');
});

test('prod has a writer, a reader, and a reader apart for analytics behind its own endpoint', async () => {
  const { template } = await load('prod');
  expect(resourcesOf(template, 'AWS::RDS::DBInstance').length).toBe(3);
  const [endpoint] = resourcesOf(template, 'AWS::RDS::DBClusterEndpoint');
  const [member] = endpoint!.properties.StaticMembers as { Ref: string }[];
  const analytics = resourcesOf(template, 'AWS::RDS::DBInstance').find(({ logicalId }) => logicalId === member!.Ref);
  expect(analytics?.properties.PromotionTier).toBe(15);
  expect(resourcesOf(template, 'AWS::RDS::DBProxyEndpoint').map(({ properties }) => properties.TargetRole)).toEqual([
    'READ_ONLY',
  ]);
  const [cluster] = resourcesOf(template, 'AWS::RDS::DBCluster');
  expect(cluster!.properties).toMatchObject({
    EngineVersion: '18.4',
    DeletionProtection: true,
    BackupRetentionPeriod: 35,
    StorageEncrypted: true,
  });
});

test('what an API function loads at its start weighs a megabyte at most', async () => {
  for (const { name } of domains) {
    const { atStart } = await sizesOf(join(root, '.build', 'functions', `${name}-api`));
    expect([name, atStart > 100_000 && atStart <= 1_000_000]).toEqual([name, true]);
  }
});

function functionsOf(template: Template, { functions }: Plan) {
  return resourcesOf(template, 'AWS::Lambda::Function').filter(({ properties }) =>
    functions.some(({ name }) => isNamed(properties, name)),
  );
}

/** The triggers that run a function during a deployment, with the resources each waits for. */
function triggersOf(template: Template, name: string) {
  const resources = Object.entries(serviceOf(template)) as [string, Resource & { DependsOn?: string[] }][];
  const handlers = resources.filter(([, { Properties = {} }]) => isNamed(Properties, name)).map(([id]) => id);
  const versions = resources.filter(
    ([, { Type, Properties = {} }]) =>
      Type === 'AWS::Lambda::Version' && handlers.includes((Properties.FunctionName as { Ref: string }).Ref),
  );
  return resources
    .filter(([, { Type, Properties = {} }]) => {
      const { Ref } = (Properties.HandlerArn ?? {}) as { Ref?: string };
      return Type === 'Custom::Trigger' && versions.some(([id]) => id === Ref);
    })
    .map(([logicalId, { Properties = {}, DependsOn = [] }]) => ({
      logicalId,
      properties: Properties,
      dependsOn: DependsOn,
    }));
}

function isNamed(properties: Record<string, unknown>, name: string): boolean {
  return (properties.Environment as { Variables?: { SERVICE?: string } } | undefined)?.Variables?.SERVICE === name;
}

function serviceOf({
  stacks,
}: {
  stacks: { name: string; resources: Record<string, Resource> }[];
}): Record<string, Resource> {
  return stacks.find(({ name }) => name.endsWith('Service'))!.resources;
}
