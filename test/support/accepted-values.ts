/**
 * Random values that a zod schema accepts, for tests that whatever passes a schema fits the tables behind it. The schema's
 * bounds are drawn on purpose, and so is what tends to be forgotten: NUL, halves of surrogate pairs, the largest integers
 * of each width, amounts of zero and below, times far away.
 */
import fc from 'fast-check';
import * as z from 'zod';

/**
 * What a schema accepts, before its transformations.
 *
 * @throws Error  none of the candidates is accepted: add one
 */
export function acceptedBy<Schema extends z.ZodType>(schema: Schema): fc.Arbitrary<z.input<Schema>> {
  return from(schema) as fc.Arbitrary<z.input<Schema>>;
}

/** Whether the reader of files lets a record pass: it rejects what no text column can hold. */
export function isReadable(record: object): boolean {
  return Object.entries(record)
    .flat()
    .every((text: unknown) => typeof text !== 'string' || (text.isWellFormed() && !text.includes('\0')));
}

function from(schema: z.ZodType): fc.Arbitrary<unknown> {
  const structured = fromStructure(schema);
  if (structured) return fc.noBias(structured.filter((value) => schema.safeParse(value).success));
  return oneOfAccepted(schema, candidates(describe(schema)));
}

/** The bounds of a single value. */
function describe(schema: z.ZodType): Leaf {
  const { $defs = {}, ...leaf } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return leaf.$ref === undefined ? leaf : $defs[leaf.$ref.replace('#/$defs/', '')]!;
}

/** Values of a schema that is made of others; undefined if it is a single value. */
function fromStructure(schema: z.ZodType): fc.Arbitrary<unknown> | undefined {
  if (schema instanceof z.ZodObject) return fromObject(schema);
  if (schema instanceof z.ZodArray) return fc.array(from(schema.element as z.ZodType), { maxLength: 5 });
  if (schema instanceof z.ZodRecord)
    return fc.dictionary(from(schema.keyType as z.ZodType).map(String), from(schema.valueType as z.ZodType), {
      maxKeys: 5,
    });
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.options.map((option) => from(option as z.ZodType)));
  if (schema instanceof z.ZodNullable) return fc.option(from(schema.unwrap() as z.ZodType));
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return fc.option(from(schema.unwrap() as z.ZodType), { nil: undefined });
  if (schema instanceof z.ZodReadonly) return from(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodLazy) return from(schema.unwrap() as z.ZodType);
  // what a pipe accepts also depends on its end, so only structures are entered
  if (schema instanceof z.ZodPipe) return fromStructure(schema.in as z.ZodType);
  return undefined;
}

function fromObject({ shape, def }: z.ZodObject): fc.Arbitrary<object> {
  const fields = Object.entries(shape).map(([name, field]) => [name, field as z.ZodType] as const);
  const required = fields.filter(([, field]) => !field.safeParse(undefined).success).map(([name]) => name);
  const known = fc.record(Object.fromEntries(fields.map(([name, field]) => [name, from(field)])), {
    requiredKeys: required,
  });
  const { catchall } = def;
  if (catchall === undefined || catchall instanceof z.ZodNever) return known;
  const others = fc.dictionary(fc.oneof(text(20), fc.string({ minLength: 1 })), from(catchall as z.ZodType), {
    maxKeys: 5,
  });
  return fc.tuple(others, known).map(([other, one]) => ({ ...other, ...one }));
}

/** Of the candidates, those of which the schema accepts some, without what it does not accept. */
function oneOfAccepted(schema: z.ZodType, all: fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown> {
  const accepts = (value: unknown) => schema.safeParse(value).success;
  // biased towards its ends, a candidate might yield nothing that is accepted
  const unbiased = all.map((one) => fc.noBias(one));
  const some = unbiased.filter((one) => fc.sample(one, { numRuns: 100, seed: 1 }).filter(accepts).length > 10);
  if (some.length === 0) throw new Error(`No candidate is accepted by ${JSON.stringify(describe(schema))}.`);
  return fc.oneof(...some.map((one) => one.filter(accepts)));
}

type Leaf = z.core.JSONSchema.BaseSchema;

function candidates(leaf: Leaf): fc.Arbitrary<unknown>[] {
  if (leaf.const !== undefined) return [fc.constant(leaf.const)];
  if (leaf.enum !== undefined) return [fc.constantFrom(...leaf.enum)];
  switch (leaf.type) {
    case 'string':
      return strings(leaf);
    case 'number':
    case 'integer':
      return numbers(leaf);
    case 'boolean':
      return [fc.boolean()];
    case 'null':
      return [fc.constant(null)];
    default:
      return [...strings(leaf), ...numbers(leaf), fc.boolean(), fc.jsonValue()];
  }
}

const widths = [2n ** 15n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 2n ** 256n].flatMap((limit) => [
  limit - 1n,
  limit,
  -limit,
  -limit - 1n,
]);
const integers = [0n, 1n, -1n, ...widths];

function numbers({ minimum = -Number.MAX_VALUE, maximum = Number.MAX_VALUE }: Leaf): fc.Arbitrary<unknown>[] {
  const [low, high] = [Math.max(minimum, Number.MIN_SAFE_INTEGER), Math.min(maximum, Number.MAX_SAFE_INTEGER)];
  return [
    fc.constantFrom(minimum, maximum),
    fc.constantFrom(...integers.map(Number)),
    fc.maxSafeInteger().map((n) => low + (Math.abs(n) % (high - low + 1))),
    fc.double(),
  ];
}

function strings({ pattern, allOf = [], maxLength = 1_000 }: Leaf): fc.Arbitrary<unknown>[] {
  const patterns = [pattern, ...allOf.map((one) => (one as Leaf).pattern)].filter((one) => one !== undefined);
  const at = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  return [
    ...patterns.map((one) => fc.stringMatching(new RegExp(one))),
    text(maxLength),
    ...['\0', '\ud800', '\udfff', '😀', 'é', ' ', '\\u0000', 'a'].map((unit) =>
      fc
        .constantFrom(1, 2, maxLength, Math.floor(maxLength / unit.length))
        .map((length) => unit.repeat(length).slice(0, maxLength)),
    ),
    fc.webUrl(),
    fc.constantFrom('ipfs://Qm/1', 'data:,x', 'ar://x'),
    fc.constantFrom(...integers.map(String)),
    fc.bigInt().map(String),
    fc.tuple(fc.bigInt(), fc.nat()).map(([whole, fraction]) => `${whole}.${fraction}`),
    at,
    at.map((iso) => iso.slice(0, iso.indexOf('T'))),
    at.map((iso) => iso.replace('Z', '999Z')),
    fc.date({ noInvalidDate: true }).map((date) => String(Math.floor(date.getTime() / 1_000))),
    fc.constantFrom(
      '0001-01-01T00:00:00Z',
      '-000001-01-01T00:00:00Z',
      '-271821-04-20T00:00:00Z',
      '+275760-09-13T00:00:00Z',
      '1970-01-01',
      '2100-01-01 00:00:00',
    ),
    ...[16, 40, 64].flatMap((digits) => [
      fc.constantFrom('0', 'f').map((one) => `0x${one.repeat(digits)}`),
      fc.stringMatching(new RegExp(`^0x[0-9a-fA-F]{${digits}}$`)),
    ]),
  ];
}

/** Any UTF-16 units, also those that are no characters. */
function text(maxLength: number): fc.Arbitrary<string> {
  const unit = fc.oneof(fc.nat({ max: 127 }), fc.nat({ max: 0xffff })).map((code) => String.fromCharCode(code));
  return fc.string({ unit, maxLength });
}
