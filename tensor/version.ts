import { createRequire } from 'node:module'

/** Raised by hand when the same graph or the same training gives other numbers: it enters the keys of tasks. */
export const numericsVersion = 1

/** Version of onnxruntime, on which the last bits depend. */
export const engineVersion: string = (
  createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
).version
