import type { MiddlewareObj } from '@middy/core';
import { Unauthorized } from '../kernel/errors.ts';
import { type Access, operator } from '../kernel/operation.ts';
import type { HttpEvent } from './event.ts';

/** Rejects requests to operator-only operations from anyone else, in case a route lacks its authorizer. */
export function authorize(accessOf: (event: HttpEvent) => Access): MiddlewareObj<HttpEvent> {
  return {
    before: ({ event }) => {
      if (accessOf(event) === 'admin' && event.requestContext.authorizer?.lambda?.role !== operator)
        throw new Unauthorized(
          'This operation requires the operator’s bearer token. Send it in the Authorization header.',
        );
    },
  };
}
