import sql from 'sql-template-tag';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';

/** What identifies a token: its chain and contract, or its symbol where no contract is known. */
export interface TokenReference {
  chain: string | null;
  /** 20 bytes. */
  address: Buffer | null;
  symbol: string | null;
  name?: string | null;
}

/** The key of a token, as `portfolio.token_key` spells it. */
export function tokenKeyOf({ chain, address, symbol }: TokenReference): string {
  return `${chain === null ? '' : `${chain}:`}${address === null ? symbol!.toLowerCase() : `0x${address.toString('hex')}`}`;
}

const stagedTokens = new TemporaryTable('staged_tokens', {
  chain: 'text',
  address: 'bytea',
  symbol: 'text',
  name: 'text',
});

/**
 * Creates the tokens that are not known yet, and returns the ids of all by their keys. A symbol or name that is known stays,
 * and one that is missing is added.
 */
export async function recordTokens(
  tx: Transaction,
  tokens: Iterable<TokenReference>,
): Promise<ReadonlyMap<string, number>> {
  const byKey = new Map<string, TokenReference>();
  for (const token of tokens) {
    const before = byKey.get(tokenKeyOf(token));
    const [symbol, name] = [token.symbol ?? before?.symbol ?? null, token.name ?? before?.name ?? null];
    byKey.set(tokenKeyOf(token), { ...token, symbol, name });
  }
  const keys = [...byKey.keys()];
  const known = await findTokens(tx, keys);
  await nameTokens(tx, byKey);
  const unknown = [...byKey].filter(([key]) => !known.has(key)).map(([, token]) => token);
  if (unknown.length === 0) return known;
  await stagedTokens.fill(tx, unknown, (one) => ({
    chain: one.chain,
    address: one.address,
    symbol: one.symbol,
    name: one.name ?? null,
  }));
  // in the order of the key, so that two transactions never wait for each other
  await tx.query(sql`
    insert into portfolio.tokens (chain, address, symbol, name)
    select chain, address, symbol, name from ${stagedTokens}
    order by portfolio.token_key(chain, address, symbol) on conflict (key) do nothing`);
  return findTokens(tx, keys);
}

async function nameTokens(tx: Transaction, byKey: ReadonlyMap<string, TokenReference>): Promise<void> {
  const named = [...byKey].filter(([, { symbol, name }]) => symbol !== null || (name ?? null) !== null);
  const [keys, symbols, names] = [
    named.map(([key]) => key),
    named.map(([, { symbol }]) => symbol),
    named.map(([, { name }]) => name ?? null),
  ];
  // in the order of the key, so that two transactions never wait for each other
  await tx.query(sql`
    with nameless as (
      select t.id, g.symbol, g.name
      from portfolio.tokens t join unnest(${keys}::text[], ${symbols}::text[], ${names}::text[]) as g (key, symbol, name) on g.key = t.key
      where (t.symbol is null and g.symbol is not null) or (t.name is null and g.name is not null)
      order by t.key for update of t
    )
    update portfolio.tokens t set symbol = coalesce(t.symbol, n.symbol), name = coalesce(t.name, n.name)
    from nameless n where n.id = t.id`);
}

async function findTokens(tx: Transaction, keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.query<{ id: number; key: string }>(
    sql`select id, key from portfolio.tokens where key = any(${keys})`,
  );
  return new Map(rows.map(({ id, key }) => [key, id]));
}
