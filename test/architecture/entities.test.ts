import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import type { Domain } from '../../shared/kernel/declaration.ts';
import { kindOf } from '../support/world.ts';

/** What is wrong with the entity kinds of some domains, each with what to do about it. */
function faultsIn(all: readonly Domain[]): string[] {
  const owners = new Map<string, string>();
  const faults: string[] = [];
  for (const { name, entities } of all) {
    for (const kind of Object.keys(entities)) {
      const owner = owners.get(kind);
      if (owner !== undefined)
        faults.push(
          `Both ${owner} and ${name} declare the entity kind \`${kind}\`. Rename it in one of them: in its domain.ts, ` +
            'cache.ts, events.ts and tables.ts, and by a migration in the functions that announce it.',
        );
      owners.set(kind, name);
    }
  }
  for (const domain of all) {
    const used = usesOf(domain);
    for (const [where, kind] of used) {
      if (kind in domain.entities) continue;
      const owner = owners.get(kind);
      faults.push(
        owner === undefined
          ? `${where} uses the entity kind \`${kind}\`, which no domain declares. Add it to \`entities\` in ` +
              `functions/${domain.name}/domain.ts, with what a fence on it hides.`
          : `${where} uses the entity kind \`${kind}\`, which belongs to ${owner}. Use a kind of ${domain.name}'s own, ` +
              `declared under \`entities\` in functions/${domain.name}/domain.ts.`,
      );
    }
    for (const kind of Object.keys(domain.entities)) {
      if (kind === '*' || used.some(([, one]) => one === kind)) continue;
      faults.push(
        `Nothing in ${domain.name} uses its entity kind \`${kind}\`. Remove it from functions/${domain.name}/domain.ts.`,
      );
    }
  }
  return faults;
}

/** The kinds a domain's views, events and tables name, and where. A template such as `{entity}` names none. */
function usesOf({ name, operations, events, tables }: Domain): [where: string, kind: string][] {
  const uses: [string, readonly string[]][] = [
    ...operations.map(({ operationId, cache }): [string, readonly string[]] => [
      `${name}.${operationId}`,
      cache ? [cache.entity, ...(cache.dependsOn ?? [])] : [],
    ]),
    ...events.map(({ type, entities }): [string, readonly string[]] => [`The event ${type}`, entities]),
    ...tables.map((table): [string, readonly string[]] => [
      `The table ${name}.${table.name}`,
      'ttlOnly' in table.announces ? [] : table.announces,
    ]),
  ];
  return uses.flatMap(([where, templates]) =>
    templates.filter((one) => !one.startsWith('{')).map((one): [string, string] => [where, kindOf(one)]),
  );
}

test('every entity kind has one owner, and a domain uses none but its own', () => {
  expect(faultsIn(domains)).toEqual([]);
});

const [first, second] = domains as readonly [Domain, Domain, ...Domain[]];
const view = { operationId: 'getThing', cache: { entity: 'things:{id}', ttl: 'hot' } } as never;
const planted: [fault: string, domains: Domain[], said: RegExp][] = [
  [
    'a kind with two owners',
    [first, { ...second, entities: { ...second.entities, users: 'Users.' } }],
    /^Both \w+ and \w+ declare the entity kind `users`\. Rename it/,
  ],
  [
    'a kind nobody declares',
    [{ ...first, operations: [...first.operations, view] }],
    /^\w+\.getThing uses the entity kind `things`, which no domain declares\. Add it/,
  ],
  [
    'a kind of another domain',
    [
      { ...first, entities: { ...first.entities, things: 'Things.' }, operations: [...first.operations, view] },
      { ...second, operations: [view] },
    ],
    /^\w+\.getThing uses the entity kind `things`, which belongs to \w+\. Use a kind of/,
  ],
  ['a kind nothing uses', [{ ...first, entities: { ...first.entities, rests: 'Rests.' } }], /^Nothing in \w+ uses/],
];

test.each(planted)('%s is reported, with what to do', (_, all, said) => {
  expect(faultsIn(all)).toContainEqual(expect.stringMatching(said));
});
