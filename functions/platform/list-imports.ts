import { respond } from '../../shared/http/endpoint.ts';
import { columnsOf, takesOtherColumns } from '../../shared/jobs/columns.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';

/** The datasets that the domains declare for import, with their columns. */
export const listImports = respond(operations.listImports, async () => ({
  imports: domains.flatMap((domain) =>
    Object.values(domain.datasets).map((declared) => ({
      dataset: `${domain.name}.${declared.name}`,
      summary: declared.summary,
      columns: columnsOf(declared).map((column) => ({ ...column, settable: declared.settable.includes(column.name) })),
      otherColumns: takesOtherColumns(declared),
    })),
  ),
}));
