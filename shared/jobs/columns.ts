import type * as z from 'zod';
import type { DatasetDeclaration } from '../kernel/dataset.ts';

/** The columns of a dataset, and whether each is required. */
export function columnsOf(dataset: DatasetDeclaration): { name: string; required: boolean }[] {
  const { shape } = dataset.row as z.ZodObject;
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    required: !(schema as z.ZodType).safeParse(undefined).success,
  }));
}

/** Whether a dataset accepts columns beyond its own. */
export function takesOtherColumns(dataset: DatasetDeclaration): boolean {
  const catchall = (dataset.row as z.ZodObject).def.catchall as z.ZodType | undefined;
  return catchall !== undefined && catchall.def.type !== 'never';
}
