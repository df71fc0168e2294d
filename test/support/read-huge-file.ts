/** Reads a gzip of one huge record as an import reads it, and prints the memory it took: `node read-huge-file.ts KIND`. */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { readRecords } from '../../shared/files/records.ts';
import { sourceOf } from '../../shared/files/source.ts';

const kinds = {
  quotes: { name: 'x.csv.gz', start: 'a,b\n1,"', fill: 'x' },
  separators: { name: 'x.csv.gz', start: 'a,b\n1', fill: ',' },
  line: { name: 'x.ndjson.gz', start: '{"a":"', fill: 'x' },
  brackets: { name: 'x.ndjson.gz', start: '{"a":', fill: '[' },
};
const { name, start, fill } = kinds[process.argv[2] as keyof typeof kinds];
const packed: Buffer[] = [];
function* content() {
  yield Buffer.from(start);
  for (let i = 0; i < 700; i++) yield Buffer.alloc(1024 * 1024, fill);
}
for await (const chunk of Readable.from(content()).pipe(createGzip({ level: 1 }))) packed.push(chunk as Buffer);
const source = sourceOf(Buffer.concat(packed));
const before = process.resourceUsage().maxRSS;
let outcome = 'read';
try {
  for await (const _ of readRecords(name, source, { aliases: {}, checkColumns() {}, skip: 0 }));
} catch (error) {
  outcome = (error as { code?: string }).code === 'invalid_input' ? 'refused' : String(error);
}
console.log(JSON.stringify({ outcome, grownMb: Math.round((process.resourceUsage().maxRSS - before) / 1024) }));
