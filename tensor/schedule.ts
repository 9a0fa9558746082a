/** Options of AdamW with warm-up, a learning rate schedule and gradient clipping. */
export interface AdamWOptions {
  /** Peak learning rate. */
  readonly learningRate: number
  /** Decay of the first moment. @default 0.9 */
  readonly beta1?: number
  /** Decay of the second moment. @default 0.95 */
  readonly beta2?: number
  /** Added to the root of the second moment. @default 1e-8 */
  readonly epsilon?: number
  /** Decoupled weight decay; never applied to 1-D parameters (norms, biases). @default 0.1 */
  readonly weightDecay?: number
  /** The global gradient norm is clipped to this. @default 1 */
  readonly clipNorm?: number
  /** Steps of linear warm-up; the first step already has a rate above 0. @default 0 */
  readonly warmupSteps?: number
  /** Length of the schedule in steps, including the warm-up; later steps keep the final rate. */
  readonly totalSteps: number
  /** Final rate as a fraction of the peak. @default 0 */
  readonly finalFraction?: number
  /** Shape after the warm-up: cosine decay, or a constant phase followed by linear decay. @default 'cosine' */
  readonly schedule?: 'cosine' | 'constant-linear'
  /** For 'constant-linear': the fraction of `totalSteps` before the decay begins. @default 0.5 */
  readonly constantFraction?: number
  /** Parameters that are frozen for the first steps: neither gradient nor decay. @default none */
  readonly waiting?: { readonly parameters: readonly string[]; readonly steps: number }
}

/** Values of omitted options. */
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

/**
 * Learning rate at a step, counted from 0.
 *
 * @source cosine decay: Loshchilov & Hutter, "SGDR", arXiv 1608.03983, eq. 5
 */
export function learningRate(options: AdamWOptions, step: number): number {
  const o = { ...adamWDefaults, ...options }
  if (step < o.warmupSteps) return (o.learningRate * (step + 1)) / o.warmupSteps
  const start = o.schedule === 'cosine' ? o.warmupSteps : Math.max(o.warmupSteps, o.constantFraction * o.totalSteps)
  const progress = Math.min(1, Math.max(0, (step - start) / Math.max(1, o.totalSteps - start)))
  const decay = o.schedule === 'cosine' ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress
  return o.learningRate * (o.finalFraction + (1 - o.finalFraction) * decay)
}
