import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** Creates the wallets that are not known yet, and returns the ids of all by their addresses (`0x…`, lower case). */
export async function recordWallets(
  tx: Transaction,
  addresses: Iterable<string>,
): Promise<ReadonlyMap<string, number>> {
  const bytes = [...new Set(addresses)].map(toBytes);
  const known = await findWallets(tx, bytes);
  if (known.size === bytes.length) return known;
  // in the order of the key, so that two transactions never wait for each other
  await tx.query(
    `insert into portfolio.wallets (address)
     select given.address from unnest($1::bytea[]) as given (address)
     where not exists (select from portfolio.wallets w where w.address = given.address)
     order by given.address on conflict (address) do nothing`,
    [bytes],
  );
  return findWallets(tx, bytes);
}

async function findWallets(tx: Transaction, addresses: readonly Buffer[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.query<{ id: number; address: string }>(
    'select id, portfolio.wallet_name(address) as address from portfolio.wallets where address = any($1)',
    [addresses],
  );
  return new Map(rows.map(({ id, address }) => [address, id]));
}
