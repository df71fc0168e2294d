/** A fact about a committed change, named in the past tense: a type of outbox row, published on the bus. */
export interface EventDeclaration {
  /** `holdings_changed`. */
  type: string;
  summary: string;
  /** Templates of the entities it names. An event carries nothing else: consumers read what they need. */
  entities: readonly string[];
}

/** Declares the events of a domain. The type is the key in snake_case: `holdings_changed` for `holdingsChanged`. */
export function defineEvents<Specs extends Record<string, Omit<EventDeclaration, 'type'>>>(
  specs: Specs,
): { readonly [Key in keyof Specs & string]: EventDeclaration } {
  return Object.fromEntries(
    Object.entries(specs).map(([key, spec]) => [key, { type: toSnakeCase(key), ...spec }]),
  ) as never;
}

/** `holdings_changed` for `holdingsChanged`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
