import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { needsCredentials } from '../../shared/kernel/upstream.ts';
import type { FunctionPlan } from '../functions.ts';
import { acknowledge } from './acknowledge.ts';

/** The secrets whose values an operator supplies after the first deployment. */
export interface ExternalSecrets {
  adminToken: Secret;
  /** By the upstream's name. */
  upstreams: ReadonlyMap<string, Secret>;
}

export function createExternalSecrets(scope: Construct, key: IKey, plans: readonly FunctionPlan[]): ExternalSecrets {
  const create = (id: string, description: string) => {
    const secret = new Secret(scope, id, { description, encryptionKey: key });
    acknowledge(secret, 'SMG4', 'A third party or the operator issues and rotates it.');
    return secret;
  };
  const needed = plans.flatMap((plan) => plan.upstreams).filter(needsCredentials);
  const upstreams = new Map(needed.map((one) => [one.name, one]));
  return {
    adminToken: create('AdminToken', `The hash of the operator's bearer token: {"sha256": "…"}`),
    upstreams: new Map(
      [...upstreams].map(([name, { secret }]) => [
        name,
        create(`${name}Secret`, `Credentials of ${name}: {${keysOf(secret.shape)}}`),
      ]),
    ),
  };
}

function keysOf(shape: object): string {
  return Object.keys(shape)
    .map((key) => `"${key}": "…"`)
    .join(', ');
}
