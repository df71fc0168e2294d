import type { MiddlewareObj } from '@middy/core';
import { Unauthorized } from '../kernel/errors.ts';
import { type Access, operator } from '../kernel/operation.ts';
import type { HttpEvent } from './api.ts';

/** Refuses an operator's operation to anybody else, should a route ever lack its authorizer. */
export function authorize(accessOf: (event: HttpEvent) => Access): MiddlewareObj<HttpEvent> {
  return {
    before: ({ event }) => {
      if (accessOf(event) === 'admin' && event.requestContext.authorizer?.lambda?.role !== operator)
        throw new Unauthorized('This operation needs the operator’s bearer token.');
    },
  };
}
