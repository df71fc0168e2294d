import { type IScheduleTarget, Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';

/** Runs a target by the clock, in UTC. */
export function scheduleJob(
  scope: Construct,
  id: string,
  name: string,
  expression: string,
  target: IScheduleTarget,
): Schedule {
  return new Schedule(scope, id, { scheduleName: name, schedule: ScheduleExpression.expression(expression), target });
}

/** Whether a schedule runs more often than once an hour. */
export function isSubHourly(expression: string): boolean {
  const rate = /^rate\((\d+) (minutes?|hours?|days?)\)$/.exec(expression);
  if (rate) return rate[2]!.startsWith('minute') && Number(rate[1]) < 60;
  const minutes = /^cron\((\S+) /.exec(expression)?.[1] ?? '*';
  return /[*/,-]/.test(minutes);
}
