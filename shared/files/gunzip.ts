import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';

/** Text packs at 5 to 20 to 1, and hardly ever at 100. Beyond this a file is a mistake or an attack. */
const maxRatio = 200;
/** Small files may exceed the ratio. */
const alwaysAllowedBytes = 64 * 1024 * 1024;

/**
 * Unpacks gzip of one or several members.
 *
 * @throws InvalidInput  the bytes are truncated or not gzip, or they unpack to more than 200 times their length
 */
export async function* gunzip(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let read = 0;
  let unpacked = 0;
  const counted = async function* () {
    for await (const chunk of packed) {
      read += chunk.length;
      yield chunk;
    }
  };
  const output = createGunzip({ chunkSize: 64 * 1024 });
  pipeline(counted(), output, () => {});
  try {
    for await (const chunk of output) {
      unpacked += (chunk as Buffer).length;
      if (unpacked > alwaysAllowedBytes && unpacked > maxRatio * read) throw tooDense();
      yield chunk as Buffer;
    }
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    if (!/^Z_/.test((cause as { code?: string }).code ?? '')) throw cause;
    throw new InvalidInput('The file is truncated or not gzip.', [], { cause });
  }
}

function tooDense(): InvalidInput {
  return new InvalidInput(`The file unpacks to more than ${maxRatio} times its size. Upload it without .gz.`);
}
