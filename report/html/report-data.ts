import type { Curve } from '../curve.js'
import type { Result } from '../markdown.js'
import type { ListedItem } from '../tasks-section.js'

/** Effect of one variant of a layer's block, the other blocks being the parent's. KL in nats per token. */
export interface ScoredVariant {
  readonly layer: number
  readonly slot: 'attention' | 'ffn' | 'block'
  readonly attention: string
  readonly ffn: string
  readonly kl: number
  /** With training-free weights; null if nothing was trained. */
  readonly kl_before_distillation: number | null
  /** Present where a run of layers was replaced. */
  readonly run?: string
}

/** A point of a training's curve. */
export interface TrainingPoint {
  readonly step: number
  readonly loss: number
  readonly kl?: number
}

/** A solution of the search. */
export interface PooledSolution {
  readonly objective: number
  readonly predicted: { readonly throughput: number }
  readonly measured?: { readonly kl: number; readonly throughput: { readonly measured: number } }
  readonly ratios?: { readonly throughput: number }
}

/** A run and the plan that it did. */
export interface NamedRun {
  readonly run: string
  readonly specDigest: string
}

/** A result with everything that the page shows of it. */
export interface SearchResult extends Result, NamedRun {
  readonly solutions?: readonly PooledSolution[]
  readonly solver: Result['solver'] & {
    readonly seconds?: number
    readonly secondOpinion?: { readonly verdict: string; readonly engine?: string; readonly note?: string }
  }
}

/** How parent and child continue a prompt. */
export interface Continuation {
  readonly prompt: string
  /** How the text goes on. Absent where the prompt is one of the spec. */
  readonly actual?: string
  readonly parent: string
  readonly child: string
}

/** What parent and child write, for people to read. */
export interface ShownTexts {
  /** Prompts of the spec. Absent where it has none. */
  readonly prompts?: readonly Continuation[]
  /** Beginnings of held-out texts. */
  readonly continuations: readonly Continuation[]
  /** Items of each task that only one of the two answers right. */
  readonly tasks: Readonly<
    Record<string, { readonly losses: readonly ListedItem[]; readonly wins: readonly ListedItem[] }>
  >
}

/** What the first of two rounds came to. */
export interface FirstRound {
  readonly solver: Pick<SearchResult['solver'], 'status' | 'objective' | 'bound' | 'gap'>
  readonly refined?: SearchResult['refined']
  readonly scores?: readonly ScoredVariant[]
  readonly training?: readonly TrainingPoint[]
}

/** What every page says of the run that it is about. */
export interface RunFacts {
  /** ISO 8601. */
  readonly startedAt: string
  /** ISO 8601, of its last task. */
  readonly finishedAt?: string
  /** The spec with all defaults, as YAML. */
  readonly spec: string
  /** What starts it again. */
  readonly command: string
  /** Versions of what it was made with, by name. */
  readonly versions: Readonly<Record<string, string>>
  /** What the costs were measured on. */
  readonly machine?: Readonly<Record<string, unknown>>
  /** Of each stage, in the order of the pipeline: seconds of all its tasks together. */
  readonly stages: readonly { readonly stage: string; readonly seconds: number; readonly tasks: number }[]
}

/** What a page about a search is made of. What a run does not have is absent. */
export interface ReportData extends RunFacts {
  readonly result: SearchResult
  readonly scores?: readonly ScoredVariant[]
  /** Seconds of the scenario that a variant takes, by slot and variant. */
  readonly costs?: Readonly<Record<'attention' | 'ffn', Readonly<Record<string, number>>>>
  readonly training?: readonly TrainingPoint[]
  readonly texts?: ShownTexts
  /** Absent where there is only one round. */
  readonly firstRound?: FirstRound
}

/** What a page about a sweep is made of. */
export interface SweepData extends RunFacts {
  readonly sweep: Curve & NamedRun
}
