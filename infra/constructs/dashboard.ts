import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';

/** What one looks at first: hit rates and latencies by operation, the outbox's lag, dead letters. */
export function createDashboard(scope: Construct, stage: string, deadLetterQueues: readonly IQueue[]): void {
  const metric = (metricName: string, dimensionsMap: Record<string, string>, statistic: string) =>
    new Metric({ namespace: 'Tributary', metricName, dimensionsMap, statistic, period: Duration.minutes(1) });
  const reads = domains.flatMap(({ name, operations }) =>
    operations
      .filter(({ cache }) => cache)
      .map(({ operationId }) => {
        const [h, m] = [`${operationId}Hits`, `${operationId}Misses`];
        const outcome = (is: string) =>
          metric('CacheReads', { service: `${name}-api`, operation: operationId, outcome: is }, 'Sum');
        return new MathExpression({
          expression: `100 * ${h} / (${h} + ${m})`,
          label: operationId,
          usingMetrics: { [h]: outcome('hit'), [m]: outcome('miss') },
          period: Duration.minutes(1),
        });
      }),
  );
  const latencies = domains.flatMap(({ name, operations }) =>
    operations.map(({ operationId }) =>
      metric('RequestLatency', { service: `${name}-api`, operation: operationId, status: '2xx' }, 'p99'),
    ),
  );
  new Dashboard(scope, 'Dashboard', {
    dashboardName: `tributary-${stage}`,
    widgets: [
      [
        new GraphWidget({ title: 'Cache hit rate, %', left: reads, width: 12 }),
        new GraphWidget({ title: 'Latency p99, ms', left: latencies, width: 12 }),
      ],
      [
        new GraphWidget({
          title: 'Outbox lag, ms',
          left: [metric('OutboxLag', { service: 'relay-outbox' }, 'Maximum')],
          width: 12,
        }),
        new GraphWidget({
          title: 'Dead letters',
          left: deadLetterQueues.map((queue) => queue.metricApproximateNumberOfMessagesVisible()),
          width: 12,
        }),
      ],
    ],
  });
}
