import { Duration } from 'aws-cdk-lib';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { maxReceives } from '../../shared/kernel/function.ts';
import { alarmAbove } from './alarms.ts';

export interface SubscriberQueueProps {
  /** Without the stage: the name that operators use. */
  name: string;
  stage: string;
  /** The timeout of the function that it invokes. */
  timeoutSeconds: number;
  delaySeconds?: number;
  alarms: ITopic;
}

/** A queue, its dead-letter queue, and the alarms on both: messages failed, or nothing handles them. */
export class SubscriberQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: SubscriberQueueProps) {
    super(scope, id);
    const queueName = `tributary-${props.stage}-${props.name}`;
    this.deadLetterQueue = new Queue(this, 'Dead', {
      queueName: `${queueName}-dead`,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    this.queue = new Queue(this, 'Queue', {
      queueName,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // twice the function's timeout, so that no message is received again while it is being handled
      visibilityTimeout: Duration.seconds(props.timeoutSeconds * 2),
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: maxReceives },
      ...(props.delaySeconds === undefined ? {} : { deliveryDelay: Duration.seconds(props.delaySeconds) }),
    });
    this.addAlarms(props);
  }

  private addAlarms({ name, timeoutSeconds, delaySeconds = 0, alarms }: SubscriberQueueProps): void {
    alarmAbove(this, 'DeadLetters', {
      topic: alarms,
      description: `${name}: messages failed and are in the dead-letter queue. See GET /v1/admin/queues/${name}/dead-letters.`,
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1),
        statistic: 'max',
      }),
      threshold: 0,
    });
    alarmAbove(this, 'Age', {
      topic: alarms,
      description: `${name}: the oldest message has waited too long.`,
      metric: this.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(5), statistic: 'max' }),
      threshold: Math.max(900, timeoutSeconds * 2) + delaySeconds,
      evaluationPeriods: 2,
    });
  }
}
