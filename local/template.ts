/**
 * What `cdk synth` wrote: both stacks' resources, and a resolver for the references between them. A reference without a
 * local answer is an error that names it, never a guess.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  DependsOn?: string[];
}

export interface Stack {
  name: string;
  resources: Record<string, Resource>;
  outputs: Record<string, { Value: unknown; Export?: { Name: unknown } }>;
}

export interface Template {
  stacks: Stack[];
  /** The folder of an asset, by its hash. */
  assets: Map<string, string>;
}

/** Answers a Ref (no attribute) or GetAtt of a resource; undefined if there is no answer. */
export type Answer = (resource: Resource, logicalId: string, attribute: string | undefined) => string | undefined;

/** Reads both stacks and their assets from the folder that `cdk synth` wrote. @throws Error  it has no template */
export async function readTemplate(folder: string): Promise<Template> {
  const files = await readdir(folder);
  const json = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8'));
  const stacks: Stack[] = [];
  const assets = new Map<string, string>();
  for (const file of files) {
    if (file.endsWith('.template.json')) {
      const { Resources = {}, Outputs = {} } = await json(file);
      stacks.push({ name: file.slice(0, -'.template.json'.length), resources: Resources, outputs: Outputs });
    }
    if (file.endsWith('.assets.json')) {
      const { files: found } = (await json(file)) as { files: Record<string, { source: { path: string } }> };
      for (const [hash, { source }] of Object.entries(found)) assets.set(hash, join(folder, source.path));
    }
  }
  if (stacks.length === 0) throw new Error(`There is no template in ${folder}. Run npm run synth.`);
  return { stacks, assets };
}

/** The resources of a type, with their stack and logical id. */
export function resourcesOf(
  template: Template,
  type: string,
): { stack: Stack; logicalId: string; properties: Record<string, unknown>; dependsOn: string[] }[] {
  return template.stacks.flatMap((stack) =>
    Object.entries(stack.resources)
      .filter(([, resource]) => resource.Type === type)
      .map(([logicalId, { Properties = {}, DependsOn = [] }]) => ({
        stack,
        logicalId,
        properties: Properties,
        dependsOn: DependsOn,
      })),
  );
}

const pseudoParameters: Record<string, string> = {
  'AWS::Region': 'us-east-1',
  'AWS::AccountId': '000000000000',
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'local',
};

/** Resolves the references in a value of a stack's template. `path` names the value in errors. */
export type Resolve = (value: unknown, stack: Stack, path?: string) => unknown;

/** A resolver of the intrinsic functions that our templates use. */
export function createResolver(template: Template, answer: Answer): Resolve {
  return function resolve(value: unknown, stack: Stack, path = stack.name): unknown {
    if (Array.isArray(value)) return value.map((one, i) => resolve(one, stack, `${path}[${i}]`));
    if (typeof value !== 'object' || value === null) return value;
    const [name, argument, ...more] = Object.entries(value).flat();
    if (more.length === 0 && typeof name === 'string' && (name === 'Ref' || name.startsWith('Fn::'))) {
      return resolveIntrinsic(name, argument, stack, path);
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, resolve(inner, stack, `${path}.${key}`)]),
    );
  };

  function resolveIntrinsic(name: string, argument: unknown, stack: Stack, path: string): unknown {
    const resolveHere = (value: unknown) => createResolver(template, answer)(value, stack, path);
    switch (name) {
      case 'Ref':
        return pseudoParameters[String(argument)] ?? attribute(stack, String(argument), undefined, path);
      case 'Fn::GetAtt': {
        const [logicalId, ...names] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return attribute(stack, logicalId!, names.join('.'), path);
      }
      case 'Fn::Join': {
        const [separator, parts] = argument as [string, unknown[]];
        return (resolveHere(parts) as string[]).join(separator);
      }
      case 'Fn::Sub':
        return String(argument).replace(/\$\{([^}]+)\}/g, (_, inner: string) =>
          String(resolveHere(inner.includes('.') ? { 'Fn::GetAtt': inner } : { Ref: inner })),
        );
      case 'Fn::ImportValue':
        return imported(String(resolveHere(argument)), path);
      case 'Fn::Select': {
        const [index, list] = argument as [number, unknown];
        return (resolveHere(list) as unknown[])[Number(index)];
      }
      case 'Fn::Split': {
        const [separator, text] = argument as [string, unknown];
        return String(resolveHere(text)).split(separator);
      }
      default:
        throw new Error(`${path}: there is no local answer for ${name}.`);
    }
  }

  function attribute(stack: Stack, logicalId: string, name: string | undefined, path: string): string {
    const resource = stack.resources[logicalId];
    const found = resource && answer(resource, logicalId, name);
    if (found === undefined) {
      throw new Error(
        `${path}: there is no local answer for ${logicalId}${name ? `.${name}` : ''} (${resource?.Type ?? 'no such resource'}).`,
      );
    }
    return found;
  }

  function imported(name: string, path: string): unknown {
    for (const stack of template.stacks) {
      const output = Object.values(stack.outputs).find(({ Export }) => Export?.Name === name);
      if (output) return createResolver(template, answer)(output.Value, stack, path);
    }
    throw new Error(`${path}: nothing exports ${name}.`);
  }
}
