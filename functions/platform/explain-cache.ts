import { respond } from '../../shared/http/endpoint.ts';
import { getCache } from '../../shared/resources.ts';
import * as contract from './contract.ts';

/**
 * Why the cached answers of an entity are, or are not, served: its fence, each view's snapshot, the verdict.
 *
 * @throws Unavailable  Redis does not answer (retryable)
 */
export const explainCache = respond(contract.explainCache, async ({ query }) =>
  (await getCache()).explain(query.entity),
);
