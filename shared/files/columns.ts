import { InvalidInput } from '../kernel/errors.ts';
import { maxColumns } from './record.ts';

/** Alternative column name → column name; ignored if the file also has the column itself. */
export type Aliases = Readonly<Record<string, string>>;

/**
 * The columns of a file by the names in its header.
 *
 * @throws InvalidInput  a column has no name, two have the same, or there are too many
 */
export function columnsNamed(header: readonly string[], aliases: Aliases): string[] {
  if (header.length > maxColumns)
    throw new InvalidInput(`The file has ${header.length} columns. The limit is ${maxColumns}: remove some.`);
  const named = header.map((column) => column.trim());
  const unnamed = named.findIndex((column) => column === '' || column.includes('\0'));
  if (unnamed !== -1)
    throw new InvalidInput(`Column ${unnamed + 1} of the file has no valid name. Name it or remove it.`);
  const columns = named.map((column) => {
    const target = aliases[column];
    return target === undefined || named.includes(target) ? column : target;
  });
  const repeated = columns.find((column, i) => columns.indexOf(column) !== i);
  if (repeated !== undefined) throw new InvalidInput(`The file has the column ${repeated} twice. Remove one.`);
  return columns;
}
