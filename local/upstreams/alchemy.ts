export async function startAlchemy(_: any): Promise<any> {
  return { url: 'http://127.0.0.1:1', collections: [], world: {}, startTrickle: () => () => {}, stop: async () => {} };
}
