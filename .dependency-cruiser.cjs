/** Who may import whom. Each rule is shown to catch a planted breach in test/architecture/. */
const domains = '^functions/(?!platform/|upstreams/|registry)([^/]+)/';
const declarations = [
  '^functions/([^/]+/(contract|datasets|domain|events|functions|jobs|shapes|tables)|upstreams/[^/]+|registry)\\.ts$',
  // a part of a large contract: `alert-contract.ts`
  '^functions/[^/]+/[a-z]+-(contract|shapes)\\.ts$',
];

module.exports = {
  forbidden: [
    {
      name: 'kernel-is-pure',
      comment: 'The kernel imports itself, zod and the pure parts of Node only.',
      severity: 'error',
      from: { path: '^shared/kernel/' },
      to: { pathNot: ['^shared/kernel/', '(^|/)node_modules/zod/', '^(node:)?(crypto|buffer)$'] },
    },
    {
      name: 'shared-names-no-domain',
      comment: 'What all domains share knows none of them.',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(functions|infra|local|test|bench|tools)/' },
    },
    {
      name: 'domains-meet-at-events-and-contracts',
      comment: 'A domain may know the events and the contract of another, nothing else.',
      severity: 'error',
      from: { path: domains },
      to: { path: domains, pathNot: ['^functions/$1/', '^functions/[^/]+/(events|contract)\\.ts$'] },
    },
    {
      name: 'domains-do-not-know-the-platform',
      comment: 'The platform serves the domains through the registry; no domain imports it or the registry.',
      severity: 'error',
      from: { path: domains },
      to: { path: '^functions/(platform/|registry)' },
    },
    {
      name: 'platform-knows-domains-through-the-registry',
      comment: 'The platform sees declarations only, and all of them at once.',
      severity: 'error',
      from: { path: '^functions/platform/' },
      to: { path: domains },
    },
    {
      name: 'declarations-are-pure-values',
      comment: 'A declaration imports declarations, the kernel and zod.',
      severity: 'error',
      from: { path: declarations },
      to: { pathNot: [...declarations, '^shared/kernel/', '(^|/)node_modules/zod/'] },
    },
    {
      name: 'infra-reads-declarations-only',
      comment: 'The stacks derive from the registry; code that runs is named by its path alone.',
      severity: 'error',
      from: { path: '^infra/' },
      to: {
        path: '^(functions|shared|local|test|bench|tools)/',
        pathNot: ['^functions/registry\\.ts$', '^shared/kernel/'],
      },
    },
    {
      name: 'local-runs-what-synth-wrote',
      comment: 'The local runtime knows the synthesized template, the kernel and its own files.',
      severity: 'error',
      from: { path: '^local/' },
      to: { path: '^(functions|shared|infra|test|bench|tools)/', pathNot: '^shared/kernel/' },
    },
    {
      name: 'drivers-only-in-shared',
      comment: 'Postgres, Redis, the AWS SDK and Parquet are spoken to from shared/ only (local runs their servers).',
      severity: 'error',
      from: { path: '^(functions|infra)/' },
      to: { path: 'node_modules/(pg|pg-copy-streams|ioredis|@aws-sdk|hyparquet[^/]*|rate-limiter-flexible)/' },
    },
    {
      name: 'viem-only-in-sources',
      comment: 'Chains are read through one client, with our budgets and retries.',
      severity: 'error',
      from: { path: '^(functions|shared|infra|local)/', pathNot: '^functions/[^/]+/sources/' },
      to: { path: 'node_modules/viem/' },
    },
    {
      name: 'apis-do-not-load-viem',
      comment: 'It takes longer to load than the rest of an API function.',
      severity: 'error',
      from: { path: '^functions/[^/]+/api\\.ts$' },
      to: { path: 'node_modules/viem/', reachable: true },
    },
    {
      name: 'cdk-only-in-infra',
      comment: 'aws-cdk-lib describes what is deployed, nothing else.',
      severity: 'error',
      from: { pathNot: '^(infra|test/infra)/' },
      to: { path: 'node_modules/(aws-cdk-lib|constructs|cdk-nag)/' },
    },
    {
      name: 'no-cycles',
      comment: 'A cycle has no first file to read.',
      severity: 'error',
      from: { path: '^(functions|shared|infra|local)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(cdk\\.out|\\.build|\\.tributary)/' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
