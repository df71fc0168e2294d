/** The domains: one line each. Infrastructure, documentation and checks derive everything else from these. */
import { collections } from './collections/domain.ts';
import { platform } from './platform/domain.ts';

export const domains = [collections, platform] as const;
