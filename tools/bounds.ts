/** Whether the values of a query parameter are bounded, by its JSON Schema. */
import * as z from 'zod';

interface Schema {
  type?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxItems?: number;
  pattern?: string;
  enum?: unknown[];
  const?: unknown;
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  additionalProperties?: Schema | boolean;
  properties?: Record<string, Schema>;
  $defs?: Record<string, Schema>;
}

/** The parameters of a query that have no bound; `*` for those that it only allows. */
export function unboundedIn(query: z.ZodObject): string[] {
  // coerced numbers have their bounds in the output schema, transformed strings in the input schema
  const [input, output] = (['input', 'output'] as const).map(
    (io) => z.toJSONSchema(query, { io, unrepresentable: 'any' }) as Schema,
  );
  const isBounded = (schema: Schema, of: Schema) => bounded(schema, of.$defs ?? {});
  const named = Object.keys(query.shape).filter(
    (name) =>
      !isBounded(input!.properties?.[name] ?? {}, input!) && !isBounded(output!.properties?.[name] ?? {}, output!),
  );
  const others = input!.additionalProperties;
  return typeof others === 'object' && Object.keys(others).length > 0 && !isBounded(others, input!)
    ? [...named, '*']
    : named;
}

function bounded(schema: Schema, definitions: Record<string, Schema>): boolean {
  if (schema.$ref !== undefined) return bounded(definitions[schema.$ref.split('/').at(-1)!] ?? {}, definitions);
  if (schema.enum !== undefined || schema.const !== undefined) return true;
  if (schema.anyOf) return schema.anyOf.every((one) => bounded(one, definitions));
  if (schema.allOf?.some((one) => bounded(one, definitions))) return true;
  switch (schema.type) {
    case 'string':
      return schema.maxLength !== undefined || isBoundedPattern(schema.pattern);
    case 'integer':
    case 'number':
      return (
        // zod gives every integer the safe integers as its range
        (schema.minimum ?? schema.exclusiveMinimum ?? Number.MIN_SAFE_INTEGER) > Number.MIN_SAFE_INTEGER &&
        (schema.maximum ?? schema.exclusiveMaximum ?? Number.MAX_SAFE_INTEGER) < Number.MAX_SAFE_INTEGER
      );
    case 'array':
      return schema.maxItems !== undefined && bounded(schema.items ?? {}, definitions);
    default:
      return schema.type === 'boolean' || schema.type === 'null';
  }
}

/** Whether a pattern is anchored and bounds its repetitions. */
function isBoundedPattern(pattern: string | undefined): boolean {
  if (pattern === undefined || !pattern.startsWith('^') || !pattern.endsWith('$')) return false;
  const withoutLiterals = pattern.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  return !/[*+]|\{\d+,\}/.test(withoutLiterals) && !hasTopLevelChoice(withoutLiterals);
}

/** Whether a pattern is a choice as a whole, like `^a|b$`: each of its parts is anchored on one side only. */
function hasTopLevelChoice(pattern: string): boolean {
  let depth = 0;
  for (const character of pattern) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (character === '|' && depth === 0) return true;
  }
  return false;
}
