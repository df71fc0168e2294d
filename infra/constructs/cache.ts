import { type ISecurityGroup, type IVpc, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';

export interface CacheProps {
  settings: Settings;
  vpc: IVpc;
  /** The security group that may connect to the cache. */
  functions: ISecurityGroup;
  key: IKey;
  password: Secret;
}

/** The Valkey cache of a stage; returns its address, without the password. */
export function createCache(scope: Construct, { settings: { cache }, vpc, functions, key, password }: CacheProps) {
  const securityGroup = new SecurityGroup(scope, 'CacheGroup', { vpc, description: 'The cache' });
  securityGroup.addIngressRule(functions, Port.tcp(6379), 'functions');
  const subnets = new CfnSubnetGroup(scope, 'CacheSubnets', {
    description: 'tributary',
    subnetIds: vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
  });
  const parameters = new CfnParameterGroup(scope, 'CacheParameters', {
    cacheParameterGroupFamily: 'valkey8',
    description: 'tributary',
    properties: { 'maxmemory-policy': 'allkeys-lru' },
  });
  const group = new CfnReplicationGroup(scope, 'Cache', {
    replicationGroupDescription: 'tributary',
    engine: 'valkey',
    engineVersion: '8.0',
    cacheNodeType: cache.nodeType,
    numNodeGroups: 1,
    replicasPerNodeGroup: cache.replicas,
    automaticFailoverEnabled: cache.replicas > 0,
    multiAzEnabled: cache.replicas > 0,
    atRestEncryptionEnabled: true,
    transitEncryptionEnabled: true,
    authToken: password.secretValueFromJson('password').unsafeUnwrap(),
    kmsKeyId: key.keyId,
    cacheSubnetGroupName: subnets.ref,
    cacheParameterGroupName: parameters.ref,
    securityGroupIds: [securityGroup.securityGroupId],
    autoMinorVersionUpgrade: true,
  });
  if (cache.replicas === 0)
    acknowledge(group, 'AEC4', 'The stage may lose its cache: reads then come from the database.');
  acknowledge(group, 'AEC5', 'Only its own subnets can reach the port; another number would hide nothing.');
  return `rediss://${group.attrPrimaryEndPointAddress}:${group.attrPrimaryEndPointPort}`;
}
