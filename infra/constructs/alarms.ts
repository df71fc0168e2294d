import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';

export interface AlarmProps {
  topic: ITopic;
  /** What happened, and where to look. */
  description: string;
  metric: IMetric;
  /** The alarm goes off above it. */
  threshold: number;
  evaluationPeriods?: number;
}

/** An alarm for a metric above its threshold. No data is no alarm. */
export function alarmAbove(scope: Construct, id: string, props: AlarmProps): void {
  const { topic, description, metric, threshold, evaluationPeriods = 1 } = props;
  const alarm = new Alarm(scope, id, {
    alarmDescription: description,
    metric,
    threshold,
    evaluationPeriods,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new SnsAction(topic));
}

/** The topic that every alarm is sent to. It sends mail if the stage names an address. */
export function createAlarmTopic(scope: Construct, key: IKey, email: string | undefined): Topic {
  const topic = new Topic(scope, 'Alarms', { masterKey: key, enforceSSL: true });
  if (email) topic.addSubscription(new EmailSubscription(email));
  return topic;
}

/** The alarm for a replica, or a writer, that showed less than it had proved: the cache may have stored old data. */
export function alarmOnFalseProofs(scope: Construct, topic: ITopic): void {
  alarmAbove(scope, 'ReplicaProofFalse', {
    topic,
    description: 'A host did not show what it proved to show. See docs/runbooks.md, The replica canary failed.',
    metric: recorded('ReplicaProofFalse', 'platform-etl'),
    threshold: 0,
  });
}

/** The alarms for a period without a partition, and for rows that went to a default partition instead of their own. */
export function alarmOnPartitionGaps(scope: Construct, topic: ITopic): void {
  for (const [metricName, happened] of [
    ['PartitionGaps', 'A table has no partition for a month or day to come: writing a row of it will fail.'],
    ['DefaultPartitionRows', 'Rows are in a default partition.'],
  ] as const)
    alarmAbove(scope, metricName, {
      topic,
      description: `${happened} See docs/runbooks.md, A partition is missing.`,
      metric: recorded(metricName, 'create-partitions'),
      threshold: 0,
    });
}

/** The alarm for jobs of a domain that failed, also because too many of their units are newly quarantined. */
export function alarmOnFailedJobs(scope: Construct, topic: ITopic, domain: string): void {
  alarmAbove(scope, `FailedJobs-${domain}`, {
    topic,
    description: `Jobs of ${domain} failed. See GET /v1/jobs?status=failed, and docs/runbooks.md, A job failed.`,
    metric: recorded('JobsFailed', `${domain}-etl`),
    threshold: 0,
  });
}

/** The sum of a metric that a function records without dimensions of its own. */
function recorded(metricName: string, service: string): Metric {
  return new Metric({
    namespace: 'Tributary',
    metricName,
    dimensionsMap: { service },
    statistic: 'Sum',
    period: Duration.minutes(5),
  });
}
