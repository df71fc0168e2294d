/** A stand-in for Neynar: Farcaster users by id and by verified address. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import type { StandIn } from './stand-in.ts';
import { createPeople, type User, type World, worldSeed } from './world.ts';

export interface NeynarStandIn {
  url: string;
  /** What its secret holds. */
  secret: { apiKey: string };
  faults: FaultSwitch;
  stop(): Promise<void>;
}

/** Users whose wallets are those of Alchemy's stand-in. */
export const standIn = {
  start: () => startNeynar({ world: createPeople(worldSeed), apiKey: randomBytes(12).toString('hex') }),
} satisfies StandIn<NeynarStandIn>;

const maxFids = 100;
const registeredAt = '2023-05-01T00:00:00.000Z';

export interface NeynarOptions {
  world: Pick<World, 'users'>;
  apiKey: string;
}

export async function startNeynar({ world, apiKey }: NeynarOptions): Promise<NeynarStandIn> {
  const faults = createFaultSwitch();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://neynar');
    if (pathname === '/__faults') {
      faults.set((await readJson(request)) as Faults | undefined);
      return respond(response, 200, {}, undefined);
    }
    if (request.headers['x-api-key'] !== apiKey)
      return respond(response, 401, { message: 'Incorrect or missing API key' }, undefined);
    const { status, body } = answer(world, pathname, searchParams);
    return respond(response, status, body, faults.next());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    secret: { apiKey },
    faults,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  world: NeynarOptions['world'],
  path: string,
  query: URLSearchParams,
): { status: number; body: unknown } {
  if (path === '/v2/farcaster/user/bulk/') {
    const fids = (query.get('fids') ?? '').split(',').map(Number);
    if (fids.length > maxFids) return { status: 400, body: { message: `At most ${maxFids} fids` } };
    return { status: 200, body: { users: world.users.filter(({ fid }) => fids.includes(fid)).map(toUser) } };
  }
  return { status: 404, body: { message: 'Not found' } };
}

function toUser({ fid, username, displayName, wallets }: User) {
  return {
    object: 'user',
    fid,
    username,
    display_name: displayName,
    pfp_url: `https://cdn.example.com/users/${fid}.png`,
    custody_address: wallets[0]!,
    registered_at: registeredAt,
    profile: { bio: { text: `Collects things as ${displayName}.` } },
    follower_count: fid % 977,
    following_count: fid % 311,
    verifications: wallets,
    verified_addresses: {
      eth_addresses: wallets,
      sol_addresses: [],
      primary: { eth_address: wallets[0]!, sol_address: null },
    },
    auth_addresses: [],
    verified_accounts: [],
    score: 0.5,
  };
}
