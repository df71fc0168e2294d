/** What runs: functions, routes, bus, queues, schedules and alarms, as they follow from the domains. Replaceable. */
import { createHash } from 'node:crypto';
import { type CfnElement, CfnOutput, Duration, FileSystem, Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { EventBus, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke, SqsSendMessage } from 'aws-cdk-lib/aws-scheduler-targets';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Trigger } from 'aws-cdk-lib/triggers';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';
import type { Domain } from '../../shared/kernel/declaration.ts';
import { acknowledge } from '../constructs/acknowledge.ts';
import type { Bundles } from '../constructs/bundle.ts';
import { createDashboard } from '../constructs/dashboard.ts';
import { addRoutes, createHttpApi } from '../constructs/http-api.ts';
import { createImportsBucket, notifyOfImports } from '../constructs/imports-bucket.ts';
import { NodeFunction } from '../constructs/node-function.ts';
import { isSubHourly, scheduleJob } from '../constructs/scheduled-job.ts';
import { SubscriberQueue } from '../constructs/subscriber-queue.ts';
import type { Settings } from '../settings.ts';
import { type DatabaseRole, type DataStack, databaseName, databaseRoles } from './data.ts';

export interface ServiceStackProps {
  settings: Settings;
  data: DataStack;
  bundles: Bundles;
}

interface FunctionPlan {
  memoryMb?: number;
  timeoutSeconds?: number;
  heapMb?: number;
  role?: DatabaseRole;
  poolSize?: number;
  redis?: boolean;
  environment?: Record<string, string>;
  /** Whether it runs in the network, beside the database. */
  inNetwork?: boolean;
}

/** Past the longest that a replica lags, a statement runs and a load takes. */
const secondDeliveryAfter = Duration.minutes(2);
const consumerTimeout = Duration.seconds(60);
const etlTimeout = Duration.minutes(15);
const etlAtOnce = 5;
const canaryTimeout = Duration.minutes(5);

export class ServiceStack extends Stack {
  private readonly props: ServiceStackProps;
  private readonly alarms: Topic;
  private readonly bus: EventBus;
  private readonly imports: Bucket;
  private readonly adminToken: Secret;
  private readonly queues = new Map<string, SubscriberQueue>();
  private readonly functions = new Map<string, NodeFunction>();

  constructor(scope: Construct, id: string, props: ServiceStackProps) {
    super(scope, id);
    this.props = props;
    const { settings } = props;
    this.alarms = this.createAlarmTopic();
    this.bus = new EventBus(this, 'Bus', { eventBusName: `tributary-${settings.stage}` });
    this.imports = createImportsBucket(this);
    this.adminToken = this.externalSecret('AdminToken', `The hash of the operator's bearer token: {"sha256": "…"}`);

    this.addQueue('relay-outbox', consumerTimeout);
    this.addQueue('invalidate-cache', consumerTimeout);
    this.addQueue('invalidate-cache-again', consumerTimeout, secondDeliveryAfter);
    for (const domain of domains) if (hasEtl(domain)) this.addQueue(`${domain.name}-jobs`, etlTimeout);

    this.addPlatform();
    const secrets = new Map(
      domains.flatMap((domain) =>
        domain.upstreams.map(
          ({ name, secretKeys }) =>
            [name, this.externalSecret(`${name}Secret`, `${name}: ${secretKeys.join(', ')}`)] as const,
        ),
      ),
    );
    for (const domain of domains) this.addDomain(domain, secrets);
    const jobsQueues = domains
      .filter(hasEtl)
      .map(({ name }) => [name, this.queues.get(`${name}-jobs`)!.queue] as const);
    notifyOfImports(this.imports, new Map(jobsQueues));
    const api = createHttpApi(this, settings);
    addRoutes(api, (name) => this.functions.get(name)!.function);
    this.addMigration();
    this.addCanary();
    createDashboard(
      this,
      settings.stage,
      [...this.queues.values()].map(({ deadLetterQueue }) => deadLetterQueue),
    );
    new CfnOutput(this, 'Url', { value: api.apiEndpoint });
    new CfnOutput(this, 'ImportsBucket', { value: this.imports.bucketName });
  }

  private createAlarmTopic(): Topic {
    const topic = new Topic(this, 'Alarms', { masterKey: this.props.data.key, enforceSSL: true });
    const { alarmEmail } = this.props.settings;
    if (alarmEmail) topic.addSubscription(new EmailSubscription(alarmEmail));
    return topic;
  }

  /** A secret whose value an operator puts in after the deployment. */
  private externalSecret(id: string, description: string): Secret {
    const secret = new Secret(this, id, { description, encryptionKey: this.props.data.key });
    acknowledge(secret, 'SMG4', 'Issued by a third party or the operator, who renews it; nothing here could.');
    return secret;
  }

  private addQueue(name: string, timeout: Duration, delay?: Duration): void {
    const { stage } = this.props.settings;
    const queueName = `tributary-${stage}-${name}`;
    this.queues.set(
      name,
      new SubscriberQueue(this, `Queue-${name}`, {
        queueName,
        timeout,
        alarms: this.alarms,
        ...(delay ? { delay } : {}),
      }),
    );
  }

  private addFunction(name: string, plan: FunctionPlan): NodeFunction {
    const { settings, data, bundles } = this.props;
    const { role, redis, inNetwork = true } = plan;
    const environment: Record<string, string> = { ...plan.environment };
    if (plan.heapMb) environment.NODE_OPTIONS = heapOptions(plan.heapMb);
    if (role) {
      Object.assign(environment, {
        DATABASE_WRITER_HOST: data.hosts.writer,
        DATABASE_READER_HOST: data.hosts.reader,
        DATABASE_ANALYTICS_HOST: data.hosts.analytics,
        DATABASE_NAME: databaseName,
        DATABASE_CLUSTER_ID: data.cluster.clusterResourceIdentifier,
        REPLICA_PROOFS: settings.database.replicaProofs,
        DATABASE_SECRET_ARN: data.secrets[role].secretArn,
        DATABASE_POOL_SIZE: String(plan.poolSize ?? 2),
        // the bundle of authorities that RDS signs with comes with the Lambda runtime
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
      });
    }
    if (redis) Object.assign(environment, { REDIS_URL: data.redisUrl, REDIS_SECRET_ARN: data.redisSecret.secretArn });
    const made = new NodeFunction(this, `Function-${name}`, {
      name,
      stage: settings.stage,
      bundles,
      memoryMb: plan.memoryMb ?? 512,
      timeoutSeconds: plan.timeoutSeconds ?? 30,
      environment,
      logDays: settings.logDays,
      alarms: this.alarms,
      ...(inNetwork ? { network: { vpc: data.vpc, securityGroup: data.functionsGroup } } : {}),
    });
    if (role) this.grantSecret(made, data.secrets[role]);
    if (redis) this.grantSecret(made, data.redisSecret);
    this.functions.set(name, made);
    return made;
  }

  /** The grant stands with the function: the data stack knows nothing of this one. */
  private grantSecret({ function: fn }: NodeFunction, secret: Secret): void {
    fn.addToRolePolicy(
      new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [secret.secretArn] }),
    );
    fn.addToRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [this.props.data.key.keyArn] }));
  }

  private addPlatform(): void {
    const { data, settings } = this.props;
    const relayQueue = this.queues.get('relay-outbox')!.queue;
    const relay = this.addFunction('relay-outbox', {
      role: 'writer',
      timeoutSeconds: 60,
      environment: { BUS_NAME: this.bus.eventBusName, RELAY_QUEUE_URL: relayQueue.queueUrl },
    });
    this.bus.grantPutEventsTo(relay.function);
    relay.function.addEventSource(new SqsEventSource(relayQueue, { batchSize: 10, maxConcurrency: 2 }));
    if (settings.runsEveryMinute) {
      scheduleJob(
        this,
        'Schedule-relay-outbox',
        `tributary-${settings.stage}-relay-outbox`,
        'rate(1 minute)',
        new SqsSendMessage(relayQueue, { input: ScheduleTargetInput.fromObject({ nudge: true }) }),
      );
    }

    const invalidate = this.addFunction('invalidate-cache', {
      role: 'writer',
      redis: true,
      timeoutSeconds: 60,
      environment: { RELAY_QUEUE_URL: relayQueue.queueUrl },
    });
    for (const name of ['invalidate-cache', 'invalidate-cache-again']) {
      const { queue } = this.queues.get(name)!;
      invalidate.function.addEventSource(
        new SqsEventSource(queue, { batchSize: 10, maxConcurrency: 10, reportBatchItemFailures: true }),
      );
      new Rule(this, `Rule-${name}`, {
        ruleName: `tributary-${settings.stage}-${name}`,
        eventBus: this.bus,
        eventPattern: { source: ['tributary'] },
        targets: [new SqsQueue(queue)],
      });
    }

    const schedulerRole = new Role(this, 'SchedulerRole', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com'),
    });
    const partitions = this.addFunction('create-partitions', {
      role: 'owner',
      redis: true,
      timeoutSeconds: 300,
      environment: { RELAY_QUEUE_URL: relayQueue.queueUrl },
    });
    scheduleJob(
      this,
      'Schedule-create-partitions',
      `tributary-${settings.stage}-create-partitions`,
      'cron(30 2 * * ? *)',
      new LambdaInvoke(partitions.function, { role: schedulerRole }),
    );

    const invoked = this.getLogicalId(partitions.function.node.defaultChild as CfnElement);
    acknowledge(
      schedulerRole,
      `IAM5[Resource::<${invoked}.Arn>:*]`,
      'The function’s own versions, as the CDK grants an invocation.',
    );

    const roleSecrets = Object.fromEntries(databaseRoles.map((role) => [role, data.secrets[role].secretArn]));
    const migrate = this.addFunction('migrate', {
      role: 'owner',
      redis: true,
      timeoutSeconds: 900,
      memoryMb: 1_024,
      environment: { DATABASE_ROLE_SECRETS: this.toJsonString(roleSecrets), RELAY_QUEUE_URL: relayQueue.queueUrl },
    });
    for (const role of databaseRoles) this.grantSecret(migrate, data.secrets[role]);

    this.addFunction('verify-replicas', {
      role: 'writer',
      poolSize: 4,
      timeoutSeconds: canaryTimeout.toSeconds(),
      environment: { DEPLOYMENT: this.fingerprint() },
    });

    const authorize = this.addFunction('authorize', {
      inNetwork: false,
      timeoutSeconds: 5,
      memoryMb: 256,
      environment: { ADMIN_TOKEN_SECRET_ARN: this.adminToken.secretArn },
    });
    this.grantSecret(authorize, this.adminToken);
  }

  private addDomain(domain: Domain, upstreamSecrets: ReadonlyMap<string, Secret>): void {
    const { settings } = this.props;
    const relayQueue = this.queues.get('relay-outbox')!.queue;
    const jobs = this.queues.get(`${domain.name}-jobs`);
    const upstreams = domain.upstreams.map((one) => ({ ...one, secret: upstreamSecrets.get(one.name)! }));
    const environment: Record<string, string> = { RELAY_QUEUE_URL: relayQueue.queueUrl };
    const askedBy = (member: 'api' | 'etl') => upstreams.filter((one) => one.askedBy.includes(member));
    const upstreamSettings = (member: 'api' | 'etl') =>
      Object.fromEntries(
        askedBy(member).flatMap(({ name, baseUrl, secret }) => [
          [`${name.toUpperCase()}_BASE_URL`, baseUrl],
          [`${name.toUpperCase()}_SECRET_ARN`, secret.secretArn],
        ]),
      );
    const grantUpstreams = (made: NodeFunction, member: 'api' | 'etl') => {
      for (const { secret } of askedBy(member)) this.grantSecret(made, secret);
    };
    if (jobs) environment[`JOBS_QUEUE_URL_${domain.name.toUpperCase()}`] = jobs.queue.queueUrl;

    const operatesQueues = domain.operations.some(({ path }) => path.startsWith('/v1/admin/queues'));
    const api = this.addFunction(`${domain.name}-api`, {
      memoryMb: 1_024,
      role: 'writer',
      redis: true,
      environment: {
        ...environment,
        ...upstreamSettings('api'),
        ...(operatesQueues ? this.operatorsQueues() : {}),
      },
      ...domain.functions?.api,
    });
    relayQueue.grantSendMessages(api.function);
    if (operatesQueues) this.grantOperation(api);
    if (jobs) {
      jobs.queue.grantSendMessages(api.function);
      const etl = this.addFunction(`${domain.name}-etl`, {
        memoryMb: 1_024,
        timeoutSeconds: etlTimeout.toSeconds(),
        poolSize: 4,
        role: 'writer',
        redis: true,
        environment: { ...environment, ...upstreamSettings('etl') },
        ...domain.functions?.etl,
      });
      etl.function.addEventSource(
        new SqsEventSource(jobs.queue, { batchSize: 1, maxConcurrency: etlAtOnce, reportBatchItemFailures: true }),
      );
      jobs.queue.grantSendMessages(etl.function);
      relayQueue.grantSendMessages(etl.function);
      this.imports.grantRead(etl.function, `${domain.name}/*`);
      const bucketId = this.getLogicalId(this.imports.node.defaultChild as CfnElement);
      acknowledge(etl, `IAM5[Resource::<${bucketId}.Arn>/${domain.name}/*]`, 'The domain’s own files.');
      acknowledge(
        etl,
        'IAM5[Action::s3:GetBucket*]',
        'Reads of the bucket’s own settings, as the CDK grants them with objects.',
      );
      acknowledge(etl, 'IAM5[Action::s3:GetObject*]', 'An object and its metadata.');
      acknowledge(etl, 'IAM5[Action::s3:List*]', 'The bucket’s own list.');
      grantUpstreams(etl, 'etl');
      for (const job of domain.jobs) {
        const name = `${domain.name}-${job.name}`;
        if (job.on) {
          const message = RuleTargetInput.fromObject({ job: `${domain.name}.${job.name}`, requestedBy: 'event' });
          new Rule(this, `Rule-${name}`, {
            ruleName: `tributary-${settings.stage}-${name}`,
            eventBus: this.bus,
            eventPattern: { source: ['tributary'], detailType: [...job.on] },
            targets: [new SqsQueue(jobs.queue, { message })],
          });
        }
        if (!job.schedule || (!settings.runsEveryMinute && (job.keepsDatabaseAwake || isSubHourly(job.schedule))))
          continue;
        const input = ScheduleTargetInput.fromObject({ job: `${domain.name}.${job.name}`, requestedBy: 'schedule' });
        scheduleJob(
          this,
          `Schedule-${name}`,
          `tributary-${settings.stage}-${name}`,
          job.schedule,
          new SqsSendMessage(jobs.queue, { input }),
        );
      }
    }
    grantUpstreams(api, 'api');
  }

  /** Every queue, to be looked into; and those that jobs are started through. */
  private operatorsQueues(): Record<string, string> {
    const jobs = domains
      .filter(hasEtl)
      .map(({ name }) => [`JOBS_QUEUE_URL_${name.toUpperCase()}`, this.queues.get(`${name}-jobs`)!.queue.queueUrl]);
    return { ...Object.fromEntries(jobs), QUEUES: this.describeQueues() };
  }

  private describeQueues(): string {
    return this.toJsonString(
      Object.fromEntries(
        [...this.queues].map(([name, { queue, deadLetterQueue }]) => [
          name,
          { url: queue.queueUrl, deadLetterUrl: deadLetterQueue.queueUrl },
        ]),
      ),
    );
  }

  /** What the operator's redrive needs: look into every queue, take from the dead ones, send to the living. */
  private grantOperation({ function: fn }: NodeFunction): void {
    for (const { queue, deadLetterQueue } of this.queues.values()) {
      queue.grantSendMessages(fn);
      queue.grant(fn, 'sqs:GetQueueAttributes');
      deadLetterQueue.grantConsumeMessages(fn);
    }
  }

  /** Migrations run before any other function's new code takes traffic. */
  private addMigration(): void {
    const trigger = new Trigger(this, 'Migrate', {
      handler: this.functions.get('migrate')!.function,
      timeout: etlTimeout,
    });
    // the canary runs when all of these are deployed; waiting itself, it would wait for the provider, which names it
    const others = [...this.functions].filter(([name]) => name !== 'migrate' && name !== 'verify-replicas');
    trigger.executeBefore(...others.map(([, made]) => made.function));
    const provider = this.node.tryFindChild('AWSCDK.TriggerCustomResourceProviderCustomResourceProvider');
    if (provider) {
      const reason = 'Made by the CDK for its triggers: a role for the provider function, to invoke the handler alone.';
      acknowledge(
        provider,
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
        reason,
      );
      acknowledge(provider, 'IAM5', reason);
      acknowledge(provider, 'L1', 'Its runtime is the CDK’s choice.');
    }
  }

  /** What readers prove is checked once everything is deployed, and alarmed about when the daily check finds it false. */
  private addCanary(): void {
    const trigger = new Trigger(this, 'VerifyReplicas', {
      handler: this.functions.get('verify-replicas')!.function,
      timeout: canaryTimeout,
    });
    trigger.executeAfter(...[...this.functions.values()].map((made) => made.function));
    const alarm = new Alarm(this, 'ReplicaProofFalse', {
      alarmDescription: 'A host did not show what it proved to show; see docs/runbooks.md, The replica canary failed',
      metric: new Metric({
        namespace: 'Tributary',
        metricName: 'ReplicaProofFalse',
        dimensionsMap: { service: 'platform-etl' },
        statistic: 'Sum',
        period: Duration.minutes(5),
      }),
      threshold: 0,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.alarms));
  }

  /** A trigger runs only if its own function has changed: so the canary's changes with all code and the database. */
  private fingerprint(): string {
    const { bundles, data, settings } = this.props;
    const engine = data.cluster.engine?.engineVersion?.fullVersion;
    const hash = createHash('sha256').update(JSON.stringify([settings.database, engine]));
    for (const [name, folder] of [...bundles].sort()) hash.update(`${name} ${FileSystem.fingerprint(folder)}`);
    return hash.digest('hex').slice(0, 16);
  }
}

function heapOptions(heapMb: number): string {
  return `--max-old-space-size=${heapMb} --max-semi-space-size=8`;
}

function hasEtl({ jobs, imports }: Domain): boolean {
  return jobs.length + imports.length > 0;
}
