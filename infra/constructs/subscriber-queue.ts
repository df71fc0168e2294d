import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { maxReceives } from '../../shared/kernel/declaration.ts';

export interface SubscriberQueueProps {
  queueName: string;
  /** As long as the function that works on it may run. */
  timeout: Duration;
  delay?: Duration;
  alarms: ITopic;
}

/** A queue, the queue for what failed five times, and the alarms on both: something is dead, or nothing is done. */
export class SubscriberQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, { queueName, timeout, delay, alarms }: SubscriberQueueProps) {
    super(scope, id);
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
      // twice the function's time, so that a message is not taken up while it is still worked on
      visibilityTimeout: timeout.toSeconds() * 2 < 43_200 ? Duration.seconds(timeout.toSeconds() * 2) : timeout,
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: maxReceives },
      ...(delay ? { deliveryDelay: delay } : {}),
    });
    const dead = new Alarm(this, 'DeadLetters', {
      alarmDescription: `${queueName}: messages were given up; see GET /v1/admin/queues/${queueName}/dead-letters`,
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1),
        statistic: 'max',
      }),
      threshold: 0,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    const age = new Alarm(this, 'Age', {
      alarmDescription: `${queueName}: the oldest message has waited too long`,
      metric: this.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(5), statistic: 'max' }),
      threshold: Math.max(900, timeout.toSeconds() * 2) + (delay?.toSeconds() ?? 0),
      evaluationPeriods: 2,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    for (const alarm of [dead, age]) alarm.addAlarmAction(new SnsAction(alarms));
  }
}
