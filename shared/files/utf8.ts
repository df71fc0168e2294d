import { isUtf8 } from 'node:buffer';
import { InvalidInput } from '../kernel/errors.ts';

const lineFeed = 10;
const carriageReturn = 13;

/**
 * Passes on UTF-8 text without its byte order mark. No chunk ends within a character.
 *
 * @throws InvalidInput  the text is not UTF-8; names the line
 */
export async function* utf8Of(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const lines = new LineCounter();
  let rest: Buffer = Buffer.alloc(0);
  let isStart = true;
  for await (const chunk of chunks) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    rest = Buffer.alloc(0);
    if (isStart) {
      if (bytes.length < 4) {
        rest = bytes;
        continue;
      }
      bytes = withoutMark(bytes);
      isStart = false;
    }
    const end = bytes.length - openCharacterBytes(bytes);
    rest = bytes.subarray(end);
    const text = bytes.subarray(0, end);
    const isValid = isUtf8(text);
    lines.count(isValid ? text : text.subarray(0, validBytes(text)));
    if (!isValid) throw notUtf8(lines.line + 1);
    if (text.length > 0) yield text;
  }
  if (isStart) rest = withoutMark(rest);
  if (!isUtf8(rest)) throw notUtf8(lines.line + 1);
  if (rest.length > 0) yield rest;
}

function withoutMark(start: Buffer): Buffer {
  if (start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf) return start.subarray(3);
  const isMarked = (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff);
  // without a mark, every second byte of ASCII in UTF-16 is zero
  if (isMarked || (start.length > 1 && (start[0] === 0) !== (start[1] === 0)))
    throw new InvalidInput('The file is UTF-16. Save it as UTF-8.');
  return start;
}

/** The number of bytes at the end that begin a character without completing it. */
function openCharacterBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/** Counts the ends of lines: LF, CR LF, or CR alone. */
class LineCounter {
  line = 0;
  private afterReturn = false;

  count(text: Buffer): void {
    let { line, afterReturn } = this;
    for (let i = 0; i < text.length; i++) {
      const byte = text[i]!;
      if (byte > carriageReturn) {
        afterReturn = false;
        continue;
      }
      if (byte === carriageReturn || (byte === lineFeed && !afterReturn)) line++;
      afterReturn = byte === carriageReturn;
    }
    this.line = line;
    this.afterReturn = afterReturn;
  }
}

/** The number of bytes before the first one that is not UTF-8, give or take a character. */
function validBytes(text: Buffer): number {
  let [valid, invalid] = [0, text.length];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >>> 1;
    const prefix = text.subarray(0, middle);
    if (isUtf8(prefix.subarray(0, middle - openCharacterBytes(prefix)))) valid = middle;
    else invalid = middle;
  }
  return valid;
}

function notUtf8(line: number): InvalidInput {
  return new InvalidInput(`Line ${line} of the file is not UTF-8. Save the file as UTF-8.`);
}
