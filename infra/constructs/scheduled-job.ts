import { type IScheduleTarget, Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import type { Settings } from '../settings.ts';

export interface ScheduledJobProps {
  /** Without the stage. */
  name: string;
  /** `rate(15 minutes)`, `cron(0 3 * * ? *)`; in UTC. */
  expression: string;
  settings: Settings;
}

/** Invokes a target on a schedule, unless the stage lets its database pause and an hourly schedule would keep it awake. */
export function scheduleJob(scope: Construct, target: IScheduleTarget, props: ScheduledJobProps): void {
  const { name, expression, settings } = props;
  const mayPause = settings.database.minCapacity === 0;
  if (mayPause && isHourly(expression)) return;
  new Schedule(scope, `Schedule-${name}`, {
    scheduleName: `tributary-${settings.stage}-${name}`,
    schedule: ScheduleExpression.expression(expression),
    target,
  });
}

/** Whether a schedule runs once an hour or more often. */
export function isHourly(expression: string): boolean {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (rate) return Number(rate[1]) <= { minute: 60, hour: 1, day: 0 }[rate[2] as 'minute' | 'hour' | 'day'];
  const [minutes = '*', hours = '*'] = /^cron\((\S+) (\S+)/.exec(expression)?.slice(1) ?? [];
  return /[*/,-]/.test(minutes) || hours === '*';
}
