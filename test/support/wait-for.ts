/** The first result of `look` that is neither false nor undefined; looked for again and again, an error after a while. */
export async function waitFor<T>(what: string, look: () => T | Promise<T>, atMostMs = 20_000): Promise<NonNullable<T>> {
  const until = Date.now() + atMostMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found as NonNullable<T>;
    if (Date.now() > until) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
