import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';

/** The network: functions reach the internet through NAT, the data subnets reach nothing. */
export function createNetwork(scope: Construct, { network }: Settings): Vpc {
  const vpc = new Vpc(scope, 'Vpc', {
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
  if (network.interfaceEndpoints) addInterfaceEndpoints(vpc);
  return vpc;
}

function addInterfaceEndpoints(vpc: Vpc): void {
  const services = {
    Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    Sqs: InterfaceVpcEndpointAwsService.SQS,
    Events: InterfaceVpcEndpointAwsService.EVENTBRIDGE,
  };
  for (const [name, service] of Object.entries(services)) {
    const endpoint = vpc.addInterfaceEndpoint(name, { service });
    for (const group of endpoint.connections.securityGroups) {
      acknowledge(group, 'EC23', 'Open to this network only. The pack cannot read the range: it is a reference.');
      acknowledge(group, 'CdkNagValidationFailure', 'The address range is a reference that the pack cannot read.');
    }
  }
}
