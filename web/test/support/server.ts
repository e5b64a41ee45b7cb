/** A static server for tests: the package, a page, and whatever else a test hands it. On loopback only. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const WEB = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.wav': 'audio/wav',
};

/** Nothing inline, nothing from elsewhere: the package must work under it. */
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; media-src 'self'";

export interface Served {
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves `/dist/` and `/page/` of the package, and `extra` by path. `isolated` sends COOP and COEP. */
export async function serve(isolated: boolean, extra: Readonly<Record<string, Uint8Array | string>> = {}): Promise<Served> {
  const server = createServer((request, response) => {
    void (async () => {
      const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
      const headers: Record<string, string> = {
        'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
        'Content-Security-Policy': CSP,
        'Cache-Control': 'no-store',
      };
      if (isolated) {
        headers['Cross-Origin-Opener-Policy'] = 'same-origin';
        headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
      }
      try {
        const body = extra[path] ?? (await readFile(fileOf(path)));
        response.writeHead(200, headers).end(body);
      } catch {
        response.writeHead(404, headers).end('there is no such file');
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function fileOf(path: string): string {
  if (path.startsWith('/dist/')) return join(WEB, path);
  if (path.startsWith('/page/')) return join(WEB, 'test', path);
  throw new Error(`${path} is not served`);
}
