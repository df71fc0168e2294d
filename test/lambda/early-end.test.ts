import { expect, test } from 'vitest';
import { forgetEnv } from '../../shared/env.ts';
import { invocation } from '../../shared/lambda/invocation.ts';

Object.assign(process.env, { SERVICE: 'test', LOG_LEVEL: 'SILENT' });
forgetEnv();

test('an invocation that runs out of time ends while there is still time to respond', async () => {
  const timeoutAt = performance.now() + 1_500;
  const getRemainingTimeInMillis = () => Math.round(timeoutAt - performance.now());
  const handler = invocation().handler(() => new Promise<never>(() => {}));
  await expect(handler({}, { getRemainingTimeInMillis } as never)).rejects.toMatchObject({ code: 'deadline' });
  // a fraction of the half second that is reserved, for a busy machine
  expect(getRemainingTimeInMillis()).toBeGreaterThan(100);
});
