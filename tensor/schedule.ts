/** Options of AdamW with warm-up, a schedule of the learning rate, and clipping of the gradient. */
export interface AdamWOptions {
  /** The peak. */
  readonly learningRate: number
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.95. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
  /** Decoupled; never on 1-D parameters (norms, biases). Default 0.1. */
  readonly weightDecay?: number
  /** Largest norm of the gradient over all parameters. Default 1. */
  readonly clipNorm?: number
  /** Steps of linear warm-up from 0 (exclusive). Default 0. */
  readonly warmupSteps?: number
  /** Steps of the whole schedule; later steps keep the final rate. */
  readonly totalSteps: number
  /** Final rate as a fraction of the peak. Default 0. */
  readonly finalFraction?: number
  /** Cosine decay after the warm-up, or constant and then linear decay. Default 'cosine'. */
  readonly schedule?: 'cosine' | 'constant-linear'
  /** For 'constant-linear': the part of all steps before the decay begins. Default 0.5. */
  readonly constantFraction?: number
  /** Parameters that stay as they are, without gradient and decay, for the first steps. */
  readonly waiting?: { readonly parameters: readonly string[]; readonly steps: number }
}

export const adamWDefaults = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupSteps: 0,
  finalFraction: 0,
  schedule: 'cosine',
  constantFraction: 0.5,
} as const

/** Learning rate of a step, counted from 0. */
export function learningRate(options: AdamWOptions, step: number): number {
  const o = { ...adamWDefaults, ...options }
  if (step < o.warmupSteps) return (o.learningRate * (step + 1)) / o.warmupSteps
  const start = o.schedule === 'cosine' ? o.warmupSteps : Math.max(o.warmupSteps, o.constantFraction * o.totalSteps)
  const progress = Math.min(1, Math.max(0, (step - start) / Math.max(1, o.totalSteps - start)))
  const decay = o.schedule === 'cosine' ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress
  return o.learningRate * (o.finalFraction + (1 - o.finalFraction) * decay)
}
