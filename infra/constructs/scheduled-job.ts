import { type IScheduleTarget, Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import type { Settings } from '../settings.ts';

export interface ScheduledJobProps {
  /** Without the stage. */
  name: string;
  /** `rate(15 minutes)`, `cron(0 3 * * ? *)`; in UTC. */
  expression: string;
  settings: Settings;
  /** Left out where the database may pause, like every schedule more frequent than hourly. */
  keepsDatabaseAwake?: boolean;
}

/** Invokes a target on a schedule, unless the stage lets its database pause and the schedule would keep it awake. */
export function scheduleJob(scope: Construct, target: IScheduleTarget, props: ScheduledJobProps): void {
  const { name, expression, settings, keepsDatabaseAwake = false } = props;
  const mayPause = settings.database.minCapacity === 0;
  if (mayPause && (keepsDatabaseAwake || isSubHourly(expression))) return;
  new Schedule(scope, `Schedule-${name}`, {
    scheduleName: `tributary-${settings.stage}-${name}`,
    schedule: ScheduleExpression.expression(expression),
    target,
  });
}

/** Whether a schedule runs more often than once an hour. */
export function isSubHourly(expression: string): boolean {
  const rate = /^rate\((\d+) (minutes?|hours?|days?)\)$/.exec(expression);
  if (rate) return rate[2]!.startsWith('minute') && Number(rate[1]) < 60;
  const minutes = /^cron\((\S+) /.exec(expression)?.[1] ?? '*';
  return /[*/,-]/.test(minutes);
}
