import { mostSequences } from '../data/sequence-file.js'

// JSON Schemas of parameters that several stages share. A number outside the bounds is surely a typing error; the message
// contains the `reason`.

/** A batch size, in sequences. */
export const batch = <const T extends number>(fallback: T, description: string) =>
  ({
    description,
    type: 'integer',
    minimum: 1,
    maximum: 65_536,
    reason: 'all of them are in memory at once',
    default: fallback,
  }) as const

/** Bounds of a number of sequences of text. */
export const ofSequences = { maximum: mostSequences, reason: 'no search reads that much text' } as const

/** Bounds of a number of items of a task. */
export const ofItems = { maximum: 10_000_000, reason: 'each one is read, and answered by parent and child' } as const

/** Bounds of a number of timed passes. */
export const ofPasses = { maximum: 10_000, reason: 'each one runs the whole scenario' } as const

/** Peak learning rate of AdamW. */
export const learningRate = {
  description: 'Peak learning rate of AdamW: it warms up from 0 and decays on a cosine schedule.',
  type: 'number',
  exclusiveMinimum: 0,
  maximum: 1,
  reason: 'AdamW moves every weight by about this much per step',
} as const

/** Decoupled weight decay of AdamW. */
export const weightDecay = {
  description: 'Weight decay of AdamW.',
  type: 'number',
  minimum: 0,
  maximum: 1,
  reason: 'each step shrinks every weight by this share, times the learning rate',
} as const

/** Threads that a stage times scenarios with. Without a default: `withThreads` says what counts. */
export const threads = {
  description: 'Number of threads for timing scenarios. Default: `target.threads`.',
  type: 'integer',
  minimum: 1,
  maximum: 1024,
} as const
