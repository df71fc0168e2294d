import { Metrics, type MetricUnit } from '@aws-lambda-powertools/metrics';
import { env } from '../env.ts';

export type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/** Metrics since the last flush, by dimensions. */
const pending = new Map<string, Metrics>();

/**
 * Records a value in the namespace `Tributary`, with the given dimensions in addition to `service`. Metrics are written
 * as EMF at the end of the invocation.
 *
 * Dimension values come from a small set (an operation, an outcome, a queue); never use an id.
 */
export function count(name: string, unit: Unit, value: number, dimensions: Record<string, string> = {}): void {
  const key = JSON.stringify(dimensions);
  let metrics = pending.get(key);
  if (!metrics) {
    metrics = new Metrics({ namespace: 'Tributary', serviceName: env('SERVICE') });
    metrics.addDimensions(dimensions);
    pending.set(key, metrics);
  }
  metrics.addMetric(name, unit, value);
}

/** Writes the recorded metrics, one line per set of dimensions. */
export function flushMetrics(): void {
  const recorded = [...pending.values()];
  pending.clear();
  for (const metrics of recorded) metrics.publishStoredMetrics();
}
