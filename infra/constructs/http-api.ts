import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { type CfnStage, CorsHttpMethod, HttpApi, type HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaAuthorizer, HttpLambdaResponseType } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { domains } from '../../functions/registry.ts';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';

/** The HTTP API of a stage, with its throttling and access logs. */
export function createHttpApi(scope: Construct, settings: Settings): HttpApi {
  const api = new HttpApi(scope, 'Api', {
    apiName: `tributary-${settings.stage}`,
    corsPreflight: {
      allowOrigins: ['*'],
      allowMethods: [CorsHttpMethod.GET, CorsHttpMethod.POST],
      allowHeaders: ['content-type', 'authorization', 'if-none-match', 'x-correlation-id'],
      exposeHeaders: ['etag', 'x-cache', 'x-source', 'as-of', 'x-correlation-id'],
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
  stage.accessLogSettings = {
    destinationArn: logs.logGroupArn,
    format: JSON.stringify({
      requestId: '$context.requestId',
      ip: '$context.identity.sourceIp',
      route: '$context.routeKey',
      status: '$context.status',
      latencyMs: '$context.responseLatency',
      bytes: '$context.responseLength',
      at: '$context.requestTimeEpoch',
    }),
  };
  return api;
}

/** A route for each operation of the domains, to its domain's function; the operator's behind the authorizer. */
export function addRoutes(api: HttpApi, functionNamed: (name: string) => IFunction): void {
  const authorizer = new HttpLambdaAuthorizer('Operator', functionNamed('authorize'), {
    responseTypes: [HttpLambdaResponseType.SIMPLE],
    resultsCacheTtl: Duration.seconds(0),
  });
  for (const domain of domains) {
    const integration = new HttpLambdaIntegration(`${domain.name}-api`, functionNamed(`${domain.name}-api`));
    for (const { method, path, access, operationId } of domain.operations) {
      const [route] = api.addRoutes({
        path,
        methods: [method as HttpMethod],
        integration,
        ...(access === 'admin' ? { authorizer } : {}),
      });
      if (access === 'public') acknowledge(route!, 'APIG4', `${operationId} is for everybody.`);
      if (access === 'signed') acknowledge(route!, 'APIG4', `${operationId} checks a signature over the body itself.`);
    }
  }
}
