/** The stacks of a stage as `cdk synth` writes them, and the grants of its functions. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { answer } from '../../local/answers.ts';
import { type Plan, planOf } from '../../local/plan.ts';
import { createResolver, readTemplate, resourcesOf, type Template } from '../../local/template.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const output = await mkdtemp(join(tmpdir(), 'tributary-synth-'));
afterAll(() => rm(output, { recursive: true }));

export function synth(stage: string) {
  const folder = join(output, stage);
  const { status, stderr, stdout } = spawnSync('cdk', ['synth', '--quiet', '-c', `stage=${stage}`, '-o', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  return { folder, status, output: stdout + stderr };
}

export interface Synthesized {
  template: Template;
  text: string;
  plan: Plan;
}

const cloudOnly = [
  'DATABASE_WRITER_HOST',
  'DATABASE_READER_HOST',
  'DATABASE_ANALYTICS_HOST',
  'DATABASE_CLUSTER_ID',
  'REDIS_URL',
];

export async function load(folder: string): Promise<Synthesized> {
  const template = await readTemplate(folder);
  const overrides = Object.fromEntries(cloudOnly.map((name) => [name, 'local']));
  return {
    template,
    text: JSON.stringify(template.stacks),
    plan: planOf(template, { queuesUrl: 'http://queues', overrides }),
  };
}

/** The resources of our functions, without those that the CDK adds. */
export function functionsOf(template: Template) {
  return resourcesOf(template, 'AWS::Lambda::Function').flatMap((one) => {
    const { Variables = {} } = (one.properties.Environment ?? {}) as { Variables?: Record<string, unknown> };
    return typeof Variables.SERVICE === 'string' ? [{ ...one, name: Variables.SERVICE, variables: Variables }] : [];
  });
}

/** The triggers that run a function during a deployment. */
export function triggersOf(template: Template, name: string) {
  const { logicalId } = functionsOf(template).find((one) => one.name === name)!;
  const versions = resourcesOf(template, 'AWS::Lambda::Version')
    .filter(({ properties }) => (properties.FunctionName as { Ref: string }).Ref === logicalId)
    .map((version) => version.logicalId);
  return resourcesOf(template, 'Custom::Trigger').filter(({ properties }) =>
    versions.includes((properties.HandlerArn as { Ref: string }).Ref),
  );
}

export interface Statement {
  actions: string[];
  resources: string[];
}

/** The statements in the policies of a function's role. Queues and the bus appear by name, secrets by logical id. */
export function grantsOf(template: Template, name: string): Statement[] {
  const resolve = createResolver(
    template,
    (resource, logicalId, attribute) => answer(resource, logicalId, attribute, 'http://queues') ?? logicalId,
  );
  const [role] = (
    functionsOf(template).find((one) => one.name === name)!.properties.Role as { 'Fn::GetAtt': string[] }
  )['Fn::GetAtt'];
  return resourcesOf(template, 'AWS::IAM::Policy')
    .filter(({ properties }) => (properties.Roles as { Ref: string }[]).some(({ Ref }) => Ref === role))
    .flatMap(({ stack, properties }) =>
      (properties.PolicyDocument as { Statement: { Action: string | string[]; Resource: unknown }[] }).Statement.map(
        ({ Action, Resource }) => ({
          actions: [Action].flat(),
          resources: [Resource].flat().map((one) => String(resolve(one, stack)).split(/[:/]/).at(-1)!),
        }),
      ),
    );
}

/** The resources on which a function may perform an action. */
export function allowed(template: Template, name: string, action: string): string[] {
  const found = grantsOf(template, name).filter(({ actions }) => actions.includes(action));
  return [...new Set(found.flatMap(({ resources }) => resources))].sort();
}

/** The database role of a secret. */
export function roleOf({ secrets }: Plan, id: string | undefined): string | undefined {
  return id === undefined ? undefined : JSON.parse(secrets.get(id)!.template!).username;
}
