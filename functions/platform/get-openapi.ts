import type { Endpoint } from '../../shared/http/endpoint.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';
import { describeApi } from './openapi.ts';

let document: string | undefined;

/** The OpenAPI document, derived from the contracts of this deployment. */
export const getOpenapi: Endpoint<'getOpenapi'> = {
  operation: operations.getOpenapi,
  async handle() {
    document ??= JSON.stringify(describeApi(domains));
    return {
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' },
      body: document,
    };
  },
};
