import type { DecodedArray } from 'hyparquet';
import { parquetHeader, readPage } from 'hyparquet/src/column.js';
import { convert } from 'hyparquet/src/convert.js';

type ColumnDecoder = Parameters<typeof readPage>[2];

/**
 * The values of a flat column, unpacked page by page as its rows are asked for, in order. Only one page is held.
 *
 * @throws RangeError  the column has fewer values than rows, or a page more or fewer than it says
 */
export function pagesOf(stored: Uint8Array, decoder: ColumnDecoder): (row: number) => unknown {
  const reader = { view: new DataView(stored.buffer, stored.byteOffset, stored.byteLength), offset: 0 };
  let dictionary: DecodedArray | undefined;
  let page: DecodedArray = [];
  let first = 0;
  const openNext = () => {
    if (reader.offset >= stored.length) throw new RangeError('a column has fewer values than rows');
    const header = parquetHeader(reader);
    const { data = [] } = readPage(reader, header, decoder, dictionary, undefined, 0);
    if (header.type === 'DICTIONARY_PAGE') {
      dictionary = convert(data, decoder);
      return;
    }
    first += page.length;
    page = data;
    if (page.length !== (header.data_page_header ?? header.data_page_header_v2)!.num_values)
      throw new RangeError('a page has more or fewer values than it says');
  };
  return (row) => {
    while (row >= first + page.length) openNext();
    return page[row - first];
  };
}
