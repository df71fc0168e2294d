import type pg from 'pg';
import type { SnowflakeStandIn } from '../../local/upstreams/snowflake.ts';

/** The rows of wallet_holdings: wallet, moment, whether it is locked, and its last event in microseconds since 1970. */
export async function storedHoldings(pool: pg.Pool): Promise<string[][]> {
  const { rows } = await pool.query(`
    select wallets.wallet_name(h.wallet_address) as wallet, h.nft_id::text as nft, h.is_locked::text as locked,
      (extract(epoch from h.last_event_ts) * 1000000)::bigint::text as at
    from wallets.wallet_holdings h where h.wallet_address is not null order by h.wallet_address, h.nft_id`);
  return rows.map(({ wallet, nft, locked, at }) => [wallet, nft, locked, at]);
}

/** The warehouse's current holdings, in the same form. */
export function warehouseHoldings({ world }: SnowflakeStandIn): string[][] {
  const table = world.tables.get('WALLET_HOLDINGS')!.open();
  return Array.from({ length: table.count }, (_, place) => {
    const [wallet, nft, locked, at] = table.row(place) as string[];
    return [wallet!, nft!, locked!, at!.replace('.', '').slice(0, 16)];
  });
}
