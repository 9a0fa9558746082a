/** One way to fill a layer. */
export interface Option {
  /** Unique within its layer. The same id in several layers means the same kind of choice (baseline `homogeneous`);
   *  an id made of `parent` and `no-op` alone (`parent+no-op`) belongs to the baseline `no-op`. */
  readonly id: string
  /** What it does to quality, minimised: KL in nats per token, for instance. Finite. */
  readonly score: number
  /** What it uses, by cost name, in any unit. Finite. */
  readonly costs: Readonly<Record<string, number>>
  /** Layers it replaces: that of its list and those after it. Score and costs are those of the whole run. Default 1. */
  readonly span?: number
  /** Options of other layers without which it may not be chosen. */
  readonly requires?: readonly Requirement[]
}

/** That a layer's choice is one option: its own, not that a run of the same id from before covers the layer. */
export interface Requirement {
  readonly layer: number
  readonly option: string
}

/** An upper bound on the sum of a cost over the layers. */
export interface Limit {
  readonly cost: string
  readonly max: number
}

/**
 * The selection problem: every layer covered by exactly one option, the sum of scores minimal, every limit held. A
 * solution's choice names for each layer the option that covers it, so a run's id stands at all of its layers; read from
 * the left, each option takes as many layers as it spans.
 */
export interface Problem {
  readonly layers: readonly { readonly options: readonly Option[] }[]
  readonly limits?: readonly Limit[]
  /** Solutions wanted, best first. Default 1. */
  readonly solutions?: number
  /** Any two solutions differ in at least ceil(minimumDifference x layers) layers, and in one. Default 0.2. */
  readonly minimumDifference?: number
  /** Relative gap to which the best solution is proven. Default 1e-4. */
  readonly gap?: number
  /** The same for the further solutions of a pool. Default 1e-3, or `gap` if that is larger. */
  readonly poolGap?: number
  /** A safety net for the whole call, not a way to steer it. Default 60. */
  readonly timeLimitSeconds?: number
  /** Of the baseline `random`. Default 1. */
  readonly seed?: number
}

/** A problem with every default filled in. */
export interface CompiledProblem {
  readonly layers: Problem['layers']
  readonly limits: readonly Limit[]
  readonly solutions: number
  readonly differentLayers: number
  readonly gap: number
  readonly poolGap: number
  readonly timeLimitSeconds: number
  readonly seed: number
}

/** Fills in the defaults of a checked problem. */
export function compileProblem(problem: Problem): CompiledProblem {
  const gap = problem.gap ?? 1e-4
  const layers = problem.layers.length
  return {
    layers: problem.layers,
    limits: problem.limits ?? [],
    solutions: problem.solutions ?? 1,
    // 0.1 * 30 must not become 4 layers by the last bit of a product.
    differentLayers: Math.min(layers, Math.max(1, Math.ceil((problem.minimumDifference ?? 0.2) * layers - 1e-9))),
    gap,
    poolGap: problem.poolGap ?? Math.max(1e-3, gap),
    timeLimitSeconds: problem.timeLimitSeconds ?? 60,
    seed: problem.seed ?? 1,
  }
}
