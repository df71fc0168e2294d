import { Metrics, type MetricUnit } from '@aws-lambda-powertools/metrics';
import { env } from '../env.ts';

export type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

interface Recorded {
  dimensions: Record<string, string>;
  values: { name: string; unit: Unit; value: number }[];
}

/** Metrics since the last flush, by dimensions. */
const pending = new Map<string, Recorded>();

/** A line holds at most 100 values of a metric. */
const maxValuesPerLine = 99;

/**
 * Records a value in the namespace `Tributary`, with the given dimensions in addition to `service`. Metrics are written
 * as EMF at the end of the invocation.
 *
 * Dimension values come from a small set (an operation, an outcome, a queue); never use an id.
 */
export function count(name: string, unit: Unit, value: number, dimensions: Record<string, string> = {}): void {
  const key = JSON.stringify(dimensions);
  const recorded = pending.get(key) ?? { dimensions, values: [] };
  pending.set(key, recorded);
  recorded.values.push({ name, unit, value });
}

/** Writes the recorded metrics, as few lines as possible per set of dimensions. */
export function flushMetrics(): void {
  const recorded = [...pending.values()];
  pending.clear();
  for (const { dimensions, values } of recorded) {
    for (let at = 0; at < values.length; at += maxValuesPerLine) {
      const metrics = new Metrics({ namespace: 'Tributary', serviceName: env('SERVICE') });
      metrics.addDimensions(dimensions);
      for (const { name, unit, value } of values.slice(at, at + maxValuesPerLine)) metrics.addMetric(name, unit, value);
      metrics.publishStoredMetrics();
    }
  }
}
