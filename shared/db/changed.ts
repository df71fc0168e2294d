/** The result of writing rows: how many were new or changed, and how many were already stored. */
export interface Changed {
  applied: number;
  unchanged: number;
}
