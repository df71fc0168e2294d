import { expect, test } from 'vitest';
import { matches } from '../../local/event-bus.ts';
import { createResolver, type Resource, type Template } from '../../local/template.ts';

const queue: Resource = { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'jobs' } };
const template: Template = {
  assets: new Map(),
  stacks: [
    {
      name: 'Data',
      resources: { Key: { Type: 'AWS::KMS::Key', Properties: {} }, Queue: queue },
      outputs: { Out: { Value: { 'Fn::GetAtt': ['Queue', 'Arn'] }, Export: { Name: 'Data:Arn' } } },
    },
    { name: 'Service', resources: {}, outputs: {} },
  ],
};
const resolve = createResolver(template, ({ Type, Properties }, _, attribute) =>
  Type === 'AWS::SQS::Queue' ? `${attribute ?? 'url'}/${Properties.QueueName}` : undefined,
);
const [data, service] = template.stacks as [Template['stacks'][0], Template['stacks'][0]];

test('resolves references, joins, substitutions, and imports at any depth', () => {
  const value = {
    a: { Ref: 'Queue' },
    b: { 'Fn::GetAtt': 'Queue.Arn' },
    c: { 'Fn::Join': ['-', ['x', { Ref: 'AWS::Region' }]] },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own placeholders
    d: [{ 'Fn::Sub': 'arn:${AWS::Partition}:${Queue.Arn}' }],
    e: { 'Fn::Select': [1, { 'Fn::Split': ['/', { Ref: 'Queue' }] }] },
  };
  expect(resolve(value, data)).toEqual({
    a: 'url/jobs',
    b: 'Arn/jobs',
    c: 'x-us-east-1',
    d: ['arn:aws:Arn/jobs'],
    e: 'jobs',
  });
  expect(resolve({ 'Fn::ImportValue': 'Data:Arn' }, service)).toBe('Arn/jobs');
});

const unresolvable: [value: unknown, message: string][] = [
  [{ x: { Ref: 'Key' } }, 'Data.x: there is no local answer for Key (AWS::KMS::Key).'],
  [{ Ref: 'Nothing' }, 'there is no local answer for Nothing (no such resource)'],
  [{ 'Fn::ImportValue': 'Other' }, 'nothing exports Other'],
  [{ 'Fn::Cidr': ['10.0.0.0/16', 2] }, 'there is no local answer for Fn::Cidr'],
];

test.each(unresolvable)('%o is an error that names it', (value, message) => {
  expect(() => resolve(value, data)).toThrow(message);
});

test('rules match exact values, prefixes, and nested fields; other conditions are an error', () => {
  const event = { source: 'tributary', 'detail-type': 'nft_transferred', detail: { type: 'a' } };
  expect(matches({ source: ['tributary'] }, event)).toBe(true);
  expect(matches({ source: ['other'] }, event)).toBe(false);
  expect(matches({ 'detail-type': [{ prefix: 'nft_' }], detail: { type: ['a', 'b'] } }, event)).toBe(true);
  expect(() => matches({ source: [{ 'anything-but': 'x' }] }, event)).toThrow('is not supported');
});
