import { createRoom } from './room.ts';

/** The collections room under test; its upstreams are not there unless the environment says where. */
export function createCollections(environment: Record<string, string> = {}) {
  return createRoom('collections', {
    UPSTREAM_ALCHEMY_URL: 'http://127.0.0.1:1',
    UPSTREAM_ALCHEMY_SECRET_ARN: 'alchemy',
    UPSTREAM_NEYNAR_URL: 'http://127.0.0.1:1',
    UPSTREAM_NEYNAR_SECRET_ARN: 'neynar',
    ...environment,
  });
}
