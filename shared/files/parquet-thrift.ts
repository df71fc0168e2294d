/**
 * Checks structs of Thrift's compact protocol before they are parsed: the parser allocates lists by the length that they
 * claim, and a few bytes may claim billions of elements.
 *
 * @source https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
const maxDepth = 32;

/** The offset after a struct. @throws RangeError  it is nested too deep, or claims more than the bytes hold */
export function checkThrift(bytes: Uint8Array, offset = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = new Checker(view, offset);
  reader.struct(0);
  return reader.offset;
}

class Checker {
  readonly view: DataView;
  offset: number;

  constructor(view: DataView, offset: number) {
    this.view = view;
    this.offset = offset;
  }

  struct(depth: number): void {
    if (depth > maxDepth) throw new RangeError('thrift structs are nested too deep');
    for (;;) {
      const header = this.byte();
      if ((header & 15) === 0) return;
      if (header >> 4 === 0) this.varint();
      this.element(header & 15, depth, false);
    }
  }

  private element(type: number, depth: number, isInList: boolean): void {
    if (type <= 2) this.skip(isInList ? 1 : 0);
    else if (type === 3) this.skip(1);
    else if (type <= 6) this.varint();
    else if (type === 7) this.skip(8);
    else if (type === 8) this.skip(this.varint());
    else if (type === 9) this.list(depth);
    else if (type === 12) this.struct(depth + 1);
    else throw new RangeError(`thrift type ${type} is not used by Parquet`);
  }

  private list(depth: number): void {
    if (depth > maxDepth) throw new RangeError('thrift lists are nested too deep');
    const header = this.byte();
    const length = header >> 4 === 15 ? this.varint() : header >> 4;
    // an element takes a byte at least
    if (length > this.view.byteLength - this.offset) throw new RangeError('a thrift list is longer than its bytes');
    for (let i = 0; i < length; i++) this.element(header & 15, depth + 1, true);
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError('a thrift number is too long');
  }

  private byte(): number {
    return this.view.getUint8(this.offset++);
  }

  private skip(bytes: number): void {
    this.offset += bytes;
    if (this.offset > this.view.byteLength) throw new RangeError('a thrift value is longer than its bytes');
  }
}
