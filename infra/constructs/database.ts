import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { type ISecurityGroup, type IVpc, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  AuroraPostgresEngineVersion,
  CfnDBClusterEndpoint,
  type CfnDBInstance,
  CfnDBProxyEndpoint,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseProxy,
  ParameterGroup,
  ProxyTarget,
} from 'aws-cdk-lib/aws-rds';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';

export const databaseName = 'tributary';

export interface DatabaseProps {
  settings: Settings;
  vpc: IVpc;
  /** The security group that may connect to the database. */
  functions: ISecurityGroup;
  key: IKey;
  owner: Secret;
}

const isolated = { subnetType: SubnetType.PRIVATE_ISOLATED };

/** The Aurora cluster of a stage: a writer, the API's readers, and a reader reserved for analytics. */
export function createDatabase(scope: Construct, props: DatabaseProps): DatabaseCluster {
  const { database } = props.settings;
  const engine = DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_18_4 });
  const cluster = new DatabaseCluster(scope, 'Database', {
    engine,
    parameterGroup: new ParameterGroup(scope, 'Parameters', { engine, description: 'tributary', parameters }),
    credentials: Credentials.fromSecret(props.owner, 'owner'),
    defaultDatabaseName: databaseName,
    writer: ClusterInstance.serverlessV2('writer'),
    readers: [
      ...Array.from({ length: database.apiReaders }, (_, i) =>
        ClusterInstance.serverlessV2(`reader${i + 1}`, { scaleWithWriter: true }),
      ),
      ...(database.analyticsReader ? [ClusterInstance.serverlessV2('analytics', { scaleWithWriter: false })] : []),
    ],
    serverlessV2MinCapacity: database.minCapacity,
    serverlessV2MaxCapacity: database.maxCapacity,
    vpc: props.vpc,
    vpcSubnets: isolated,
    storageEncrypted: true,
    storageEncryptionKey: props.key,
    iamAuthentication: true,
    backup: { retention: Duration.days(database.backupDays) },
    deletionProtection: database.deletionProtection,
    removalPolicy: database.deletionProtection ? RemovalPolicy.RETAIN : RemovalPolicy.SNAPSHOT,
    cloudwatchLogsExports: ['postgresql'],
  });
  cluster.connections.allowFrom(props.functions, Port.tcp(5432), 'functions');
  if (!database.deletionProtection)
    acknowledge(cluster, 'RDS10', 'The stage is disposable; a snapshot is kept when it is deleted.');
  acknowledge(cluster, 'RDS11', 'Only its own subnets can reach the port; another number would hide nothing.');
  return cluster;
}

const parameters = {
  shared_preload_libraries: 'pg_stat_statements',
  'rds.force_ssl': '1',
  log_min_duration_statement: '1000',
  idle_in_transaction_session_timeout: '60000',
};

/** host[:port] that functions connect to. */
export interface DatabaseHosts {
  writer: string;
  reader: string;
  analytics: string;
}

/** The endpoints of a cluster. The roles of the API connect to readers through a proxy, where the stage has one. */
export function createEndpoints(
  scope: Construct,
  cluster: DatabaseCluster,
  proxiedRoles: Secret[],
  { settings, vpc, functions }: DatabaseProps,
): DatabaseHosts {
  const { database, stage } = settings;
  const writer = cluster.clusterEndpoint.hostname;
  const readers = database.apiReaders > 0 ? cluster.clusterReadEndpoint.hostname : writer;
  const analytics = database.analyticsReader ? createAnalyticsEndpoint(scope, cluster, stage) : readers;
  if (!database.proxy) return { writer, reader: readers, analytics };
  const securityGroup = new SecurityGroup(scope, 'ProxyGroup', { vpc, description: 'The database proxy' });
  securityGroup.addIngressRule(functions, Port.tcp(5432), 'functions');
  const proxy = new DatabaseProxy(scope, 'Proxy', {
    proxyTarget: ProxyTarget.fromCluster(cluster),
    secrets: proxiedRoles,
    vpc,
    vpcSubnets: isolated,
    securityGroups: [securityGroup],
    requireTLS: true,
    maxConnectionsPercent: 80,
  });
  const reader = new CfnDBProxyEndpoint(scope, 'ProxyReader', {
    dbProxyName: proxy.dbProxyName,
    dbProxyEndpointName: `tributary-${stage}-reader`,
    targetRole: 'READ_ONLY',
    vpcSubnetIds: vpc.selectSubnets(isolated).subnetIds,
    vpcSecurityGroupIds: [securityGroup.securityGroupId],
  });
  return { writer, reader: reader.attrEndpoint, analytics };
}

function createAnalyticsEndpoint(scope: Construct, cluster: DatabaseCluster, stage: string): string {
  const instance = cluster.node.findChild('analytics').node.defaultChild as CfnDBInstance;
  // the last to be promoted, so that long queries do not share an instance with the writer
  instance.promotionTier = 15;
  const endpoint = new CfnDBClusterEndpoint(scope, 'Analytics', {
    dbClusterEndpointIdentifier: `tributary-${stage}-analytics`,
    dbClusterIdentifier: cluster.clusterIdentifier,
    customEndpointType: 'READER',
    staticMembers: [instance.ref],
  });
  return endpoint.attrEndpoint;
}
