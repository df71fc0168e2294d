import { describe, expect, test } from 'vitest';
import { sizesOf } from '../../bench/bundles.ts';
import { domains } from '../../functions/registry.ts';
import { isHourly } from '../../infra/constructs/scheduled-job.ts';
import { resourcesOf } from '../../local/template.ts';
import { type Domain, lanesOf } from '../../shared/kernel/domain.ts';
import { jobNameOf, schedulesOf } from '../../shared/kernel/job.ts';
import type { Operation } from '../../shared/kernel/operation.ts';
import { allowed, functionsOf, load, roleOf, synth, triggersOf } from './synthesized.ts';

const stages = { dev: synth('dev'), prod: synth('prod') };
const all: readonly Domain[] = domains;
const jobs = all.flatMap((domain) => Object.values(domain.jobs));
const declared = all.flatMap((domain) => Object.entries(domain.functions ?? {}));

test('an unknown stage is rejected in one line', () => {
  const { status, output } = synth('staging');
  expect([status, output]).toEqual([1, expect.stringContaining('There is no stage staging. Stages: dev, prod.')]);
});

describe.each(['dev', 'prod'] as const)('%s', (stage) => {
  test('is synthesized without AwsSolutions findings or circular dependencies', () => {
    expect([stages[stage].status, stages[stage].output]).toEqual([
      0,
      expect.not.stringMatching(/AwsSolutions-\w+\d|Circular/),
    ]);
  });

  test('has a route for each operation, with those of admin access behind the authorizer', async () => {
    const { plan } = await load(stages[stage].folder);
    const expected = all.flatMap((domain) =>
      Object.values<Operation>(domain.operations).map(({ method, path, access }) => ({
        key: `${method} ${path}`,
        functionName: `${domain.name}-api`,
        ...(access === 'admin' ? { authorizer: 'authorize' } : {}),
      })),
    );
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    expect([...plan.routes].sort(byKey)).toEqual(expected.sort(byKey));
  });

  test('has for each queue a dead-letter queue after five receives, and two alarms', async () => {
    const { template, plan } = await load(stages[stage].folder);
    const dead = plan.queues.filter(({ name }) => name.endsWith('-dead'));
    const live = plan.queues.filter(({ name }) => !name.endsWith('-dead'));
    expect(live.length).toBe(dead.length);
    for (const { name, attributes } of live) {
      expect(JSON.parse(attributes.RedrivePolicy!)).toEqual({
        deadLetterTargetArn: expect.stringMatching(`:${name}-dead$`),
        maxReceiveCount: 5,
      });
    }
    const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(
      ({ properties }) => properties.Namespace === 'AWS/SQS',
    );
    expect(alarms.length).toBe(live.length * 2);
    for (const { queueName } of plan.eventSources) expect(live.map(({ name }) => name)).toContain(queueName);
  });

  test('has an alarm for the failed jobs of each domain, on the metric that the jobs record', async () => {
    const { template } = await load(stages[stage].folder);
    const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ properties }) => properties);
    for (const { name } of domains) {
      const [alarm] = alarms.filter(
        ({ MetricName, Dimensions }) =>
          MetricName === 'JobsFailed' && JSON.stringify(Dimensions).includes(`"${name}-etl"`),
      );
      expect(alarm).toMatchObject({
        Namespace: 'Tributary',
        Dimensions: [{ Name: 'service', Value: `${name}-etl` }],
        Statistic: 'Sum',
        Threshold: 0,
        AlarmActions: [expect.anything()],
      });
    }
  });

  test.each(['PartitionGaps', 'DefaultPartitionRows'])(
    'has an alarm for %s, on what its function records',
    async (name) => {
      const { template } = await load(stages[stage].folder);
      const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ properties }) => properties);
      expect(alarms.filter(({ MetricName }) => MetricName === name)).toEqual([
        expect.objectContaining({
          Dimensions: [{ Name: 'service', Value: 'create-partitions' }],
          Statistic: 'Sum',
          Threshold: 0,
          AlarmActions: [expect.anything()],
        }),
      ]);
      expect(functionsOf(template).map((one) => one.name)).toContain('create-partitions');
    },
  );

  test('runs all functions on arm64 and Node 24, and updates them after the migration', async () => {
    const { template } = await load(stages[stage].folder);
    const [migration] = triggersOf(template, 'migrate');
    for (const { name, properties, dependsOn } of functionsOf(template)) {
      expect([name, properties.Runtime, properties.Architectures, properties.TracingConfig]).toEqual([
        name,
        'nodejs24.x',
        ['arm64'],
        { Mode: 'Active' },
      ]);
      if (name !== 'migrate' && name !== 'verify-replicas')
        expect([name, dependsOn]).toEqual([name, expect.arrayContaining([migration!.logicalId])]);
    }
  });

  test('runs the replica canary after all functions are deployed', async () => {
    const { template, plan } = await load(stages[stage].folder);
    const [canary, ...more] = triggersOf(template, 'verify-replicas');
    expect([more, canary!.properties.InvocationType]).toEqual([[], 'RequestResponse']);
    for (const { logicalId } of functionsOf(template))
      expect(canary!.dependsOn, `the trigger waits for ${logicalId}`).toContain(logicalId);
    const { environment, timeoutMs } = plan.functions.find(({ name }) => name === 'verify-replicas')!;
    expect([environment.DEPLOYMENT, timeoutMs]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/), 300_000]);
  });

  test('grants no function all actions or, except for tracing and networking, all resources', async () => {
    const { template } = await load(stages[stage].folder);
    for (const { logicalId, properties } of resourcesOf(template, 'AWS::IAM::Policy')) {
      for (const { Action, Resource: on } of (
        properties.PolicyDocument as { Statement: { Action: string | string[]; Resource: unknown }[] }
      ).Statement) {
        const actions = [Action].flat();
        expect([logicalId, actions.filter((action) => action === '*' || /^\w+:\*$/.test(action))]).toEqual([
          logicalId,
          [],
        ]);
        if (on === '*')
          expect([
            logicalId,
            actions.every((action) => /^(xray|ec2):/.test(action) || action === 'lambda:ListFunctions'),
          ]).toEqual([logicalId, true]);
      }
    }
  });

  test('contains no secret', async () => {
    const { text } = await load(stages[stage].folder);
    expect(text).not.toMatch(/"SecretString":/);
    expect(text).not.toMatch(/"(MasterUserPassword|AuthToken)":"(?!\{\{resolve)/);
  });

  test('no function may send webhooks into a network', async () => {
    const { text } = await load(stages[stage].folder);
    expect(text).not.toContain('WEBHOOK_ALLOWED_ADDRESSES');
  });

  test('each lane of a domain has its own queue, which invokes the etl', async () => {
    const { plan } = await load(stages[stage].folder);
    for (const domain of all) {
      const sources = plan.eventSources.filter(({ functionName }) => functionName === `${domain.name}-etl`);
      const found = sources.map(({ queueName, batchSize, maxConcurrency, reportsFailures }) => [
        queueName,
        batchSize,
        maxConcurrency,
        reportsFailures,
      ]);
      expect(found).toEqual(lanesOf(domain).map((lane) => [`tributary-${stage}-${domain.name}-${lane}`, 1, 5, true]));
    }
  });

  test('files uploaded below the name of a domain with datasets go to its bulk lane', async () => {
    const { template, plan } = await load(stages[stage].folder);
    const importing = all.filter(({ datasets }) => Object.keys(datasets).length > 0).map(({ name }) => name);
    expect(plan.notifications.map(({ prefix, queue }) => [prefix, queue])).toEqual(
      importing.map((name) => [`${name}/`, `tributary-${stage}-${name}-bulk`]),
    );
    const readers = plan.functions.filter(({ name }) => allowed(template, name, 's3:GetObject*').length > 0);
    expect(readers.map(({ name }) => name)).toEqual(importing.map((name) => `${name}-etl`));
  });
});

describe('prod', async () => {
  const { template, plan, text } = await load(stages.prod.folder);

  test('a job that events start has a rule that sends its message to its lane', () => {
    const started = jobs.filter(({ on }) => on);
    expect(started.length).toBeGreaterThan(1);
    for (const job of started) {
      const message = JSON.stringify({ job: jobNameOf(job), requestedBy: 'event' });
      const rule = plan.rules.find(({ targets }) => targets.some(({ input }) => input === message));
      expect(rule).toMatchObject({
        pattern: { source: ['tributary'], 'detail-type': job.on!.map(({ type }) => type) },
        targets: [{ queue: `tributary-prod-${job.domain}-${job.lane}` }],
      });
    }
  });

  test('each scheduled job has a schedule that sends its message to its lane', () => {
    for (const job of jobs) {
      for (const { expression, params = {} } of schedulesOf(job))
        expect(plan.schedules).toContainEqual({
          name: ['tributary-prod', job.domain, job.name, ...Object.values(params)].join('-'),
          expression,
          input: JSON.stringify({ job: jobNameOf(job), requestedBy: 'schedule', params }),
          target: { queue: `tributary-prod-${job.domain}-${job.lane}` },
        });
    }
    const scheduled = declared.filter(([, { invoked }]) => 'schedule' in invoked);
    expect(plan.schedules.length).toBe(jobs.flatMap(schedulesOf).length + scheduled.length);
    expect(new Set(plan.schedules.map(({ name }) => name)).size).toBe(plan.schedules.length);
  });

  test('functions with database access get the cluster’s id and the accepted replica proofs', () => {
    const connected = functionsOf(template).filter(({ variables }) => 'DATABASE_WRITER_HOST' in variables);
    expect(connected.length).toBeGreaterThan(5);
    for (const { name, variables } of connected)
      expect([name, JSON.stringify(variables.DATABASE_CLUSTER_ID), variables.REPLICA_PROOFS]).toEqual([
        name,
        expect.stringContaining('DBClusterResourceId'),
        'status',
      ]);
  });

  test('has a writer, a reader, and a separate reader for analytics with its own endpoint', () => {
    expect(resourcesOf(template, 'AWS::RDS::DBInstance').length).toBe(3);
    const [endpoint] = resourcesOf(template, 'AWS::RDS::DBClusterEndpoint');
    const [member] = endpoint!.properties.StaticMembers as { Ref: string }[];
    const analytics = resourcesOf(template, 'AWS::RDS::DBInstance').find(({ logicalId }) => logicalId === member!.Ref);
    expect(analytics?.properties.PromotionTier).toBe(15);
    expect(resourcesOf(template, 'AWS::RDS::DBProxyEndpoint').map(({ properties }) => properties.TargetRole)).toEqual([
      'READ_ONLY',
    ]);
    const [proxy] = resourcesOf(template, 'AWS::RDS::DBProxy');
    expect(JSON.stringify(proxy!.properties.Auth).match(/(writer|worker|reader|owner|console)Secret/g)).toEqual([
      'readerSecret',
      'writerSecret',
    ]);
    const [cluster] = resourcesOf(template, 'AWS::RDS::DBCluster');
    expect(cluster!.properties).toMatchObject({
      EngineVersion: '18.4',
      DeletionProtection: true,
      BackupRetentionPeriod: 35,
      StorageEncrypted: true,
    });
  });

  test('the migration creates every role but the owner', () => {
    const { environment } = plan.functions.find(({ name }) => name === 'migrate')!;
    const secrets = JSON.parse(environment.DATABASE_ROLE_SECRETS!) as Record<string, string>;
    expect(Object.keys(secrets)).toEqual(['writer', 'worker', 'reader', 'console']);
    for (const [role, id] of Object.entries(secrets)) expect(roleOf(plan, id)).toBe(role);
    expect(text).toContain('ownerSecret');
  });

  test('API functions load at most 700 KB of code at start: no upstream’s client, no AWS SDK', async () => {
    for (const { name } of all) {
      const { folder } = plan.functions.find((one) => one.name === `${name}-api`)!;
      const { atStart } = await sizesOf(folder);
      expect([name, atStart > 100_000 && atStart <= 700_000]).toEqual([name, true]);
    }
  });
});

test('dev can pause: no schedule is hourly, and there is no proxy', async () => {
  const { template, plan, text } = await load(stages.dev.folder);
  expect(plan.schedules.filter(({ expression }) => isHourly(expression))).toEqual([]);
  expect(['rate(1 hour)', 'rate(60 minutes)', 'cron(0/20 3 * * ? *)', 'cron(0 * * * ? *)'].every(isHourly)).toBe(true);
  expect(['rate(2 hours)', 'rate(1 day)', 'cron(10 5 * * ? *)', 'cron(0 0/6 * * ? *)'].some(isHourly)).toBe(false);
  expect(plan.schedules.map(({ name }) => name)).toContain('tributary-dev-wallets-syncHoldings-full');
  expect(resourcesOf(template, 'AWS::RDS::DBProxy')).toEqual([]);
  expect(text).toContain('"MinCapacity":0');
});
