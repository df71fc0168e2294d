/** The stack that can be replaced: functions, routes, bus, queues, schedules, and alarms, derived from the declarations. */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { alarmOnFailedJobs, alarmOnFalseProofs, alarmOnPartitionGaps, createAlarmTopic } from '../constructs/alarms.ts';
import { createAthena } from '../constructs/athena.ts';
import { createDashboard } from '../constructs/dashboard.ts';
import { runAtDeployment } from '../constructs/deployment.ts';
import { createExternalSecrets } from '../constructs/external-secrets.ts';
import { addRoutes, createHttpApi } from '../constructs/http-api.ts';
import { createImportsBucket, notifyOfImports } from '../constructs/imports-bucket.ts';
import { addInvocation, addJobTriggers } from '../constructs/invocations.ts';
import { Messaging } from '../constructs/messaging.ts';
import { type Service, ServiceFunction } from '../constructs/service-function.ts';
import type { FunctionPlan } from '../functions.ts';
import type { Settings } from '../settings.ts';
import type { DataStack } from './data.ts';

export interface ServiceStackProps {
  settings: Settings;
  data: DataStack;
  plans: readonly FunctionPlan[];
  /** The folder of each bundle, by the function's name. */
  bundles: ReadonlyMap<string, string>;
}

export class ServiceStack extends Stack {
  constructor(scope: Construct, id: string, { settings, data, plans, bundles }: ServiceStackProps) {
    super(scope, id);
    const alarms = createAlarmTopic(this, data.key, settings.alarmEmail);
    const messaging = new Messaging(this, { stage: settings.stage, plans, alarms });
    const secrets = createExternalSecrets(this, data.key, plans);
    const imports = createImportsBucket(this);
    const service: Service = { settings, data, plans, bundles, alarms, messaging, secrets, imports };

    const functions = plans.map((plan) => new ServiceFunction(this, plan, service));
    for (const fn of functions) addInvocation(this, fn, messaging, settings);
    for (const domain of domains) addJobTriggers(this, domain, messaging, settings);
    notifyOfImports(imports, domains, messaging);
    runAtDeployment(this, functions, service);

    const api = createHttpApi(this, settings);
    addRoutes(api, functions);
    alarmOnFalseProofs(this, alarms);
    alarmOnPartitionGaps(this, alarms);
    for (const { name } of domains) alarmOnFailedJobs(this, alarms, name);
    createAthena(this, data, settings, tieredTablesOf(domains));
    createDashboard(this, settings.stage, plans, messaging);
    new CfnOutput(this, 'Url', { value: api.apiEndpoint });
    new CfnOutput(this, 'ImportsBucket', { value: imports.bucketName });
  }
}
