/** The stack with state: network, Aurora, Valkey, the archive, and the secrets. It changes rarely and is never replaced. */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import { type ISecurityGroup, SecurityGroup, type Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { DatabaseCluster } from 'aws-cdk-lib/aws-rds';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { DatabaseRole } from '../../shared/kernel/function.ts';
import { createArchiveBucket } from '../constructs/archive-bucket.ts';
import { createCache } from '../constructs/cache.ts';
import { createDatabase, createEndpoints, type DatabaseHosts } from '../constructs/database.ts';
import { createGeneratedSecret } from '../constructs/generated-secret.ts';
import { createNetwork } from '../constructs/network.ts';
import type { Settings } from '../settings.ts';

/** The roles that the migration creates. The cluster itself creates `owner`. */
export const createdRoles = ['writer', 'worker', 'reader', 'console'] as const;

export class DataStack extends Stack {
  readonly vpc: Vpc;
  readonly key: Key;
  /** The security group of every function in the network. */
  readonly functionsGroup: ISecurityGroup;
  readonly archive: Bucket;
  /** Of each database role. No function connects as `console`. */
  readonly secrets: Readonly<Record<DatabaseRole | 'console', Secret>>;
  readonly redisSecret: Secret;
  readonly redisUrl: string;
  readonly hosts: DatabaseHosts;
  readonly cluster: DatabaseCluster;

  constructor(scope: Construct, id: string, { settings }: { settings: Settings }) {
    super(scope, id);
    this.key = new Key(this, 'Key', { enableKeyRotation: true, description: `tributary ${settings.stage}` });
    this.vpc = createNetwork(this, settings);
    this.functionsGroup = new SecurityGroup(this, 'Functions', { vpc: this.vpc, description: 'The functions' });
    this.secrets = {
      owner: this.createRoleSecret('owner'),
      writer: this.createRoleSecret('writer'),
      worker: this.createRoleSecret('worker'),
      reader: this.createRoleSecret('reader'),
      console: this.createRoleSecret('console'),
    };
    this.redisSecret = createGeneratedSecret(this, 'RedisSecret', this.key, {
      description: 'The password of the cache',
    });
    const props = { settings, vpc: this.vpc, functions: this.functionsGroup, key: this.key };
    const database = { ...props, owner: this.secrets.owner };
    this.cluster = createDatabase(this, database);
    this.hosts = createEndpoints(this, this.cluster, [this.secrets.reader, this.secrets.writer], database);
    this.redisUrl = createCache(this, { ...props, password: this.redisSecret });
    this.archive = createArchiveBucket(this, this.key);
    new CfnOutput(this, 'Archive', { value: this.archive.bucketName });
  }

  private createRoleSecret(role: string): Secret {
    const description = `The database role ${role}`;
    return createGeneratedSecret(this, `${role}Secret`, this.key, { description, values: { username: role } });
  }
}
