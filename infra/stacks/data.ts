/** What holds state: network, Aurora, Valkey, the archive and the secrets. It changes rarely and is never replaced. */
import { CfnOutput, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache';
import { Key } from 'aws-cdk-lib/aws-kms';
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
import { BlockPublicAccess, Bucket, BucketEncryption, StorageClass } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { acknowledge } from '../constructs/acknowledge.ts';
import type { Settings } from '../settings.ts';

export const databaseName = 'tributary';

/** The roles of the database; `owner` is the cluster's own. */
export const databaseRoles = ['writer', 'reader', 'console'] as const;
export type DatabaseRole = 'owner' | (typeof databaseRoles)[number];

export class DataStack extends Stack {
  readonly vpc: Vpc;
  readonly key: Key;
  readonly functionsGroup: ISecurityGroup;
  readonly archive: Bucket;
  readonly secrets: Record<DatabaseRole, Secret>;
  readonly redisSecret: Secret;
  readonly redisUrl: string;
  /** host[:port] of what functions connect to. */
  readonly hosts: { writer: string; reader: string; analytics: string };
  readonly cluster: DatabaseCluster;

  constructor(scope: Construct, id: string, { settings }: { settings: Settings }) {
    super(scope, id);
    this.key = new Key(this, 'Key', { enableKeyRotation: true, description: `tributary ${settings.stage}` });
    this.vpc = this.createNetwork(settings);
    this.functionsGroup = new SecurityGroup(this, 'Functions', { vpc: this.vpc, description: 'The functions' });
    this.secrets = {
      owner: this.roleSecret('owner'),
      writer: this.roleSecret('writer'),
      reader: this.roleSecret('reader'),
      console: this.roleSecret('console'),
    };
    this.cluster = this.createDatabase(settings);
    this.hosts = this.createEndpoints(settings);
    this.redisSecret = this.secret('RedisSecret', 'The password of the cache', '{}', 'password');
    this.redisUrl = this.createCache(settings);
    this.archive = this.createArchive();
    new CfnOutput(this, 'Archive', { value: this.archive.bucketName });
  }

  private createNetwork({ network, logDays }: Settings): Vpc {
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: network.natGateways,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 24 },
        { name: 'functions', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
        { name: 'data', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      flowLogs: { all: { destination: FlowLogDestination.toCloudWatchLogs() } },
      restrictDefaultSecurityGroup: false,
    });
    vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 });
    if (network.interfaceEndpoints && logDays > 0) {
      const services = {
        Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
        Sqs: InterfaceVpcEndpointAwsService.SQS,
        Events: InterfaceVpcEndpointAwsService.EVENTBRIDGE,
      };
      for (const [name, service] of Object.entries(services)) {
        const endpoint = vpc.addInterfaceEndpoint(name, { service });
        for (const group of endpoint.connections.securityGroups) {
          acknowledge(
            group,
            'EC23',
            'Open to the addresses of this network alone, which the pack cannot read out of a reference.',
          );
          acknowledge(group, 'CdkNagValidationFailure', 'The address range is a reference that the pack cannot read.');
        }
      }
    }
    return vpc;
  }

  private secret(id: string, description: string, template: string, key: string): Secret {
    const secret = new Secret(this, id, {
      description,
      encryptionKey: this.key,
      generateSecretString: {
        secretStringTemplate: template,
        generateStringKey: key,
        excludePunctuation: true,
        passwordLength: 40,
      },
    });
    acknowledge(
      secret,
      'SMG4',
      'Rotated by the runbook: the migration function sets the new password, functions take it up within five minutes.',
    );
    return secret;
  }

  private roleSecret(role: string): Secret {
    return this.secret(`${role}Secret`, `The database role ${role}`, JSON.stringify({ username: role }), 'password');
  }

  private createDatabase({ database }: Settings): DatabaseCluster {
    const engine = DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_18_4 });
    const parameterGroup = new ParameterGroup(this, 'Parameters', {
      engine,
      description: 'tributary',
      parameters: {
        shared_preload_libraries: 'pg_stat_statements',
        'rds.force_ssl': '1',
        log_min_duration_statement: '1000',
        idle_in_transaction_session_timeout: '60000',
      },
    });
    // the proxy, the API and the analysts read from different instances; tier 15 is the last to be promoted
    const readers = [
      ...Array.from({ length: database.apiReaders }, (_, i) =>
        ClusterInstance.serverlessV2(`reader${i + 1}`, { scaleWithWriter: true }),
      ),
      ...(database.analyticsReader ? [ClusterInstance.serverlessV2('analytics', { scaleWithWriter: false })] : []),
    ];
    const cluster = new DatabaseCluster(this, 'Database', {
      engine,
      parameterGroup,
      credentials: Credentials.fromSecret(this.secrets.owner, 'owner'),
      defaultDatabaseName: databaseName,
      writer: ClusterInstance.serverlessV2('writer'),
      readers,
      serverlessV2MinCapacity: database.minCapacity,
      serverlessV2MaxCapacity: database.maxCapacity,
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      storageEncrypted: true,
      storageEncryptionKey: this.key,
      iamAuthentication: true,
      backup: { retention: Duration.days(database.backupDays) },
      deletionProtection: database.deletionProtection,
      removalPolicy: database.deletionProtection ? RemovalPolicy.RETAIN : RemovalPolicy.SNAPSHOT,
      cloudwatchLogsExports: ['postgresql'],
    });
    cluster.connections.allowFrom(this.functionsGroup, Port.tcp(5432), 'functions');
    if (!database.deletionProtection)
      acknowledge(cluster, 'RDS10', 'A stage that is made and thrown away; a snapshot is kept.');
    acknowledge(
      cluster,
      'RDS11',
      'Nobody outside its own subnets can reach the port; another number would hide nothing.',
    );
    return cluster;
  }

  private createEndpoints({ database, stage }: Settings): DataStack['hosts'] {
    const writer = this.cluster.clusterEndpoint.hostname;
    const plainReader = database.apiReaders > 0 ? this.cluster.clusterReadEndpoint.hostname : writer;
    const analytics = database.analyticsReader ? this.createAnalyticsEndpoint(stage) : plainReader;
    const reader = database.proxy ? this.createProxyEndpoint(stage) : plainReader;
    return { writer, reader, analytics };
  }

  private createAnalyticsEndpoint(stage: string): string {
    const instance = this.cluster.node.findChild('analytics').node.defaultChild as CfnDBInstance;
    // the last to be promoted: long queries are not to meet the writer's work
    instance.promotionTier = 15;
    const endpoint = new CfnDBClusterEndpoint(this, 'Analytics', {
      dbClusterEndpointIdentifier: `tributary-${stage}-analytics`,
      dbClusterIdentifier: this.cluster.clusterIdentifier,
      customEndpointType: 'READER',
      staticMembers: [instance.ref],
    });
    return endpoint.attrEndpoint;
  }

  private createProxyEndpoint(stage: string): string {
    const securityGroup = new SecurityGroup(this, 'ProxyGroup', { vpc: this.vpc, description: 'The database proxy' });
    securityGroup.addIngressRule(this.functionsGroup, Port.tcp(5432), 'functions');
    const proxy = new DatabaseProxy(this, 'Proxy', {
      proxyTarget: ProxyTarget.fromCluster(this.cluster),
      secrets: [this.secrets.reader, this.secrets.writer],
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [securityGroup],
      requireTLS: true,
      maxConnectionsPercent: 80,
    });
    const endpoint = new CfnDBProxyEndpoint(this, 'ProxyReader', {
      dbProxyName: proxy.dbProxyName,
      dbProxyEndpointName: `tributary-${stage}-reader`,
      targetRole: 'READ_ONLY',
      vpcSubnetIds: this.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
      vpcSecurityGroupIds: [securityGroup.securityGroupId],
    });
    return endpoint.attrEndpoint;
  }

  private createCache({ cache }: Settings): string {
    const securityGroup = new SecurityGroup(this, 'CacheGroup', { vpc: this.vpc, description: 'The cache' });
    securityGroup.addIngressRule(this.functionsGroup, Port.tcp(6379), 'functions');
    const subnets = new CfnSubnetGroup(this, 'CacheSubnets', {
      description: 'tributary',
      subnetIds: this.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
    });
    const parameters = new CfnParameterGroup(this, 'CacheParameters', {
      cacheParameterGroupFamily: 'valkey8',
      description: 'tributary',
      properties: { 'maxmemory-policy': 'allkeys-lru' },
    });
    const group = new CfnReplicationGroup(this, 'Cache', {
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
      authToken: this.redisSecret.secretValueFromJson('password').unsafeUnwrap(),
      kmsKeyId: this.key.keyId,
      cacheSubnetGroupName: subnets.ref,
      cacheParameterGroupName: parameters.ref,
      securityGroupIds: [securityGroup.securityGroupId],
      autoMinorVersionUpgrade: true,
    });
    if (cache.replicas === 0)
      acknowledge(group, 'AEC4', 'A stage that may lose its cache: reads go on from the database.');
    acknowledge(group, 'AEC5', 'Nobody outside its own subnets can reach the port; another number would hide nothing.');
    return `rediss://${group.attrPrimaryEndPointAddress}:${group.attrPrimaryEndPointPort}`;
  }

  private createArchive(): Bucket {
    const bucket = new Bucket(this, 'ArchiveBucket', {
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      enforceSSL: true,
      versioned: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        {
          // readable at once, unlike the other Glacier classes: a query over the years reads it
          transitions: [{ storageClass: StorageClass.GLACIER_INSTANT_RETRIEVAL, transitionAfter: Duration.days(30) }],
          noncurrentVersionExpiration: Duration.days(90),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
    });
    acknowledge(
      bucket,
      'S1',
      'Read by this service alone; its calls are in CloudTrail’s data events, where these are wanted.',
    );
    return bucket;
  }
}
