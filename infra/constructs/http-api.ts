import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { type CfnStage, type CorsHttpMethod, HttpApi, type HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaAuthorizer, HttpLambdaResponseType } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import type { Operation } from '../../shared/kernel/operation.ts';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';
import type { ServiceFunction } from './service-function.ts';

/** The HTTP API of a stage, with its throttling and access logs. */
export function createHttpApi(scope: Construct, settings: Settings): HttpApi {
  const methods = new Set(domains.flatMap(operationsOf).map(({ method }) => method));
  const api = new HttpApi(scope, 'Api', {
    apiName: `tributary-${settings.stage}`,
    corsPreflight: {
      allowOrigins: ['*'],
      allowMethods: [...methods].map((method) => method as CorsHttpMethod),
      allowHeaders: ['content-type', 'authorization', 'if-none-match', 'x-correlation-id'],
      exposeHeaders: ['etag', 'x-cache', 'x-served-by', 'x-source', 'as-of', 'x-correlation-id'],
      maxAge: Duration.hours(1),
    },
  });
  const logs = new LogGroup(scope, 'AccessLogs', {
    retention: settings.logDays as RetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const stage = api.defaultStage!.node.defaultChild as CfnStage;
  stage.defaultRouteSettings = {
    throttlingRateLimit: settings.api.requestsPerSecond,
    throttlingBurstLimit: settings.api.burst,
  };
  stage.accessLogSettings = { destinationArn: logs.logGroupArn, format: accessLogFormat };
  return api;
}

const accessLogFormat = JSON.stringify({
  requestId: '$context.requestId',
  ip: '$context.identity.sourceIp',
  route: '$context.routeKey',
  status: '$context.status',
  latencyMs: '$context.responseLatency',
  bytes: '$context.responseLength',
  at: '$context.requestTimeEpoch',
});

/** A route from each operation to its domain's function; the operator's routes are behind the authorizer. */
export function addRoutes(api: HttpApi, functions: readonly ServiceFunction[]): void {
  const authorizer = createAuthorizer(functions);
  for (const domain of domains) {
    const name = `${domain.name}-api`;
    const { function: handler } = functions.find(({ plan }) => plan.name === name)!;
    const integration = new HttpLambdaIntegration(name, handler);
    for (const { method, path, access, operationId } of operationsOf(domain)) {
      const [route] = api.addRoutes({
        path,
        methods: [method as HttpMethod],
        integration,
        ...(access === 'admin' ? { authorizer } : {}),
      });
      if (access === 'public') acknowledge(route!, 'APIG4', `${operationId} is public.`);
      if (access === 'key') acknowledge(route!, 'APIG4', `${operationId} checks the owner’s key itself.`);
      if (access === 'signed') acknowledge(route!, 'APIG4', `${operationId} checks a signature over the body itself.`);
    }
  }
}

function createAuthorizer(functions: readonly ServiceFunction[]): HttpLambdaAuthorizer {
  const authorizer = functions.find(({ plan }) => plan.invoked?.by === 'authorizer');
  if (!authorizer) throw new Error('No function declares that it is invoked as the authorizer.');
  return new HttpLambdaAuthorizer('Operator', authorizer.function, {
    responseTypes: [HttpLambdaResponseType.SIMPLE],
    resultsCacheTtl: Duration.seconds(0),
  });
}

function operationsOf({ operations }: Domain): Operation[] {
  return Object.values(operations);
}
