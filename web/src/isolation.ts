/**
 * Isolation where a site's server sends no headers for it: a service worker adds them. Opt-in, as a service worker stays with the site.
 *
 * Some hosts serve files and nothing else. There a page asks once, is loaded anew by its own service worker, and is isolated then.
 */

/** Where the service worker lies. */
export interface IsolationOptions {
  /**
   * The address of the package's `isolation-worker.js`. It is to lie beside the page or above it, as a service worker reaches
   * no higher than its own folder.
   */
  readonly workerUrl: string | URL;
}

/** Whether the page is isolated, and why not. */
export interface Isolation {
  readonly state: 'isolated' | 'reloading' | 'refused';
  /** For people. */
  readonly reason: string;
}

/** Set while the page is loaded anew, so that one that does not become isolated by it is not loaded for ever. */
const TRIED = 'pcmflow: loaded anew to be isolated';

/**
 * Makes this page isolated by a service worker, if it is not. Call it before anything that would be lost when the page is loaded anew.
 *
 * Never throws: where it can't be, the answer says why, and plain mode works all the same.
 */
export async function isolate(options: IsolationOptions): Promise<Isolation> {
  if (globalThis.crossOriginIsolated) {
    sessionStorage.removeItem(TRIED);
    return { state: 'isolated', reason: 'the page is isolated' };
  }
  if (!globalThis.isSecureContext) return refused('the page is not secure: service workers need https or localhost');
  if (!('serviceWorker' in navigator)) return refused('this browser has no service workers here; private windows of some have none');
  if (sessionStorage.getItem(TRIED) !== null) {
    sessionStorage.removeItem(TRIED);
    return refused('the service worker is there, and this browser does not isolate the page all the same');
  }
  try {
    await navigator.serviceWorker.register(options.workerUrl);
    await navigator.serviceWorker.ready;
  } catch (error) {
    return refused(`the service worker ${String(options.workerUrl)} could not be registered: ${String(error)}`);
  }
  sessionStorage.setItem(TRIED, '');
  location.reload();
  return { state: 'reloading', reason: 'the page is loaded anew, by its service worker' };
}

function refused(reason: string): Isolation {
  return { state: 'refused', reason };
}
