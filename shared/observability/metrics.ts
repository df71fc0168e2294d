import { Metrics, type MetricUnit } from '@aws-lambda-powertools/metrics';
import { env } from '../env.ts';

let metrics: Metrics | undefined;

export type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/**
 * Counts one figure in the namespace `Tributary`, as an EMF log line, with its dimensions beside `service`.
 *
 * Dimensions are names out of a small set (an operation, an outcome, a queue), never an id.
 */
export function count(name: string, unit: Unit, value: number, dimensions: Record<string, string> = {}): void {
  metrics ??= new Metrics({ namespace: 'Tributary', serviceName: env('SERVICE') });
  const single = metrics.singleMetric();
  single.addDimensions(dimensions);
  single.addMetric(name, unit, value);
}
