/** A client for Neynar: Farcaster users by id. Responses are validated. */
import * as z from 'zod';
import { address } from '../../../shared/kernel/address.ts';
import { NotFound, Upstream } from '../../../shared/kernel/errors.ts';
import { upstreamText } from '../../../shared/kernel/text.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { neynar } from '../../upstreams/neynar.ts';
import type { UserRecord } from '../record-users.ts';

/** Users, and those that are not as Neynar describes them, with the reason. */
export interface Users {
  rows: UserRecord[];
  /** `fid` is undefined if even that is malformed. */
  rejected: { fid: number | undefined; reason: string; row: unknown }[];
}

export interface Neynar {
  /** A user; undefined if there is none with this id. @throws Upstream  the user is malformed */
  getUser(fid: number): Promise<UserRecord | undefined>;
  /** The users with these ids, at most 100. Unknown ids are left out. @throws NotFound  the endpoint is gone */
  getUsers(fids: readonly number[]): Promise<Users>;
}

export const user = z.object({
  fid: z.number().int().positive(),
  username: upstreamText,
  display_name: upstreamText,
  pfp_url: upstreamText,
  verified_addresses: z.object({ eth_addresses: z.array(address).nullish() }).nullish(),
});

const page = z.object({ users: z.array(z.unknown()) });

/** The Neynar client of this container. */
export function getNeynar(): Promise<Neynar> {
  return connectUpstream(neynar, createNeynar);
}

/** Creates a Neynar client. */
export function createNeynar({ baseUrl, credentials, request, expect }: Connection<typeof neynar>): Neynar {
  const getUsers = async (fids: readonly number[]): Promise<Users> => {
    const operation = 'bulk';
    const url = `${baseUrl}/v2/farcaster/user/${operation}/?${new URLSearchParams({ fids: fids.join(',') })}`;
    const headers = { 'x-api-key': (await credentials()).apiKey };
    return toUsers(expect(operation, page, await request({ operation, url, headers })).users);
  };
  return {
    getUsers,
    async getUser(fid) {
      const { rows, rejected } = await getUsers([fid]).catch((error: unknown): Users => {
        if (error instanceof NotFound) return { rows: [], rejected: [] };
        throw error;
      });
      if (rejected[0]) throw new Upstream(`neynar bulk: user ${fid} is malformed: ${rejected[0].reason}`);
      return rows[0];
    },
  };
}

function toUsers(found: readonly unknown[]): Users {
  const users: Users = { rows: [], rejected: [] };
  for (const row of found) {
    const parsed = user.safeParse(row);
    if (parsed.success) users.rows.push(toUser(parsed.data));
    else
      users.rejected.push({
        fid: user.pick({ fid: true }).safeParse(row).data?.fid,
        reason: reasonIn(parsed.error),
        row,
      });
  }
  return users;
}

const reasonIn = ({ issues }: z.ZodError) =>
  issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ');

function toUser(one: z.output<typeof user>): UserRecord {
  return {
    fid: one.fid,
    username: one.username ?? null,
    displayName: one.display_name ?? null,
    imageUrl: one.pfp_url ?? null,
    wallets: one.verified_addresses?.eth_addresses ? [...new Set(one.verified_addresses.eth_addresses)] : null,
  };
}
