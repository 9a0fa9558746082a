/** One way to fill a layer. */
export interface Option {
  /**
   * Unique within its layer. The same id in several layers means the same kind of choice (baseline `homogeneous`). An id
   * that consists of `parent` and `no-op` only, like `parent+no-op`, takes part in the baseline `no-op`.
   */
  readonly id: string
  /** Loss of quality, which the solver minimises; for instance KL in nats per token. Finite. */
  readonly score: number
  /** Use of each resource, by cost name, in any unit. Finite. */
  readonly costs: Readonly<Record<string, number>>
  /** Number of layers that the option replaces, beginning with its own. Score and costs are for all of them. @default 1 */
  readonly span?: number
  /** Options of other layers that must be chosen with this one. @default none */
  readonly requires?: readonly Requirement[]
}

/** Requires that a layer choose one of its own options; being covered by a run with the same id does not count. */
export interface Requirement {
  /** Index of the layer. */
  readonly layer: number
  /** Id of the option. */
  readonly option: string
}

/** An upper bound on the sum of a cost over the layers. */
export interface Limit {
  /** Name of the cost, which every option must have. */
  readonly cost: string
  /** Largest allowed sum, in the unit of the cost. */
  readonly max: number
}

/**
 * The selection problem: cover every layer with exactly one option, minimise the sum of scores, meet every limit. The choice of
 * a solution names the option that covers each layer, so the id of a run appears at all of its layers. Read from left to
 * right, each option takes as many layers as it spans.
 */
export interface Problem {
  /** The options of each layer. */
  readonly layers: readonly { readonly options: readonly Option[] }[]
  /** Upper bounds on sums of costs. @default none */
  readonly limits?: readonly Limit[]
  /** Number of solutions, best first. @default 1 */
  readonly solutions?: number
  /** Any two solutions differ in at least ceil(minimumDifference * layers) layers, and in at least one. @default 0.2 */
  readonly minimumDifference?: number
  /** Relative gap to which the best solution is proven. @default 1e-4 */
  readonly gap?: number
  /** Relative gap of the other solutions. @default 1e-3, or `gap` if it is larger */
  readonly poolGap?: number
  /** Seconds for the whole call; a safety net, not a means of steering it. @default 60 */
  readonly timeLimitSeconds?: number
  /** Seed of the baseline `random`. @default 1 */
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
    // Rounding in the last bit must not turn 0.1 * 30 into 4 layers.
    differentLayers: Math.min(layers, Math.max(1, Math.ceil((problem.minimumDifference ?? 0.2) * layers - 1e-9))),
    gap,
    poolGap: problem.poolGap ?? Math.max(1e-3, gap),
    timeLimitSeconds: problem.timeLimitSeconds ?? 60,
    seed: problem.seed ?? 1,
  }
}
