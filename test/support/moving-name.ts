import net from 'node:net';
import { afterAll } from 'vitest';

/** An address that forwards to a server, like a DNS name: open connections stay on their server when it moves. */
export interface MovingName {
  /** `host:port` */
  address: string;
  moveTo(target: string): void;
  /** Refuses new connections and closes the open ones. */
  cut(): void;
}

export async function createMovingName(first: string): Promise<MovingName> {
  let target = first;
  const open = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const [host, port] = target.split(':');
    const upstream = net.connect(Number(port), host);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
    }
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    moveTo(next) {
      target = next;
    },
    cut() {
      target = '127.0.0.1:1';
      for (const socket of open) socket.destroy();
    },
  };
}
