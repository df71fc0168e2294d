import sql from 'sql-template-tag';

/** A row `k` of `platform.keys` as the API shows it, without its hash. */
export const keyJson = sql`jsonb_build_object('id', k.id, 'name', k.name, 'createdAt', platform.iso(k.created_at),
  'revokedAt', platform.iso(k.revoked_at))`;
