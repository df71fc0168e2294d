import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { entityTemplatesOf, expandTemplate } from '../../shared/kernel/view.ts';
import { createDatabase } from '../support/database.ts';
import { type Sample, samplesOf, worldOf } from '../support/world.ts';

const { pool } = await createDatabase();

/** Other ways to write a name, as a person, a client, or a gateway might. */
const spellings: ((text: string, at: number) => string)[] = [
  (text) => text.toUpperCase(),
  (text) => text.toLowerCase(),
  (text, at) => swapCase(text, at % text.length),
  (text, at) => padNumber(text, at, '0'),
  (text, at) => padNumber(text, at, '00'),
  (text, at) => padNumber(text, at, '+'),
  (text, at) => padNumber(text, at, '-'),
  (text) => text.replace(/\d+$/, (digits) => `${digits}.0`),
  (text) => text.replace(/\d+$/, (digits) => `${digits}e0`),
  (text) => (/^\d+$/.test(text) ? `0x${BigInt(text).toString(16)}` : text),
  (text) => (text.startsWith('0x') ? text.slice(2) : `0x${text}`),
  (text, at) => digitIn(text, at, 0xff10),
  (text, at) => digitIn(text, at, 0x0660),
  (text, at) => insert(text, at, ' '),
  (text, at) => insert(text, at, '\u00a0'),
  (text, at) => insert(text, at, '\u200b'),
  (text) => `${text}\n`,
  (text) => `${text}\0`,
  (text, at) => encodeAt(text, at),
  (text) => text.normalize('NFD'),
  (text) => `${text}/`,
];

function swapCase(text: string, at: number): string {
  const letter = text[at]!;
  const swapped = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return text.slice(0, at) + swapped + text.slice(at + 1);
}

/** Inserts `padding` before the nth number in a text. */
function padNumber(text: string, nth: number, padding: string): string {
  const starts = [...text.matchAll(/\d+/g)].map(({ index }) => index);
  return starts.length === 0 ? text : insert(text, starts[nth % starts.length]!, padding);
}

function insert(text: string, at: number, added: string): string {
  const place = at % (text.length + 1);
  return text.slice(0, place) + added + text.slice(place);
}

/** Replaces one digit with that of another script, whose zero has the code point `zero`. */
function digitIn(text: string, nth: number, zero: number): string {
  const places = [...text.matchAll(/\d/g)].map(({ index }) => index);
  if (places.length === 0) return text;
  const place = places[nth % places.length]!;
  return text.slice(0, place) + String.fromCodePoint(zero + Number(text[place])) + text.slice(place + 1);
}

/** Percent-encodes one character, as a client that encodes twice would: the gateway decodes only once. */
function encodeAt(text: string, at: number): string {
  const place = at % text.length;
  return `${text.slice(0, place)}%${text.charCodeAt(place).toString(16)}${text.slice(place + 1)}`;
}

describe.each(domains.filter(({ operations }) => Object.values(operations).some(({ cache }) => cache)))(
  '$name',
  (domain) => {
    let samples: Sample[] = [];
    let announced = new Set<string>();
    const tx = pool.connect();
    beforeAll(async () => {
      const client = await tx;
      const world = await worldOf(domain);
      await client.query('begin');
      await world.seed(client);
      await world.settle?.(client);
      const { rows } = await client.query<{ entity: string }>(
        'select distinct unnest(entities) as entity from platform.outbox where xid = pg_current_xact_id()',
      );
      announced = new Set(rows.map(({ entity }) => entity));
      samples = (await samplesOf(domain, world)).filter(({ endpoint }) => endpoint.operation.cache!.kind !== 'ttlOnly');
    });
    afterAll(async () => {
      await (await tx).query('rollback');
      (await tx).release();
    });

    const bodyOf = async ({ endpoint, query }: Sample, path: Record<string, unknown>): Promise<string | undefined> => {
      const statement = endpoint.statement!({ path, query, body: undefined } as never);
      return (await (await tx).query(statement)).rows[0]?.body;
    };

    test('each answer depends on an entity that its own rows announce', async () => {
      for (const sample of samples) {
        if ((await bodyOf(sample, sample.path)) === undefined || Object.keys(sample.path).length === 0) continue;
        expect([sample.name, sample.entities.filter((entity) => announced.has(entity))]).not.toEqual([sample.name, []]);
      }
    });

    test('every accepted spelling of a name gives the same entities', async () => {
      const named = samples.filter(({ path }) => Object.keys(path).length > 0);
      const answers = await Promise.all(named.map((sample) => bodyOf(sample, sample.path)));
      const change = fc.record({
        spell: fc.constantFrom(...spellings),
        at: fc.nat({ max: 80 }),
        name: fc.nat({ max: 3 }),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.nat(named.length - 1),
          fc.array(change, { minLength: 1, maxLength: 3 }),
          async (n, changes) => {
            const sample = named[n]!;
            const path = Object.fromEntries(Object.entries(sample.path).map(([name, value]) => [name, String(value)]));
            for (const { spell, at, name } of changes) {
              const key = Object.keys(path)[name % Object.keys(path).length]!;
              path[key] = spell(path[key]!, at);
            }
            const parsed = sample.endpoint.operation.pathParameters.safeParse(path);
            if (!parsed.success) return;
            const answer = await bodyOf(sample, parsed.data);
            // not another spelling: a different name
            if (answer === undefined || answer !== answers[n]) return;
            const entities = entityTemplatesOf(sample.endpoint.operation.cache!).map((template) =>
              expandTemplate(template, parsed.data),
            );
            expect([path, entities]).toEqual([path, sample.entities]);
          },
        ),
        { numRuns: 1_500 },
      );
    }, 60_000);
  },
);
