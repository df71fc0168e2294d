import sql from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { keyJson } from './key-json.ts';

/**
 * Revokes a key. From then on its token is refused, and its alerts neither fire nor are delivered. Revoking it again
 * changes nothing.
 *
 * @throws NotFound  there is no such key
 */
export const revokeKey = respond(operations.revokeKey, async ({ path }) => {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ key: OperationResponse<typeof operations.revokeKey> }>(
      sql`update platform.keys as k set revoked_at = coalesce(k.revoked_at, now()) where k.id = ${path.id}
          returning ${keyJson} as key`,
    ),
  );
  if (!rows[0]) throw new NotFound(`There is no key ${path.id}.`);
  return rows[0].key;
});
