export async function startNeynar(_: any): Promise<any> {
  return { url: 'http://127.0.0.1:1', stop: async () => {} };
}
