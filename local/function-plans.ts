/** The functions of the template: their bundles, limits, and settings, and which run before a deployment. */
import { type Resolve, resourcesOf, type Stack, type Template } from './template.ts';

export interface FunctionPlan {
  name: string;
  /** The folder of its asset. */
  folder: string;
  timeoutMs: number;
  memoryMb: number;
  environment: Record<string, string>;
}

/** Our functions by logical id, without those that the CDK adds. */
export function functionPlans(
  template: Template,
  resolve: Resolve,
  overrides: Readonly<Record<string, string>>,
): Map<string, FunctionPlan> {
  const plans = new Map<string, FunctionPlan>();
  for (const { stack, logicalId, properties } of resourcesOf(template, 'AWS::Lambda::Function')) {
    const variables = variablesOf(properties);
    const name = variables.SERVICE;
    if (typeof name !== 'string') continue;
    plans.set(logicalId, {
      name,
      folder: assetOf(template, name, properties),
      timeoutMs: Number(properties.Timeout ?? 3) * 1_000,
      memoryMb: Number(properties.MemorySize ?? 128),
      environment: environmentOf(variables, overrides, (value, variable) =>
        String(resolve(value, stack, `${name} ${variable}`)),
      ),
    });
  }
  return plans;
}

/** The names of the upstreams that some function calls, in lower case: each `<name>` of an `UPSTREAM_<NAME>_URL`. */
export function upstreamsIn(template: Template): string[] {
  const variables = resourcesOf(template, 'AWS::Lambda::Function').flatMap(({ properties }) =>
    Object.keys(variablesOf(properties)),
  );
  const names = variables.flatMap((name) => /^UPSTREAM_(\w+)_URL$/.exec(name)?.[1]?.toLowerCase() ?? []);
  return [...new Set(names)].sort();
}

/** The functions that a deployment runs before it updates others: those wait for its trigger. */
export function runBeforeOthers(template: Template, functions: ReadonlyMap<string, FunctionPlan>): string[] {
  const awaited = new Set(resourcesOf(template, 'AWS::Lambda::Function').flatMap(({ dependsOn }) => dependsOn));
  return resourcesOf(template, 'Custom::Trigger')
    .filter(({ logicalId }) => awaited.has(logicalId))
    .flatMap(({ stack, properties }) => functions.get(handlerOf(stack, properties))?.name ?? []);
}

/** A trigger names a version, which names the function. */
function handlerOf(stack: Stack, { HandlerArn }: Record<string, unknown>): string {
  const version = stack.resources[(HandlerArn as { Ref: string }).Ref];
  return (version?.Properties.FunctionName as { Ref: string } | undefined)?.Ref ?? '';
}

function variablesOf(properties: Record<string, unknown>): Record<string, unknown> {
  return ((properties.Environment ?? {}) as { Variables?: Record<string, unknown> }).Variables ?? {};
}

function environmentOf(
  variables: Record<string, unknown>,
  overrides: Readonly<Record<string, string>>,
  resolve: (value: unknown, name: string) => string,
): Record<string, string> {
  const resolved = Object.entries(variables).map(([name, value]) => [name, overrides[name] ?? resolve(value, name)]);
  return Object.fromEntries(resolved.filter(([, value]) => value !== ''));
}

function assetOf(template: Template, name: string, properties: Record<string, unknown>): string {
  const hash = (properties.Code as { S3Key: string }).S3Key.replace(/\.zip$/, '');
  const folder = template.assets.get(hash);
  if (!folder) throw new Error(`${name}: there is no asset ${hash}.`);
  return folder;
}
