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
  description: 'AdamW’s largest step size; it rises from 0 and falls again as a cosine.',
  type: 'number',
  exclusiveMinimum: 0,
  maximum: 1,
  reason: 'AdamW moves every weight by about so much in a step',
} as const

export const weightDecay = {
  description: 'AdamW’s decay of weights.',
  type: 'number',
  minimum: 0,
  maximum: 1,
  reason: 'a step takes this share of each weight away, times the learning rate',
} as const

export const threads = (description: string) =>
  ({ description, type: 'integer', minimum: 1, maximum: 1024, default: 1 }) as const
