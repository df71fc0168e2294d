/** Faults as source edits. Each removes one thing that the cache's guarantee depends on. */
export interface Edit {
  file: string;
  /** Occurs exactly once in the file. */
  from: string;
  to: string;
}

export interface Fault {
  name: string;
  edits: readonly Edit[];
}

/** An entity that remembers only one fence, so that others are forgotten within a few steps. */
export const forgetful: Fault = {
  name: 'remembers-one-fence',
  edits: [
    {
      file: 'shared/cache/scripts.ts',
      from: 'export const rememberedFences = 256;',
      to: 'export const rememberedFences = 1;',
    },
  ],
};

export const faults: readonly Fault[] = [
  {
    name: 'every-replica-is-trusted',
    edits: [
      {
        file: 'shared/cache/proof.ts',
        from: "let proof: Proof = 'snapshot';\n",
        to: "let proof: Proof = 'snapshot';\n  if (snapshot) return proof;\n",
      },
    ],
  },
  {
    name: 'empty-xip-is-trusted',
    edits: [{ file: 'shared/kernel/snapshot.ts', from: 'xip.length > 0 && xid < xmax', to: 'xid < xmax' }],
  },
  {
    name: 'status-from-another-replica',
    edits: [
      {
        file: 'test/schedules/loader.ts',
        from: 'const read = asked;',
        to: 'const read = proving ? 1 - asked : asked;',
      },
    ],
  },
  {
    name: 'tags-are-taken-at-the-end',
    edits: [
      {
        file: 'shared/cache/read.ts',
        from: 'const [, ...dependencyTags] = begun.tags;',
        to: 'begun = { ...begun, tags: (await begin(view, token)).tags };\n      const [, ...dependencyTags] = begun.tags;',
      },
    ],
  },
  {
    name: 'tags-count-up',
    edits: [
      {
        file: 'shared/cache/scripts.ts',
        from: `redis.call('HSET', key, '\${tagField}', tag)`,
        to: `redis.call('HSET', key, '\${tagField}', '00000000')`,
      },
      {
        file: 'shared/cache/scripts.ts',
        from: `redis.call('UNLINK', KEYS[1])\nredis.call('HSET', KEYS[1], '\${tagField}', ARGV[2], `,
        to:
          `local count = tonumber(redis.call('HGET', KEYS[1], '\${tagField}') or '0') + 1\n` +
          `redis.call('UNLINK', KEYS[1])\n` +
          `redis.call('HSET', KEYS[1], '\${tagField}', string.format('%08d', count), `,
      },
    ],
  },
  {
    name: 'a-late-commit-counts-as-known',
    edits: [
      ...forgetful.edits,
      {
        file: 'shared/cache/scripts.ts',
        from: `if ARGV[4] == '1' and xid <= forgotten then return 0 end`,
        to: 'if xid <= forgotten then return 0 end',
      },
    ],
  },
  {
    name: 'forgotten-fences-are-not-proven',
    edits: [
      ...forgetful.edits,
      { file: 'shared/cache/proof.ts', from: 'if (forgotten >= snapshot.xmin) return undefined;', to: '' },
    ],
  },
  {
    name: 'previous-generation-is-not-raised',
    edits: [{ file: 'shared/cache/read.ts', from: '[current, ...previous].flatMap', to: '[current].flatMap' }],
  },
  {
    name: 'generation-is-never-read-again',
    edits: [
      {
        file: 'shared/cache/generation.ts',
        from: '(Math.abs(now - checkedAt) < recheckMs ? known : undefined)',
        to: '(now > 0 ? known : undefined)',
      },
    ],
  },
  {
    name: 'fill-ignores-a-changed-tag',
    edits: [
      {
        file: 'shared/cache/scripts.ts',
        from: `local stored = redis.call('HGET', hash, '\${tagField}') == ARGV[3] and (`,
        to: 'local stored = (',
      },
    ],
  },
  {
    name: 'since-is-not-proven',
    edits: [{ file: 'shared/cache/read.ts', from: 'xids: [since]', to: 'xids: since ? [] : []' }],
  },
  {
    name: 'any-result-is-accepted',
    edits: [
      {
        file: 'shared/cache/read.ts',
        from: 'if (result && (result.tags === arrived.tags || result.at > arrived.at))',
        to: 'if (result)',
      },
    ],
  },
  {
    name: 'second-delivery-is-ignored',
    edits: [
      {
        file: 'shared/cache/scripts.ts',
        from: `if ARGV[4] == '1' and xid <= forgotten then return 0 end`,
        to: `if ARGV[4] == '1' then return 0 end`,
      },
    ],
  },
  {
    name: 'dependencies-are-not-compared',
    edits: [{ file: 'shared/cache/read.ts', from: 'entryTags.every((tag, i) => tag === tags[i])', to: 'entryTags' }],
  },
  {
    name: 'every-reader-gets-the-lease',
    edits: [{ file: 'shared/cache/scripts.ts', from: "ARGV[2], 'NX', 'PX', ARGV[3]", to: "ARGV[2], 'PX', ARGV[3]" }],
  },
  {
    name: 'raises-trust-the-copy-in-redis',
    edits: [
      {
        file: 'shared/cache/generation.ts',
        from: 'forRaise: () => source.peek(),',
        to: 'forRaise: async () => parse(await connection.attempt((redis) => redis.get(copyKey))) ?? (await refreshCopy()).generation,',
      },
    ],
  },
];
