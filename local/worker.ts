/** The inside of a function's container: loads its bundle once and handles one event at a time. */
import { parentPort, workerData } from 'node:worker_threads';

interface Invocation {
  id: number;
  event: unknown;
  requestId: string;
  endsAt: number;
}

const { entry, functionName, memoryMb } = workerData as { entry: string; functionName: string; memoryMb: number };
const { handler } = (await import(entry)) as { handler: (event: unknown, context: unknown) => Promise<unknown> };

parentPort!.on('message', async ({ id, event, requestId, endsAt }: Invocation) => {
  const context = {
    functionName,
    functionVersion: '$LATEST',
    awsRequestId: requestId,
    memoryLimitInMB: String(memoryMb),
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, endsAt - Date.now()),
  };
  try {
    parentPort!.postMessage({ id, result: await handler(event, context) });
  } catch (error) {
    const { name, message, stack } = error as Error;
    console.error(
      JSON.stringify({
        level: 'ERROR',
        message: 'the invocation failed',
        functionName,
        error: { name, message, stack },
      }),
    );
    parentPort!.postMessage({ id, error: `${name}: ${message}` });
  }
});
parentPort!.postMessage({ ready: true });
