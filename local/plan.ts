/** What the template says is to run, in the words of the local runtime. Every part of it comes from `cdk synth`. */
import type { BusRule } from './event-bus.ts';
import type { EventSource } from './event-sources.ts';
import type { FunctionPlan } from './functions.ts';
import type { Route } from './gateway.ts';
import { localAccount, localRegion } from './queues.ts';
import { createResolver, type Resource, resourcesOf, type Stack, type Template } from './template.ts';

export interface QueuePlan {
  name: string;
  attributes: Record<string, string>;
}

export interface SchedulePlan {
  name: string;
  expression: string;
  input: string | undefined;
  target: { queue: string } | { function: string };
}

export interface NotificationPlan {
  bucket: string;
  prefix: string;
  queue: string;
}

export interface Plan {
  queues: QueuePlan[];
  buckets: string[];
  /** Logical id → what CloudFormation was told of the secret. */
  secrets: Map<string, { template: string | undefined }>;
  functions: FunctionPlan[];
  routes: Route[];
  rules: BusRule[];
  eventSources: EventSource[];
  schedules: SchedulePlan[];
  notifications: NotificationPlan[];
}

export interface LocalAddresses {
  queuesUrl: string;
  /** Settings whose values are this machine's, by name: they replace what the template resolves to; an empty one goes. */
  overrides: Record<string, string>;
}

const arn = (service: string, name: string) => `arn:aws:${service}:${localRegion}:${localAccount}:${name}`;

/** The bucket of a logical id: S3's names know no capitals. */
const bucketName = (logicalId: string) => logicalId.toLowerCase();

/** Reads the plan out of the template. @throws Error  a reference has no local answer; the message names it */
export function planOf(template: Template, { queuesUrl, overrides }: LocalAddresses): Plan {
  const resolve = createResolver(template, (resource, logicalId, attribute) =>
    answer(resource, logicalId, attribute, queuesUrl),
  );
  const all = (type: string) => resourcesOf(template, type);
  const nameOf = (value: unknown, stack: Stack) => String(resolve(value, stack)).split(/[:/]/).at(-1)!;
  const functionsById = new Map<string, FunctionPlan>();
  for (const { stack, logicalId, properties } of all('AWS::Lambda::Function')) {
    const plan = functionPlan(template, stack, properties, resolve, overrides);
    if (plan) functionsById.set(logicalId, plan);
  }
  const functionNamed = (logicalId: string) => functionsById.get(logicalId)?.name ?? logicalId;

  return {
    queues: all('AWS::SQS::Queue').map(({ stack, properties }) =>
      queuePlan(properties, (value) => resolve(value, stack)),
    ),
    buckets: all('AWS::S3::Bucket').map(({ logicalId }) => bucketName(logicalId)),
    secrets: new Map(
      all('AWS::SecretsManager::Secret').map(({ logicalId, properties }) => {
        const { SecretStringTemplate } = (properties.GenerateSecretString ?? {}) as { SecretStringTemplate?: string };
        return [logicalId, { template: SecretStringTemplate }];
      }),
    ),
    functions: [...functionsById.values()],
    routes: routePlans(template, resolve, functionNamed),
    rules: all('AWS::Events::Rule').map(({ stack, properties }) => ({
      bus: nameOf(properties.EventBusName, stack),
      pattern: resolve(properties.EventPattern, stack) as Record<string, unknown>,
      targets: (properties.Targets as { Arn: unknown; Input?: unknown }[]).map(({ Arn, Input }) => ({
        queue: nameOf(Arn, stack),
        input: Input === undefined ? undefined : String(resolve(Input, stack)),
      })),
    })),
    eventSources: all('AWS::Lambda::EventSourceMapping').map(({ stack, properties }) => {
      const queueName = nameOf(properties.EventSourceArn, stack);
      const { MaximumConcurrency = 2 } = (properties.ScalingConfig ?? {}) as { MaximumConcurrency?: number };
      return {
        queueName,
        queueUrl: queueUrl(queuesUrl, queueName),
        functionName: functionNamed(nameOf(properties.FunctionName, stack)),
        batchSize: Number(properties.BatchSize ?? 10),
        atOnce: MaximumConcurrency,
        reportsFailures: ((properties.FunctionResponseTypes ?? []) as string[]).includes('ReportBatchItemFailures'),
      };
    }),
    schedules: all('AWS::Scheduler::Schedule').map(({ stack, properties }) => {
      const { Arn, Input } = properties.Target as { Arn: unknown; Input?: unknown };
      const target = String(resolve(Arn, stack));
      const name = target.split(':').at(-1)!;
      return {
        name: String(resolve(properties.Name, stack)),
        expression: String(properties.ScheduleExpression),
        input: Input === undefined ? undefined : String(resolve(Input, stack)),
        target: target.includes(':sqs:') ? { queue: name } : { function: functionNamed(name) },
      };
    }),
    notifications: all('AWS::S3::Bucket').flatMap(({ stack, logicalId, properties }) => {
      const { QueueConfigurations = [] } = (properties.NotificationConfiguration ?? {}) as {
        QueueConfigurations?: NotificationProperties[];
      };
      return QueueConfigurations.map(({ Queue, Filter }) => ({
        bucket: bucketName(logicalId),
        prefix: Filter?.S3Key.Rules.find(({ Name }) => Name === 'prefix')?.Value ?? '',
        queue: nameOf(Queue, stack),
      }));
    }),
  };
}

interface NotificationProperties {
  Queue: unknown;
  Filter?: { S3Key: { Rules: { Name: string; Value: string }[] } };
}

type Resolve = (value: unknown, stack: Stack, path?: string) => unknown;

/** The plan of one of our functions; none for those that the CDK adds for itself. */
function functionPlan(
  template: Template,
  stack: Stack,
  properties: Record<string, unknown>,
  resolve: Resolve,
  overrides: Record<string, string>,
): FunctionPlan | undefined {
  const { Variables = {} } = (properties.Environment ?? {}) as { Variables?: Record<string, unknown> };
  if (Variables.SERVICE === undefined) return undefined;
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(Variables)) {
    environment[name] = overrides[name] ?? String(resolve(value, stack, `${Variables.SERVICE} ${name}`));
  }
  const { S3Key } = properties.Code as { S3Key: string };
  const hash = S3Key.replace(/\.zip$/, '');
  const folder = template.assets.get(hash);
  if (!folder) throw new Error(`${Variables.SERVICE}: there is no asset ${hash}.`);
  return {
    name: String(Variables.SERVICE),
    folder,
    timeoutMs: Number(properties.Timeout ?? 3) * 1_000,
    memoryMb: Number(properties.MemorySize ?? 128),
    environment: Object.fromEntries(
      Object.entries({ ...environment, ...overrides }).filter(([, value]) => value !== ''),
    ),
  };
}

function queuePlan(properties: Record<string, unknown>, resolve: (value: unknown) => unknown): QueuePlan {
  const attributes: Record<string, string> = {};
  if (properties.VisibilityTimeout !== undefined) attributes.VisibilityTimeout = String(properties.VisibilityTimeout);
  if (properties.DelaySeconds !== undefined) attributes.DelaySeconds = String(properties.DelaySeconds);
  if (properties.RedrivePolicy) attributes.RedrivePolicy = JSON.stringify(resolve(properties.RedrivePolicy));
  return { name: String(resolve(properties.QueueName)), attributes };
}

/** A route's target joins an integration's Ref, whose address is the function's; an authorizer's is within a URI. */
function routePlans(template: Template, resolve: Resolve, functionNamed: (logicalId: string) => string): Route[] {
  const functionIn = (uri: unknown): string => functionNamed(/function:([\w-]+)/.exec(JSON.stringify(uri))?.[1] ?? '');
  const integrations = new Map(
    resourcesOf(template, 'AWS::ApiGatewayV2::Integration').map(({ stack, logicalId, properties }) => [
      logicalId,
      functionIn(resolve(properties.IntegrationUri, stack)),
    ]),
  );
  const authorizers = new Map(
    resourcesOf(template, 'AWS::ApiGatewayV2::Authorizer').map(({ stack, logicalId, properties }) => [
      logicalId,
      functionIn(resolve(properties.AuthorizerUri, stack)),
    ]),
  );
  return resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(({ stack, properties }) => {
    const integration = String(resolve(properties.Target, stack)).split('/').at(-1)!;
    const functionName = integrations.get(integration);
    if (!functionName) throw new Error(`${properties.RouteKey} has no integration ${integration}.`);
    const authorizer =
      properties.AuthorizerId === undefined
        ? undefined
        : authorizers.get(String(resolve(properties.AuthorizerId, stack)));
    return { key: String(properties.RouteKey), functionName, ...(authorizer ? { authorizer } : {}) };
  });
}

function queueUrl(queuesUrl: string, name: string): string {
  return `${queuesUrl}/${localAccount}/${name}`;
}

/** The local answers: names and addresses of what runs here. What only the cloud has is answered by its logical id. */
function answer(
  { Type, Properties = {} }: Resource,
  logicalId: string,
  attribute: string | undefined,
  queuesUrl: string,
): string | undefined {
  const name = (property: string) =>
    typeof Properties[property] === 'string' ? (Properties[property] as string) : logicalId;
  switch (Type) {
    case 'AWS::SQS::Queue':
      return attribute === undefined
        ? queueUrl(queuesUrl, name('QueueName'))
        : attribute === 'Arn'
          ? arn('sqs', name('QueueName'))
          : name('QueueName');
    case 'AWS::S3::Bucket':
      return attribute === 'Arn' ? `arn:aws:s3:::${bucketName(logicalId)}` : bucketName(logicalId);
    case 'AWS::Events::EventBus':
      return attribute === 'Arn' ? arn('events', `event-bus/${name('Name')}`) : name('Name');
    case 'AWS::Lambda::Function':
      return attribute === 'Arn' ? arn('lambda', `function:${logicalId}`) : logicalId;
    case 'AWS::SecretsManager::Secret':
    case 'AWS::ApiGatewayV2::Integration':
    case 'AWS::ApiGatewayV2::Authorizer':
      return logicalId;
    default:
      return undefined;
  }
}
