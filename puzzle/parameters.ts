/** Parameters of several stages. Beyond its bounds a number is a slip of the pen; `reason` says why in the message. */
export const batch = <const T extends number>(fallback: T, description: string) =>
  ({
    description,
    type: 'integer',
    minimum: 1,
    maximum: 65_536,
    reason: 'all of them are in memory at once',
    default: fallback,
  }) as const

export const learningRate = {
  description: 'Peak learning rate of AdamW: it warms up from 0 and decays on a cosine schedule.',
  type: 'number',
  exclusiveMinimum: 0,
  maximum: 1,
  reason: 'AdamW moves every weight by about this much per step',
} as const

export const weightDecay = {
  description: 'Weight decay of AdamW.',
  type: 'number',
  minimum: 0,
  maximum: 1,
  reason: 'each step shrinks every weight by this share, times the learning rate',
} as const

export const threads = (description: string) =>
  ({ description, type: 'integer', minimum: 1, maximum: 1024, default: 1 }) as const
