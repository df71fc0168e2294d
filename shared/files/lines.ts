import { maxRecordBytes } from './record.ts';

const lineFeed = 10;
const carriageReturn = 13;

/**
 * The lines of UTF-8 text, many at a time, without their ends: LF, CR LF, or CR alone. `undefined` stands for a line that
 * is longer than `maxRecordBytes`, of which no more than that is ever held.
 */
export async function* linesOf(text: AsyncIterable<Buffer>): AsyncIterable<(string | undefined)[]> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isTooLong = false;
  const linesIn = (last: Buffer): (string | undefined)[] => {
    const lines: (string | undefined)[] = split(Buffer.concat([...held, last]).toString());
    if (isTooLong) lines[0] = undefined;
    [held, heldBytes, isTooLong] = [[], 0, false];
    return lines.map((line) => (line !== undefined && exceeds(line) ? undefined : line));
  };
  for await (const chunk of text) {
    const end = endOfLines(chunk);
    if (end > 0) {
      const lines = linesIn(chunk.subarray(0, end));
      lines.pop();
      yield lines;
    }
    const rest = chunk.subarray(end);
    heldBytes += rest.length;
    isTooLong ||= heldBytes > maxRecordBytes + 1;
    if (isTooLong) held = [];
    else if (rest.length > 0) held.push(rest);
  }
  if (heldBytes > 0) yield linesIn(Buffer.alloc(0));
}

/** Where the last line of a chunk ends. A CR at the very end may be half of a CR LF. */
function endOfLines(chunk: Buffer): number {
  const end = chunk.lastIndexOf(lineFeed) + 1;
  return end > 0 ? end : chunk.subarray(0, -1).lastIndexOf(carriageReturn) + 1;
}

function split(text: string): string[] {
  return text.includes('\r') ? text.split(/\r\n|\n|\r/) : text.split('\n');
}

function exceeds(line: string): boolean {
  return line.length > maxRecordBytes || (line.length > maxRecordBytes / 3 && Buffer.byteLength(line) > maxRecordBytes);
}
