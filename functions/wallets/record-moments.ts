import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { settleEditions } from './record-catalogue.ts';

/** What a moment is: one of an edition. The names are given where the source has them with the moment. */
export interface MomentRecord {
  nftId: string;
  setId: number;
  playId: number;
  serialNumber: number;
  setName?: string | null;
  tier?: string | null;
  playerName?: string | null;
  teamName?: string | null;
}

const columns = {
  nft_id: 'bigint',
  set_id: 'integer',
  play_id: 'integer',
  serial_number: 'integer',
  set_name: 'text',
  tier: 'text',
  player_name: 'text',
  team_name: 'text',
} as const;

/**
 * Records what moments are, and with them the editions nobody has named yet. What stands already is not written again.
 *
 * @source Snowflake NFT_CORE_METADATA, or the import `wallets.moments`
 */
export async function recordMoments(tx: Transaction, records: readonly MomentRecord[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_moments',
    columns,
    records.map((one) => [
      one.nftId,
      one.setId,
      one.playId,
      one.serialNumber,
      one.setName,
      one.tier,
      one.playerName,
      one.teamName,
    ]),
  );
  const editions = await tx.query(`
    insert into wallets.editions as e (set_id, play_id, set_name, tier, player_name, team_name)
    select s.*
    from (
      select distinct on (set_id, play_id) set_id, play_id, set_name, tier, player_name, team_name
      from pg_temp.staged_moments order by set_id, play_id, position desc
    ) as s left join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
    where e.id is null
      or (coalesce(s.set_name, e.set_name), coalesce(s.tier, e.tier), coalesce(s.player_name, e.player_name), coalesce(s.team_name, e.team_name))
        is distinct from (e.set_name, e.tier, e.player_name, e.team_name)
    order by s.set_id, s.play_id
    on conflict (set_id, play_id) do update set
      set_name = coalesce(excluded.set_name, e.set_name), tier = coalesce(excluded.tier, e.tier),
      player_name = coalesce(excluded.player_name, e.player_name), team_name = coalesce(excluded.team_name, e.team_name)`);
  if (editions.rowCount !== 0) await settleEditions(tx);
  const { rowCount } = await tx.query(`
    insert into wallets.nft_core_metadata (nft_id, edition_id, serial_number)
    select distinct on (s.nft_id) s.nft_id, e.id, s.serial_number
    from pg_temp.staged_moments s
      join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
      left join wallets.nft_core_metadata m on m.nft_id = s.nft_id
    where (m.edition_id, m.serial_number) is distinct from (e.id, s.serial_number)
    order by s.nft_id, s.position desc
    on conflict (nft_id) do update set edition_id = excluded.edition_id, serial_number = excluded.serial_number`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: records.length - applied };
}
