import { Cron } from 'croner';

export interface LocalSchedule {
  name: string;
  /** `rate(1 minute)` or `cron(0 3 * * ? *)`, in UTC. */
  expression: string;
  run(): Promise<unknown>;
}

const unitMs: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Runs targets on their schedules, as EventBridge Scheduler does. Returns what stops it. */
export function startSchedules(schedules: readonly LocalSchedule[]): () => void {
  const stops = schedules.map(({ expression, run }) => {
    const quietly = () => void run().catch(() => {});
    const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
    if (rate) {
      const timer = setInterval(quietly, Number(rate[1]) * unitMs[rate[2]!]!);
      return () => clearInterval(timer);
    }
    const job = new Cron(cronOf(expression), { timezone: 'UTC' }, quietly);
    return () => job.stop();
  });
  return () => {
    for (const stop of stops) stop();
  };
}

/** An AWS expression in five fields, without its year; `?` means any. */
function cronOf(expression: string): string {
  const fields = /^cron\((.+)\)$/.exec(expression)?.[1]?.split(' ');
  if (fields?.length !== 6)
    throw new Error(`The schedule ${expression} is not supported. Use rate(…) or cron(…) with six fields.`);
  return fields.slice(0, 5).join(' ').replaceAll('?', '*');
}
