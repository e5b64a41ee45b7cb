/** What the page may do: nothing but what comes from its own origin. No script or style stands in it, and none is made of text. */
export const POLICY = [
  "default-src 'none'",
  // The engine is compiled from its own file.
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
