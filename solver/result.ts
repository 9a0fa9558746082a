/** A MIP engine. */
export type EngineName = 'glpk' | 'highs'

/** What found a solution: an engine, a simple method before it, or taking each layer's best option, where nothing binds. */
export type Finder = EngineName | 'greedy' | 'random' | 'bound'

export interface PoolSolution {
  /** `optimal`: proven to the gap asked for. `feasible`: the time limit came first; `gap` says what is proven. */
  readonly status: 'optimal' | 'feasible'
  readonly objective: number
  /** No choice has a lower objective than this; of further solutions: none that differs enough from those found before. */
  readonly bound: number
  /** (objective - bound) / |objective|, or / |bound| if that is larger (near zero); 0 when both are equal. */
  readonly gap: number
  /** Id of the option that covers each layer: that of a run at all of its layers. */
  readonly choice: readonly string[]
  /** Sums over the layers, of every cost that all options have. */
  readonly costs: Readonly<Record<string, number>>
  /** What found it. */
  readonly engine: Finder
  readonly seconds: number
}

/** What a simpler method gives on the same problem. */
export type Baseline =
  | {
      readonly feasible: true
      readonly objective: number
      /** (objective - best objective) / |best objective|; absent when nothing better is known. */
      readonly excess?: number
      readonly choice: readonly string[]
      readonly costs: Readonly<Record<string, number>>
      /** Of `random`: feasible samples, and the range of their objectives; the reported one is their median. */
      readonly samples?: { readonly count: number; readonly minimum: number; readonly maximum: number }
    }
  | { readonly feasible: false; readonly objective: null; readonly reason: string }

export const baselineNames = ['greedy', 'marginal-greedy', 'random', 'homogeneous', 'no-op'] as const
export type BaselineName = (typeof baselineNames)[number]

/** A limit that cannot be met, and by how much not. */
export interface UnmetLimit {
  readonly cost: string
  readonly max: number
  /** The least that any choice uses while the limits in `holding` hold. */
  readonly minimum: number
  /** minimum - max. */
  readonly excess: number
  /** Costs of the limits that hold meanwhile; empty when this limit cannot be met even alone. */
  readonly holding: readonly string[]
}

export interface Infeasibility {
  readonly limits: readonly UnmetLimit[]
  /** One sentence for people. */
  readonly message: string
}

/** HiGHS asked the same question as glpk.js. */
export type SecondOpinion =
  | { readonly engine: EngineName; readonly verdict: 'agrees'; readonly objective: number; readonly bound: number }
  | {
      readonly engine: EngineName
      readonly verdict: 'disagrees'
      /** Null when it calls the problem infeasible. */
      readonly objective: number | null
      readonly bound: number | null
      /** What was done about it. */
      readonly note: string
    }
  | { readonly engine: EngineName; readonly verdict: 'agrees-infeasible' }
  | { readonly verdict: 'none'; readonly note: string }

export interface SolveResult {
  /**
   * `optimal`: the best solution is proven to the gap, or to the engines' accuracy (1e-6 of the
   * objective's size) where that is coarser. `feasible`: there is one, its gap is larger. `infeasible`: proven
   * that none exists. `time-limit`: none was found, and none was ruled out.
   */
  readonly status: 'optimal' | 'feasible' | 'infeasible' | 'time-limit'
  /** Best first. */
  readonly solutions: readonly PoolSolution[]
  readonly pool: {
    readonly requested: number
    /** Layers in which any two solutions differ at least. */
    readonly differentLayers: number
    /** `exhausted`: proven that no further solution differs enough. */
    readonly status: 'complete' | 'exhausted' | 'time-limit'
  }
  readonly baselines: Readonly<Partial<Record<BaselineName, Baseline>>>
  readonly infeasible?: Infeasibility
  readonly secondOpinion: SecondOpinion
  /** Size of the question before and after reduction; a run counts at each of its layers. */
  readonly options: { readonly given: number; readonly undominated: number; readonly core: number }
  /** Engines that crashed, and how; the other one went on. Absent when none did. */
  readonly engineFailures?: readonly string[]
  readonly seconds: number
}
