/** A fact about a committed change, in the past tense: one type of outbox row and of message on the bus. */
export interface EventDeclaration {
  /** `holdings_changed`. */
  type: string;
  summary: string;
  /** The templates of the entities it names. An event says nothing else: consumers read what they need. */
  entities: readonly string[];
}

/** Declares the events of a domain. The key gives the type: `holdingsChanged` is `holdings_changed`. */
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
