import { type CfnElement, Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke, SqsSendMessage } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import type { Domain } from '../../shared/kernel/domain.ts';
import { type JobDeclaration, jobNameOf, schedulesOf } from '../../shared/kernel/job.ts';
import { laneQueue } from '../functions.ts';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';
import type { Messaging } from './messaging.ts';
import { scheduleJob } from './scheduled-job.ts';
import type { ServiceFunction } from './service-function.ts';

/** The schedules and events that start the jobs of a domain, each through the queue of its lane. */
export function addJobTriggers(scope: Construct, domain: Domain, messaging: Messaging, settings: Settings): void {
  for (const job of Object.values(domain.jobs)) {
    const name = `${job.domain}-${job.name}`;
    const queue = laneQueue(job.domain, job.lane);
    if (job.on)
      messaging.subscribe({ name, queue, types: job.on.map(({ type }) => type), message: startMessage(job, 'event') });
    for (const { expression, params = {} } of schedulesOf(job)) {
      const input = ScheduleTargetInput.fromObject({ ...startMessage(job, 'schedule'), params });
      scheduleJob(scope, new SqsSendMessage(messaging.queue(queue), { input }), {
        name: [name, ...Object.values(params)].join('-'),
        expression,
        settings,
      });
    }
  }
}

/** What invokes a declared function besides its queues: the bus or a schedule. */
export function addInvocation(scope: Construct, fn: ServiceFunction, messaging: Messaging, settings: Settings): void {
  const { name, invoked, queues } = fn.plan;
  switch (invoked?.by) {
    case 'events':
      for (const queue of queues) messaging.subscribe({ name: queue.name, queue: queue.name });
      break;
    case 'queue': {
      if (invoked.schedule === undefined) break;
      const input = ScheduleTargetInput.fromObject({ requestedBy: 'schedule' });
      const target = new SqsSendMessage(messaging.queue(name), { input });
      scheduleJob(scope, target, { name, expression: invoked.schedule, settings });
      break;
    }
    case 'schedule':
      scheduleJob(scope, invokeByClock(fn), { name, expression: invoked.schedule, settings });
      break;
  }
}

function startMessage(job: JobDeclaration, requestedBy: 'event' | 'schedule') {
  return { job: jobNameOf(job), requestedBy };
}

function invokeByClock(fn: ServiceFunction): LambdaInvoke {
  const role = new Role(fn, 'SchedulerRole', { assumedBy: new ServicePrincipal('scheduler.amazonaws.com') });
  const invoked = Stack.of(fn).getLogicalId(fn.function.node.defaultChild as CfnElement);
  acknowledge(role, `IAM5[Resource::<${invoked}.Arn>:*]`, 'The CDK grants the function’s own versions with it.');
  return new LambdaInvoke(fn.function, { role });
}
