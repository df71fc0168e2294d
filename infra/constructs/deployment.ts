/** What runs during a deployment: before all other functions get their new code, and after everything. */
import { createHash } from 'node:crypto';
import { Duration, FileSystem, Stack } from 'aws-cdk-lib';
import { Trigger } from 'aws-cdk-lib/triggers';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { Service, ServiceFunction } from './service-function.ts';

/** Runs the functions that declare it at the start or at the end of each deployment. A failure rolls it back. */
export function runAtDeployment(scope: Construct, functions: readonly ServiceFunction[], service: Service): void {
  const [first, last] = [functionsInvoked(functions, 'before'), functionsInvoked(functions, 'after')];
  for (const fn of last) fn.set('DEPLOYMENT', fingerprintOf(service));
  // the last functions wait for all others already; if they also waited for the first, they would wait for themselves
  const between = functions.filter((fn) => !first.includes(fn) && !last.includes(fn));
  for (const fn of first) createTrigger(scope, fn).executeBefore(...between.map((other) => other.function));
  for (const fn of last) createTrigger(scope, fn).executeAfter(...functions.map((other) => other.function));
  if (first.length + last.length > 0) acknowledgeProvider(Stack.of(scope));
}

function functionsInvoked(functions: readonly ServiceFunction[], when: 'before' | 'after'): ServiceFunction[] {
  return functions.filter(({ plan: { invoked } }) => invoked?.by === 'deployment' && invoked.when === when);
}

function createTrigger(scope: Construct, { plan, function: handler }: ServiceFunction): Trigger {
  return new Trigger(scope, `Trigger-${plan.name}`, { handler, timeout: Duration.seconds(plan.timeoutSeconds) });
}

/** A trigger fires only if its own function has changed, so this one changes with all code and with the database. */
function fingerprintOf({ bundles, data, settings }: Service): string {
  const engine = data.cluster.engine?.engineVersion?.fullVersion;
  const hash = createHash('sha256').update(JSON.stringify([settings.database, engine]));
  for (const [name, folder] of [...bundles].sort()) hash.update(`${name} ${FileSystem.fingerprint(folder)}`);
  return hash.digest('hex').slice(0, 16);
}

function acknowledgeProvider(stack: Stack): void {
  const provider = stack.node.tryFindChild('AWSCDK.TriggerCustomResourceProviderCustomResourceProvider');
  if (!provider) return;
  const reason = 'The CDK creates it for its triggers; its role may invoke only their handlers.';
  const policy = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole';
  acknowledge(provider, `IAM4[Policy::${policy}]`, reason);
  acknowledge(provider, 'IAM5', reason);
  acknowledge(provider, 'L1', 'The CDK chooses its runtime.');
}
