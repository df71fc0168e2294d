import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/** A secret with a generated `password`, besides the given values. */
export function createGeneratedSecret(
  scope: Construct,
  id: string,
  key: IKey,
  { description, values = {} }: { description: string; values?: Record<string, string> },
): Secret {
  const secret = new Secret(scope, id, {
    description,
    encryptionKey: key,
    generateSecretString: {
      secretStringTemplate: JSON.stringify(values),
      generateStringKey: 'password',
      excludePunctuation: true,
      passwordLength: 40,
    },
  });
  acknowledge(
    secret,
    'SMG4',
    'Rotated by the runbook: the migration sets the new password, and functions read it within five minutes.',
  );
  return secret;
}
