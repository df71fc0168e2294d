import type { APIGatewayProxyEventV2 } from 'aws-lambda';

/** The event of an HTTP API, and what its authorizer said. */
export type HttpEvent = APIGatewayProxyEventV2 & {
  requestContext: { authorizer?: { lambda?: { role?: string } | null } };
};
