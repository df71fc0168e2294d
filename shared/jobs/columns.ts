import type * as z from 'zod';
import type { ImportDeclaration } from '../kernel/declaration.ts';

/** What a declaration says of its columns. */
export function columnsOf(declaration: ImportDeclaration): { name: string; required: boolean }[] {
  const { shape } = declaration.row as z.ZodObject;
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    required: !(schema as z.ZodType).safeParse(undefined).success,
  }));
}

/** Whether columns beyond the named ones are taken. */
export function takesOtherColumns(declaration: ImportDeclaration): boolean {
  const catchall = (declaration.row as z.ZodObject).def.catchall as z.ZodType | undefined;
  return catchall !== undefined && catchall.def.type !== 'never';
}
