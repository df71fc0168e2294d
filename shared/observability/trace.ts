import { Tracer } from '@aws-lambda-powertools/tracer';
import { correlationId } from './correlation.ts';

let tracer: Tracer | undefined;

/** Runs `work` as a subsegment of the invocation's X-Ray trace, annotated with the correlation id. */
export async function traced<T>(name: string, work: () => Promise<T>): Promise<T> {
  tracer ??= new Tracer();
  if (!tracer.isTracingEnabled()) return work();
  return tracer.provider.captureAsyncFunc(name, async (segment) => {
    segment?.addAnnotation('correlationId', correlationId());
    try {
      return await work();
    } catch (error) {
      segment?.addError(error as Error);
      throw error;
    } finally {
      segment?.close();
    }
  }) as Promise<T>;
}
