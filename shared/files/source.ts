/** Where the bytes of a file come from. */
export interface FileSource {
  /** Its length in bytes. */
  size: number;
  /** All bytes in order. */
  read(): AsyncIterable<Buffer>;
  /** The bytes in [start, end). */
  slice(start: number, end: number): Promise<ArrayBuffer>;
}

/** A source of bytes that are in memory. */
export function sourceOf(bytes: Buffer): FileSource {
  return {
    size: bytes.length,
    async *read() {
      yield bytes;
    },
    slice: async (start, end) => bufferOf(bytes.subarray(start, end)),
  };
}

/** A copy of the bytes as an ArrayBuffer of exactly their length. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
