/** The HTTP API of the template: its routes, their authorizers, and CORS. */
import { type Resolve, resourcesOf, type Template } from './template.ts';

export interface Route {
  /** `GET /v1/collections/{address}` */
  key: string;
  functionName: string;
  authorizer?: string;
}

/** A route's target joins an integration's Ref; the integration's URI holds the function's ARN, like an authorizer's. */
export function routePlans(
  template: Template,
  resolve: Resolve,
  functionNamed: (logicalId: string) => string,
): Route[] {
  const functionsBehind = (type: string, uri: string) =>
    new Map(
      resourcesOf(template, type).map(({ stack, logicalId, properties }) => {
        const arn = JSON.stringify(resolve(properties[uri], stack));
        return [logicalId, functionNamed(/function:([\w-]+)/.exec(arn)?.[1] ?? '')];
      }),
    );
  const integrations = functionsBehind('AWS::ApiGatewayV2::Integration', 'IntegrationUri');
  const authorizers = functionsBehind('AWS::ApiGatewayV2::Authorizer', 'AuthorizerUri');
  return resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(({ stack, properties }) => {
    const integration = String(resolve(properties.Target, stack)).split('/').at(-1)!;
    const functionName = integrations.get(integration);
    if (!functionName) throw new Error(`${properties.RouteKey} has no integration ${integration}.`);
    const authorizer =
      properties.AuthorizerId === undefined
        ? undefined
        : authorizers.get(String(resolve(properties.AuthorizerId, stack)));
    return { key: String(properties.RouteKey), functionName, ...(authorizer ? { authorizer } : {}) };
  });
}

/** The headers that API Gateway adds to every response. */
export function corsHeaders(template: Template): Record<string, string> {
  const [api] = resourcesOf(template, 'AWS::ApiGatewayV2::Api');
  const cors = (api?.properties.CorsConfiguration ?? {}) as Record<string, string[] | undefined>;
  const headers: Record<string, string> = {};
  for (const [header, property] of [
    ['origin', 'AllowOrigins'],
    ['methods', 'AllowMethods'],
    ['headers', 'AllowHeaders'],
  ] as const) {
    if (cors[property]) headers[`access-control-allow-${header}`] = cors[property].join(',');
  }
  if (cors.ExposeHeaders) headers['access-control-expose-headers'] = cors.ExposeHeaders.join(',');
  return headers;
}
