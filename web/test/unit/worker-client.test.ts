import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FromWorker, Request } from '../../src/protocol.js';
import { WorkerClient, type WorkerLike } from '../../src/worker-client.js';

/** A Worker that does only what the test says. */
class Scripted implements WorkerLike {
  onmessage: WorkerLike['onmessage'] = null;
  onerror: WorkerLike['onerror'] = null;
  onmessageerror: WorkerLike['onmessageerror'] = null;
  readonly asked: Request[] = [];
  terminated = false;

  postMessage(message: unknown): void {
    this.asked.push(message as Request);
  }

  terminate(): void {
    this.terminated = true;
  }

  says(message: FromWorker): void {
    this.onmessage?.call(this as never, { data: message } as MessageEvent);
  }

  breaks(message: string): void {
    this.onerror?.call(this as never, { message, preventDefault() {} } as ErrorEvent);
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function pair(wake: Int32Array | null = null): { worker: Scripted; client: WorkerClient } {
  const worker = new Scripted();
  return { worker, client: new WorkerClient(worker, wake) };
}

describe('a call', () => {
  it('gets the answer with its number, whatever the order', async () => {
    const { worker, client } = pair();
    const first = client.call('command', { line: 'help', json: false });
    const second = client.call('endStream', null);
    expect(worker.asked).toEqual([
      { id: 0, call: 'command', body: { line: 'help', json: false } },
      { id: 1, call: 'endStream', body: null },
    ]);
    worker.says({ type: 'answer', id: 1, value: { frames: 5, lost: 0 } });
    worker.says({ type: 'answer', id: 0, value: { ok: true, text: 'words' } });
    expect(await first).toEqual({ ok: true, text: 'words' });
    expect(await second).toEqual({ frames: 5, lost: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wakes a Worker that waits', () => {
    const wake = new Int32Array(new SharedArrayBuffer(4));
    const { client } = pair(wake);
    void client.call('snapshot', null);
    void client.call('snapshot', null);
    expect(wake[0]).toBe(2);
  });

  it('is refused with the reason', async () => {
    const { worker, client } = pair();
    const call = client.call('config', { set: { 'flow.strategy': 'x' } });
    worker.says({ type: 'refused', id: 0, trouble: { code: 'engine', message: 'flow.strategy can be: …' } });
    await expect(call).rejects.toMatchObject({ code: 'engine', message: 'flow.strategy can be: …', retriable: true });
  });

  it('is not waited for without end', async () => {
    const { client } = pair();
    const call = client.call('snapshot', null);
    const refused = expect(call).rejects.toMatchObject({ code: 'timeout' });
    await vi.advanceTimersByTimeAsync(10_000);
    await refused;
  });
});

describe('the death of a Worker', () => {
  it('rejects all that wait and all that comes, and is told once', async () => {
    const { worker, client } = pair();
    const dead = vi.fn();
    client.onDead = dead;
    const call = client.call('snapshot', null);
    worker.says({ type: 'dead', trouble: { code: 'trap', message: 'the engine died: index out of bounds' } });
    worker.breaks('and again');
    await expect(call).rejects.toMatchObject({ code: 'trap', message: 'the engine died: index out of bounds' });
    await expect(client.call('snapshot', null)).rejects.toMatchObject({ code: 'trap' });
    expect(dead).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can be a file that is not there', async () => {
    const { worker, client } = pair();
    const call = client.call('snapshot', null);
    worker.breaks('');
    await expect(call).rejects.toMatchObject({ code: 'load', message: expect.stringMatching(/its file is not there/) });
  });

  it('by the page leaves nothing waiting', async () => {
    const { worker, client } = pair();
    const call = client.call('snapshot', null);
    client.terminate();
    expect(worker.terminated).toBe(true);
    await expect(call).rejects.toMatchObject({ code: 'closed', retriable: false });
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('what the engine tells goes on', () => {
  const { worker, client } = pair();
  const heard = vi.fn();
  client.onEvents = heard;
  worker.says({ type: 'events', events: [{ type: 'missed', events: 3 }] });
  expect(heard).toHaveBeenCalledWith([{ type: 'missed', events: 3 }]);
});
