import sql from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { newKey } from '../../shared/http/keys.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { keyJson } from './key-json.ts';

/** Issues a key with a token of 256 random bits. The token is in this answer only: its hash is what is stored. */
export const createKey = respond(operations.createKey, async ({ body }) => {
  const { id, token, sha256 } = newKey();
  const { rows } = await inTransaction((tx) =>
    tx.query<{ key: OperationResponse<typeof operations.revokeKey> }>(
      sql`insert into platform.keys as k (id, name, sha256) values (${id}, ${body.name}, ${sha256})
          returning ${keyJson} as key`,
    ),
  );
  return { ...rows[0]!.key, token };
});
