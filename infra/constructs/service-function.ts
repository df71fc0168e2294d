import { type CfnElement, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { DatabaseRole, Grant } from '../../shared/kernel/function.ts';
import { type FunctionPlan, relayQueueOf } from '../functions.ts';
import type { Settings } from '../settings.ts';
import { createdRoles, type DataStack } from '../stacks/data.ts';
import { acknowledge } from './acknowledge.ts';
import { databaseName } from './database.ts';
import type { ExternalSecrets } from './external-secrets.ts';
import type { Messaging } from './messaging.ts';
import { NodeFunction } from './node-function.ts';

/** What the functions of a service share. */
export interface Service {
  settings: Settings;
  data: DataStack;
  plans: readonly FunctionPlan[];
  /** The folder of each bundle, by the function's name. */
  bundles: ReadonlyMap<string, string>;
  alarms: ITopic;
  messaging: Messaging;
  secrets: ExternalSecrets;
  imports: Bucket;
}

/** A function with exactly what its plan names. Each setting is created together with the grant that it needs. */
export class ServiceFunction extends NodeFunction {
  readonly plan: FunctionPlan;
  private readonly service: Service;

  constructor(scope: Construct, plan: FunctionPlan, service: Service) {
    const { settings, data, bundles, alarms } = service;
    const needsNetwork = plan.roles.reads !== undefined || plan.roles.writes !== undefined;
    super(scope, `Function-${plan.name}`, {
      name: plan.name,
      stage: settings.stage,
      bundle: bundles.get(plan.name)!,
      memoryMb: plan.memoryMb,
      timeoutSeconds: plan.timeoutSeconds,
      logDays: settings.logDays,
      alarms,
      ...(needsNetwork ? { network: { vpc: data.vpc, securityGroup: data.functionsGroup } } : {}),
    });
    this.plan = plan;
    this.service = service;
    if (plan.heapMb) this.set('NODE_OPTIONS', `--max-old-space-size=${plan.heapMb} --max-semi-space-size=8`);
    if (needsNetwork) this.connectDatabase();
    if (plan.redis) this.connectRedis();
    this.connectUpstreams();
    this.connectQueues();
    this.connectImports();
    for (const grant of plan.grants) this.connect(grant);
  }

  set(name: string, value: string): void {
    this.function.addEnvironment(name, value);
  }

  private connectDatabase(): void {
    const { data, settings } = this.service;
    const { roles, poolSize } = this.plan;
    const variables = {
      DATABASE_WRITER_HOST: data.hosts.writer,
      DATABASE_READER_HOST: data.hosts.reader,
      DATABASE_ANALYTICS_HOST: data.hosts.analytics,
      DATABASE_NAME: databaseName,
      DATABASE_CLUSTER_ID: data.cluster.clusterResourceIdentifier,
      DATABASE_POOL_SIZE: String(poolSize),
      REPLICA_PROOFS: settings.database.replicaProofs,
      // the Lambda runtime includes the certificate authorities of RDS
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
    };
    for (const [name, value] of Object.entries(variables)) this.set(name, value);
    if (roles.reads) this.setSecret('DATABASE_READ_SECRET_ARN', data.secrets[roles.reads]);
    if (roles.writes) this.setSecret('DATABASE_WRITE_SECRET_ARN', data.secrets[roles.writes]);
    if (announces(roles.writes)) this.connectRelay();
  }

  /** A commit nudges the relay, so that its events do not wait for the clock. */
  private connectRelay(): void {
    const { messaging, plans } = this.service;
    const queue = messaging.queue(relayQueueOf(plans));
    this.set('RELAY_QUEUE_URL', queue.queueUrl);
    queue.grantSendMessages(this.function);
  }

  private connectRedis(): void {
    const { data } = this.service;
    this.set('REDIS_URL', data.redisUrl);
    this.setSecret('REDIS_SECRET_ARN', data.redisSecret);
  }

  private connectUpstreams(): void {
    for (const { name, baseUrl } of this.plan.upstreams) {
      const prefix = `UPSTREAM_${name.toUpperCase()}`;
      this.set(`${prefix}_URL`, baseUrl);
      const secret = this.service.secrets.upstreams.get(name);
      if (secret) this.setSecret(`${prefix}_SECRET_ARN`, secret);
    }
  }

  private connectQueues(): void {
    const { messaging } = this.service;
    for (const { name, batchSize, maxConcurrency } of this.plan.queues) {
      const settings = { batchSize, maxConcurrency, reportBatchItemFailures: true };
      this.function.addEventSource(new SqsEventSource(messaging.queue(name), settings));
    }
    for (const { domain, lane, queue: name } of this.plan.startsJobsIn) {
      const queue = messaging.queue(name);
      this.set(`JOBS_QUEUE_URL_${domain.toUpperCase()}_${lane.toUpperCase()}`, queue.queueUrl);
      queue.grantSendMessages(this.function);
    }
  }

  private connectImports(): void {
    const { imports } = this.service;
    const { importsOf } = this.plan;
    if (importsOf === undefined) return;
    imports.grantRead(this.function, `${importsOf}/*`);
    const bucketId = Stack.of(this).getLogicalId(imports.node.defaultChild as CfnElement);
    acknowledge(this, `IAM5[Resource::<${bucketId}.Arn>/${importsOf}/*]`, 'The domain’s own files.');
    acknowledge(this, 'IAM5[Action::s3:GetBucket*]', 'The CDK grants reads of the bucket’s settings with its objects.');
    acknowledge(this, 'IAM5[Action::s3:GetObject*]', 'An object and its metadata.');
    acknowledge(this, 'IAM5[Action::s3:List*]', 'The bucket’s own list.');
  }

  private connect(grant: Grant): void {
    const { messaging, secrets } = this.service;
    switch (grant) {
      case 'putEvents':
        this.set('BUS_NAME', messaging.bus.eventBusName);
        messaging.bus.grantPutEventsTo(this.function);
        break;
      case 'operateQueues':
        this.connectOperatedQueues();
        break;
      case 'roleSecrets':
        this.connectRoleSecrets();
        break;
      case 'adminToken':
        this.setSecret('ADMIN_TOKEN_SECRET_ARN', secrets.adminToken);
        break;
      case 'readArchive':
        this.connectArchive(['s3:GetObject'], ['kms:Decrypt']);
        break;
      case 'writeArchive':
        this.connectArchive(
          ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
          ['kms:Decrypt', 'kms:GenerateDataKey'],
        );
        break;
      case 'startJobs':
        // the plan names the lanes of every domain
        break;
    }
  }

  /** Files are found by their keys, which the database has, so nothing may be listed. */
  private connectArchive(actions: string[], keyActions: string[]): void {
    const { archive, key } = this.service.data;
    this.set('ARCHIVE_BUCKET', archive.bucketName);
    this.function.addToRolePolicy(new PolicyStatement({ actions, resources: [archive.arnForObjects('table=*')] }));
    this.function.addToRolePolicy(new PolicyStatement({ actions: keyActions, resources: [key.keyArn] }));
    // the name under which the data stack exports the ARN, as the CDK makes it
    const exported = `${archive.stack.stackName}:ExportsOutputFnGetAttArchiveBucket9DECBF5DArn0B88E833`;
    acknowledge(this, `IAM5[Resource::${exported}/table=*]`, 'The tables of the archive.');
  }

  /** A redrive reads every queue, takes messages from the dead-letter queue, and sends them to the queue. */
  private connectOperatedQueues(): void {
    const { queues } = this.service.messaging;
    // the URLs of dead-letter queues follow from these: a function's environment is limited to 4 KB
    const urls = [...queues].map(([name, { queue }]) => [name, queue.queueUrl]);
    this.set('QUEUES', Stack.of(this).toJsonString(Object.fromEntries(urls)));
    for (const { queue, deadLetterQueue } of queues.values()) {
      queue.grantSendMessages(this.function);
      queue.grant(this.function, 'sqs:GetQueueAttributes');
      deadLetterQueue.grantConsumeMessages(this.function);
    }
  }

  private connectRoleSecrets(): void {
    const { secrets } = this.service.data;
    const arns = createdRoles.map((role) => [role, secrets[role].secretArn]);
    this.set('DATABASE_ROLE_SECRETS', Stack.of(this).toJsonString(Object.fromEntries(arns)));
    for (const role of createdRoles) this.grantSecret(secrets[role]);
  }

  private setSecret(name: string, secret: Secret): void {
    this.set(name, secret.secretArn);
    this.grantSecret(secret);
  }

  /** Granted by the function's policy: the data stack must not depend on this one. */
  private grantSecret({ secretArn }: Secret): void {
    const { keyArn } = this.service.data.key;
    this.function.addToRolePolicy(
      new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [secretArn] }),
    );
    this.function.addToRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [keyArn] }));
  }
}

/** Whether what a role commits is announced in the outbox. */
function announces(role: DatabaseRole | undefined): boolean {
  return role === 'writer' || role === 'worker';
}
