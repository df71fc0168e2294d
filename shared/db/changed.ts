/** What came of writing rows: how many were new or different, how many stood already. */
export interface Changed {
  applied: number;
  unchanged: number;
}
