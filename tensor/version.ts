import { createRequire } from 'node:module'

/** Version of the arithmetic, part of task keys. Raise it when the same graph or training would give different numbers. */
export const numericsVersion = 1

/** Version of onnxruntime, which affects the last bits of results. */
export const engineVersion: string = (
  createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
).version
