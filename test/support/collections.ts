import { createTestDomain } from './test-domain.ts';

/** The collections domain under test. Its upstreams do not respond, unless the environment says where they are. */
export function createCollections(environment: Record<string, string> = {}) {
  return createTestDomain('collections', environment);
}
