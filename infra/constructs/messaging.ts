import { EventBus, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { FunctionPlan } from '../functions.ts';
import { SubscriberQueue } from './subscriber-queue.ts';

export interface MessagingProps {
  stage: string;
  plans: readonly FunctionPlan[];
  alarms: ITopic;
}

export interface Subscription {
  /** Also names the rule. */
  name: string;
  queue: string;
  /** The events it wants. Default: every one. */
  types?: readonly string[];
  /** What the queue gets instead of the event. */
  message?: object;
}

/**
 * The bus of a stage, and every queue that invokes a function. They are children of the stack itself: what has a physical
 * name must keep its logical id, or CloudFormation would create it a second time before it deletes the first.
 */
export class Messaging {
  readonly bus: EventBus;
  /** By name, without the stage. */
  readonly queues: ReadonlyMap<string, SubscriberQueue>;
  private readonly scope: Construct;
  private readonly stage: string;

  constructor(scope: Construct, { stage, plans, alarms }: MessagingProps) {
    this.scope = scope;
    this.stage = stage;
    this.bus = new EventBus(scope, 'Bus', { eventBusName: `tributary-${stage}` });
    this.queues = new Map(
      plans.flatMap(({ queues, timeoutSeconds }) =>
        queues.map(({ name, delaySeconds }) => [
          name,
          new SubscriberQueue(scope, `Queue-${name}`, {
            name,
            stage,
            timeoutSeconds,
            alarms,
            ...(delaySeconds === undefined ? {} : { delaySeconds }),
          }),
        ]),
      ),
    );
  }

  /** @throws Error  no function has a queue of this name */
  queue(name: string): Queue {
    const found = this.queues.get(name);
    if (!found) throw new Error(`There is no queue ${name}. Queues: ${[...this.queues.keys()].join(', ')}.`);
    return found.queue;
  }

  /** Sends events of the bus to a queue. */
  subscribe({ name, queue, types, message }: Subscription): void {
    const target = new SqsQueue(
      this.queue(queue),
      message === undefined ? {} : { message: RuleTargetInput.fromObject(message) },
    );
    new Rule(this.scope, `Rule-${name}`, {
      ruleName: `tributary-${this.stage}-${name}`,
      eventBus: this.bus,
      eventPattern: { source: ['tributary'], ...(types === undefined ? {} : { detailType: [...types] }) },
      targets: [target],
    });
  }
}
