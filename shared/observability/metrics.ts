import { Metrics, type MetricUnit } from '@aws-lambda-powertools/metrics';
import { env } from '../env.ts';

export type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/** What was counted since the last flush, by its dimensions. */
const pending = new Map<string, Metrics>();

/**
 * Counts a figure in the namespace `Tributary` with its dimensions beside `service`. It is written as EMF at the end of
 * the invocation.
 *
 * Dimensions come from a small set (an operation, an outcome, a queue), never an id.
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

/** Writes what was counted, one line for each set of dimensions. */
export function flushMetrics(): void {
  const counted = [...pending.values()];
  pending.clear();
  for (const metrics of counted) metrics.publishStoredMetrics();
}
