import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, type IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';
import { type FunctionPlan, relayQueueOf } from '../functions.ts';
import type { Messaging } from './messaging.ts';

const period = Duration.minutes(1);

/** The first things to look at: hit rates and latencies by operation, the outbox's lag, dead letters. */
export function createDashboard(
  scope: Construct,
  stage: string,
  plans: readonly FunctionPlan[],
  messaging: Messaging,
): void {
  const relay = plans.find(({ queues }) => queues.some(({ name }) => name === relayQueueOf(plans)))!;
  const graph = (title: string, left: IMetric[]) => new GraphWidget({ title, left, width: 12 });
  new Dashboard(scope, 'Dashboard', {
    dashboardName: `tributary-${stage}`,
    widgets: [
      [graph('Cache hit rate, %', hitRates()), graph('Latency p99, ms', latencies())],
      [
        graph('Outbox lag, ms', [metric('OutboxLag', { service: relay.name }, 'Maximum')]),
        graph(
          'Dead letters',
          [...messaging.queues.values()].map(({ deadLetterQueue }) =>
            deadLetterQueue.metricApproximateNumberOfMessagesVisible(),
          ),
        ),
      ],
    ],
  });
}

/** Of each cached read, hits per hundred lookups. */
function hitRates(): IMetric[] {
  return domains.flatMap(({ name, operations }) =>
    Object.values(operations)
      .filter(({ cache }) => cache)
      .map(({ operationId }) => {
        const [hits, misses] = [`${operationId}Hits`, `${operationId}Misses`];
        const reads = (outcome: string) =>
          metric('CacheReads', { service: `${name}-api`, operation: operationId, outcome }, 'Sum');
        return new MathExpression({
          expression: `100 * ${hits} / (${hits} + ${misses})`,
          label: operationId,
          usingMetrics: { [hits]: reads('hit'), [misses]: reads('miss') },
          period,
        });
      }),
  );
}

function latencies(): IMetric[] {
  return domains.flatMap(({ name, operations }) =>
    Object.keys(operations).map((operation) =>
      metric('RequestLatency', { service: `${name}-api`, operation, status: '2xx' }, 'p99'),
    ),
  );
}

function metric(metricName: string, dimensionsMap: Record<string, string>, statistic: string): Metric {
  return new Metric({ namespace: 'Tributary', metricName, dimensionsMap, statistic, period });
}
