/** An engine: the exact search of this package (label setting), or one of two MIP solvers. */
export type EngineName = 'labels' | 'glpk' | 'highs'

/** How a solution was found: by an engine, by a simple method before it, or (`bound`) as each layer's best option, if no limit binds. */
export type Finder = EngineName | 'greedy' | 'random' | 'bound'

/** One solution of a problem. */
export interface PoolSolution {
  /** `optimal`: proven to the requested gap. `feasible`: time ran out first; `gap` is what is proven. */
  readonly status: 'optimal' | 'feasible'
  /** Sum of the scores. */
  readonly objective: number
  /** No choice has a lower objective. For further solutions: none that differs enough from the earlier ones. */
  readonly bound: number
  /** (objective - bound) / max(|objective|, |bound|); 0 if both are equal. */
  readonly gap: number
  /** Id of the option that covers each layer; the id of a run appears at all of its layers. */
  readonly choice: readonly string[]
  /** Sum over the layers of every cost that all options have. */
  readonly costs: Readonly<Record<string, number>>
  /** How it was found. */
  readonly engine: Finder
  /** Seconds that finding it took. */
  readonly seconds: number
}

/** Result of a simpler method on the same problem. */
export type Baseline =
  | {
      readonly feasible: true
      readonly objective: number
      /** (objective - best objective) / |best objective|; absent if no best objective is known. */
      readonly excess?: number
      readonly choice: readonly string[]
      readonly costs: Readonly<Record<string, number>>
      /** For `random`: number of feasible samples and range of their objectives. The reported sample is their median. */
      readonly samples?: { readonly count: number; readonly minimum: number; readonly maximum: number }
    }
  | { readonly feasible: false; readonly objective: null; readonly reason: string }

/** Names of the baselines. */
export const baselineNames = ['greedy', 'marginal-greedy', 'random', 'homogeneous', 'no-op'] as const
/** Name of a baseline. */
export type BaselineName = (typeof baselineNames)[number]

/** A limit that cannot be met, and by how much. */
export interface UnmetLimit {
  /** Name of the cost. */
  readonly cost: string
  /** The limit. */
  readonly max: number
  /** The least that any choice uses while the limits in `holding` are met. */
  readonly minimum: number
  /** minimum - max. */
  readonly excess: number
  /** Costs of the limits that are met at the same time; empty if this limit cannot be met even alone. */
  readonly holding: readonly string[]
}

/** Why a problem is infeasible. */
export interface Infeasibility {
  /** The limits at fault; empty if requirements between options contradict each other. */
  readonly limits: readonly UnmetLimit[]
  /** The same in words, one sentence per limit. */
  readonly message: string
}

/** The answer of an engine that had no part in the first one. */
export type SecondOpinion =
  | { readonly engine: EngineName; readonly verdict: 'agrees'; readonly objective: number; readonly bound: number }
  | {
      readonly engine: EngineName
      readonly verdict: 'disagrees'
      /** Null if it calls the problem infeasible. */
      readonly objective: number | null
      readonly bound: number | null
      /** How the disagreement was resolved. */
      readonly note: string
    }
  | { readonly engine: EngineName; readonly verdict: 'agrees-infeasible' }
  | { readonly verdict: 'none'; readonly note: string }

/** Result of `solve`. */
export interface SolveResult {
  /**
   * `optimal`: the best solution is proven to the gap, or to the engines' accuracy (1e-6 of the objective's size) if that
   * is coarser. `feasible`: there is a solution, but its gap is larger. `infeasible`: proven to have no solution.
   * `time-limit`: no solution was found, and none was ruled out.
   */
  readonly status: 'optimal' | 'feasible' | 'infeasible' | 'time-limit'
  /** Best first. */
  readonly solutions: readonly PoolSolution[]
  /** The set of solutions. */
  readonly pool: {
    /** Number of solutions requested. */
    readonly requested: number
    /** Minimum number of layers in which any two solutions differ. */
    readonly differentLayers: number
    /** `exhausted`: no further solution differs enough, which is proven. */
    readonly status: 'complete' | 'exhausted' | 'time-limit'
  }
  /** Results of simpler methods; empty if the solver was stopped before them. */
  readonly baselines: Readonly<Partial<Record<BaselineName, Baseline>>>
  /** Present if `status` is `infeasible`. */
  readonly infeasible?: Infeasibility
  /** Whether the second engine confirms the best solution. */
  readonly secondOpinion: SecondOpinion
  /** Number of options given, after reduction, and in the MIP; a run counts at each of its layers. */
  readonly options: { readonly given: number; readonly undominated: number; readonly core: number }
  /** Errors of engines that crashed; the other engine continued. Absent if none crashed. */
  readonly engineFailures?: readonly string[]
  /** Duration of the call. */
  readonly seconds: number
}
