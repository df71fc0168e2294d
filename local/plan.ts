/** What the template deploys, in the terms of the local runtime. All of it comes from `cdk synth`. */
import { answer, bucketName, queueUrl } from './answers.ts';
import type { BusRule } from './event-bus.ts';
import type { EventSource } from './event-sources.ts';
import { type FunctionPlan, functionPlans, runBeforeOthers } from './function-plans.ts';
import { corsHeaders, type Route, routePlans } from './route-plans.ts';
import { createResolver, type Resolve, resourcesOf, type Stack, type Template } from './template.ts';

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
  /** By logical id, which is also used as the ARN: the JSON that a generated password is added to. */
  secrets: Map<string, { template: string | undefined }>;
  functions: FunctionPlan[];
  /** The functions that run before all others. */
  runsFirst: string[];
  routes: Route[];
  corsHeaders: Record<string, string>;
  rules: BusRule[];
  eventSources: EventSource[];
  schedules: SchedulePlan[];
  notifications: NotificationPlan[];
}

export interface LocalAddresses {
  queuesUrl: string;
  /** Settings that replace those of the template, in the functions that have them. An empty value removes the setting. */
  overrides: Readonly<Record<string, string>>;
}

/** Reads the plan out of the template. @throws Error  a reference has no local answer; the message names it */
export function planOf(template: Template, { queuesUrl, overrides }: LocalAddresses): Plan {
  const resolve = createResolver(template, (resource, logicalId, attribute) =>
    answer(resource, logicalId, attribute, queuesUrl),
  );
  const functions = functionPlans(template, resolve, overrides);
  const functionNamed = (logicalId: string) => functions.get(logicalId)?.name ?? logicalId;
  return {
    queues: queuePlans(template, resolve),
    buckets: resourcesOf(template, 'AWS::S3::Bucket').map(({ logicalId }) => bucketName(logicalId)),
    secrets: secretPlans(template),
    functions: [...functions.values()],
    runsFirst: runBeforeOthers(template, functions),
    routes: routePlans(template, resolve, functionNamed),
    corsHeaders: corsHeaders(template),
    rules: rulePlans(template, resolve),
    eventSources: eventSourcePlans(template, resolve, queuesUrl, functionNamed),
    schedules: schedulePlans(template, resolve, functionNamed),
    notifications: notificationPlans(template, resolve),
  };
}

function queuePlans(template: Template, resolve: Resolve): QueuePlan[] {
  return resourcesOf(template, 'AWS::SQS::Queue').map(({ stack, properties }) => {
    const attributes: Record<string, string> = {};
    for (const name of ['VisibilityTimeout', 'DelaySeconds'])
      if (properties[name] !== undefined) attributes[name] = String(properties[name]);
    if (properties.RedrivePolicy) attributes.RedrivePolicy = JSON.stringify(resolve(properties.RedrivePolicy, stack));
    return { name: String(resolve(properties.QueueName, stack)), attributes };
  });
}

function secretPlans(template: Template): Plan['secrets'] {
  return new Map(
    resourcesOf(template, 'AWS::SecretsManager::Secret').map(({ logicalId, properties }) => {
      const { SecretStringTemplate } = (properties.GenerateSecretString ?? {}) as { SecretStringTemplate?: string };
      return [logicalId, { template: SecretStringTemplate }];
    }),
  );
}

function rulePlans(template: Template, resolve: Resolve): BusRule[] {
  return resourcesOf(template, 'AWS::Events::Rule').map(({ stack, properties }) => ({
    bus: nameOf(resolve, properties.EventBusName, stack),
    pattern: resolve(properties.EventPattern, stack) as Record<string, unknown>,
    targets: (properties.Targets as { Arn: unknown; Input?: unknown }[]).map(({ Arn, Input }) => ({
      queue: nameOf(resolve, Arn, stack),
      input: textOf(resolve, Input, stack),
    })),
  }));
}

function eventSourcePlans(
  template: Template,
  resolve: Resolve,
  queuesUrl: string,
  functionNamed: (logicalId: string) => string,
): EventSource[] {
  return resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(({ stack, properties }) => {
    const queueName = nameOf(resolve, properties.EventSourceArn, stack);
    const { MaximumConcurrency = 2 } = (properties.ScalingConfig ?? {}) as { MaximumConcurrency?: number };
    return {
      queueName,
      queueUrl: queueUrl(queuesUrl, queueName),
      functionName: functionNamed(nameOf(resolve, properties.FunctionName, stack)),
      batchSize: Number(properties.BatchSize ?? 10),
      maxConcurrency: MaximumConcurrency,
      reportsFailures: ((properties.FunctionResponseTypes ?? []) as string[]).includes('ReportBatchItemFailures'),
    };
  });
}

function schedulePlans(
  template: Template,
  resolve: Resolve,
  functionNamed: (logicalId: string) => string,
): SchedulePlan[] {
  return resourcesOf(template, 'AWS::Scheduler::Schedule').map(({ stack, properties }) => {
    const { Arn, Input } = properties.Target as { Arn: unknown; Input?: unknown };
    const target = String(resolve(Arn, stack));
    const name = target.split(':').at(-1)!;
    return {
      name: String(resolve(properties.Name, stack)),
      expression: String(properties.ScheduleExpression),
      input: textOf(resolve, Input, stack),
      target: target.includes(':sqs:') ? { queue: name } : { function: functionNamed(name) },
    };
  });
}

interface NotificationProperties {
  Queue: unknown;
  Filter?: { S3Key: { Rules: { Name: string; Value: string }[] } };
}

function notificationPlans(template: Template, resolve: Resolve): NotificationPlan[] {
  return resourcesOf(template, 'AWS::S3::Bucket').flatMap(({ stack, logicalId, properties }) => {
    const { QueueConfigurations = [] } = (properties.NotificationConfiguration ?? {}) as {
      QueueConfigurations?: NotificationProperties[];
    };
    return QueueConfigurations.map(({ Queue, Filter }) => ({
      bucket: bucketName(logicalId),
      prefix: Filter?.S3Key.Rules.find(({ Name }) => Name === 'prefix')?.Value ?? '',
      queue: nameOf(resolve, Queue, stack),
    }));
  });
}

/** The last part of a name, an ARN or a URL. */
function nameOf(resolve: Resolve, value: unknown, stack: Stack): string {
  return String(resolve(value, stack)).split(/[:/]/).at(-1)!;
}

function textOf(resolve: Resolve, value: unknown, stack: Stack): string | undefined {
  return value === undefined ? undefined : String(resolve(value, stack));
}
