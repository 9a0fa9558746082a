import type { ArtifactRef, Files, JsonObject, LeftOut, Outputs } from '../api/index.js'
import type { PreparedText } from '../data/held-out.js'
import type { SplitKind } from '../data/task-splits.js'
import type { TaskItems } from '../data/task.js'
import type { HeadWeights } from '../model/index.js'
import type { Batches } from './batches.js'
import type { Calibration } from './calibration.js'
import type { CapturedFiles } from './captured.js'
import type { CostTable } from './costs.js'
import type { DepthStep } from './depth-step.js'
import type { Evaluation } from './evaluation.js'
import type { HeadKinds } from './heads.js'
import type { Judged } from './judge-limits.js'
import type { LibraryEntry } from './library.js'
import type { Objective } from './objective.js'
import type { Composition, ScoreRow } from './score-row.js'
import type { MeasuredSelection } from './selection.js'
import type { ChosenRun, OptionScores, Solution } from './selection-problem.js'
import type { ShownTexts } from './shown-texts.js'
import type { SolveOutcome } from './solve-outcome.js'
import type { CurvePoint } from './train-with-checkpoints.js'
import type { Manner } from './uptrain-params.js'

// The outputs of each stage of the pipeline `puzzle` for later stages.

/** Token sequences (`readSequences`), and items of tasks. */
export type PrepareOutputs = Outputs<
  {
    readonly sequenceLength: number
    readonly train: PreparedText
    readonly validate: PreparedText
    readonly test?: PreparedText
    readonly tasks: readonly string[]
    /** How the validation and the test split came about. */
    readonly splits?: { readonly text: SplitKind; readonly tasks: Readonly<Record<string, SplitKind>> }
    /** Notes on oddities of the parent. */
    readonly warnings?: readonly string[]
  },
  {
    readonly train: ArtifactRef
    readonly validate: ArtifactRef
    readonly tasks: ArtifactRef<Readonly<Record<string, TaskItems>>>
    /** Only the final evaluation sees these. A stage in place of `prepare` may leave them out. */
    readonly test?: ArtifactRef
    readonly testTasks?: ArtifactRef<Readonly<Record<string, TaskItems>>>
  }
>

export type ProfileOutputs = Outputs<
  {
    readonly measured: 'here' | 'elsewhere'
    readonly fingerprint?: JsonObject
    /** Share of the processors, 0 to 1, that other programs used meanwhile; absent where that was too short to say. */
    readonly load?: number
    /** Measurements that were repeated when the machine was quieter; absent if none were. */
    readonly again?: number
    /** Measurements that are less precise than they were to be; absent if none are. */
    readonly imprecise?: { readonly count: number; readonly of: number }
    /** Blocks whose times were lost in noise, `SLOT/VARIANT`; absent if there are none. */
    readonly lost?: readonly string[]
    /** Types of the head to choose from; absent if it is the parent's. */
    readonly heads?: HeadKinds
    /** Absent if no whole models were timed. */
    readonly calibration?: Calibration
    /** In the scenarios after the first, or at the other batches. */
    readonly otherCalibrations?: readonly Calibration[]
  },
  {
    readonly costs: ArtifactRef<CostTable>
    /** In the scenarios after the first, or at the batches after the first that the search may choose; absent if there are none. */
    readonly otherCosts?: ArtifactRef<readonly CostTable[]>
  }
>

/** Hidden states of the parent on text. */
export type CaptureOutputs = Outputs<
  {
    readonly sequences: number
    readonly validateSequences: number
    /** Number of tokens of the training sequences, without padding. */
    readonly tokens: number
    /** Tokens per sequence. */
    readonly length: number
    readonly bytes: number
    /** Sum of squared rounding errors divided by the sum of squares. */
    readonly float16Error: number
  },
  CapturedFiles
>

export type DepthOutputs = Outputs<
  { readonly removed: readonly number[]; readonly evidence: readonly DepthEvidence[] },
  /** Absent if no layer may be removed. */
  { readonly depth?: ArtifactRef<readonly DepthStep[]> }
>

/** The sum of the scores of single removals against the measured KL, in nats per token. */
export interface DepthEvidence {
  /** Number of layers removed. */
  readonly removed: number
  readonly measured: number
  readonly additive: number
}

export type DistillOutputs = Outputs<
  { readonly entries: number; readonly trained: number; readonly leftOut?: readonly LeftOut[] },
  { readonly library: ArtifactRef<readonly LibraryEntry[]> }
>

export type ScoreOutputs = Outputs<
  {
    readonly rows: number
    /** By what blocks were judged. Absent from results of earlier versions, which knew the KL alone. */
    readonly objective?: Objective
    readonly composition: Composition
    readonly evidence: { readonly pairs: number; readonly sum: number; readonly rss: number }
    /** What quantised heads lose; absent if the space has none. */
    readonly heads?: Readonly<Partial<Record<HeadWeights, number>>>
    readonly leftOut?: readonly LeftOut[]
  },
  { readonly scores: ArtifactRef<readonly ScoreRow[]> }
>

export type SolveOutputs = Outputs<
  {
    readonly status: SolveOutcome['status']
    readonly objective: number
    readonly bound: number
    readonly gap: number
    readonly solutions: number
    readonly composition: Composition
  },
  { readonly problem: ArtifactRef; readonly solutions: ArtifactRef<SolveOutcome> }
>

/** The solutions of `solve` as measurements of whole children improved them. */
export type RefineOutputs = Outputs<
  {
    /** Children that were measured besides the solutions of `solve`. */
    readonly evaluations: number
    /** Of the solver's first solution: the sum of scores, and the measured KL. Absent if nothing was measured, as all below. */
    readonly predicted?: number
    readonly before?: number
    /** Least measured KL of the solver's solutions, and of all children. */
    readonly best?: number
    readonly after?: number
    /** Layers in which the best child differs from the solver's first solution. */
    readonly changedLayers?: number
    /** Sum of the scores of the best child. */
    readonly scoreSum?: number
  },
  {
    /** Absent if nothing was measured, as are scores. */
    readonly solutions?: ArtifactRef<SolveOutcome>
    /** Scores of options beside the best child, by layer and option. */
    readonly scores?: ArtifactRef<OptionScores>
    /** The children that were measured, the best first: whole children are predicted from them. */
    readonly measured?: ArtifactRef<readonly MeasuredSelection[]>
  }
>

/** The trained child of a round, as the model whose blocks the next round replaces. */
export type BaseOutputs = Outputs<
  {
    /** Variants by layer. */
    readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
  },
  /** In addition, the weights of its blocks by entry id. */
  Files & {
    /** Its blocks, attention and FFN for every layer. */
    readonly base: ArtifactRef<readonly LibraryEntry[]>
    /** The library of the round before. */
    readonly library: ArtifactRef<readonly LibraryEntry[]>
  }
>

/** Evaluations of each solution, or of the child only. */
export type EvaluateOutputs = Outputs<
  { readonly evaluations: readonly Evaluation[] },
  /** Absent where none were asked for, and of models without a tokenizer. */
  { readonly texts?: ArtifactRef<ShownTexts> }
>

/** A solution by its variants. */
export interface Described {
  readonly solutionDigest: string
  readonly predicted: Solution['predicted']
  readonly objective: number
  /** Variants by layer. */
  readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
  readonly runs?: readonly ChosenRun[]
  readonly addedUp?: readonly ChosenRun[]
  /** Where the search has chosen them. The digest is of the child alone. */
  readonly batches?: Batches
  /** Type of its head; absent if it is the parent's. */
  readonly head?: HeadWeights
}

export type SelectOutputs = Outputs<
  Described & {
    readonly limitsHeld: boolean
    readonly limits: readonly Judged[]
    /** Number of the corrected solve that it comes from; 0 for the pool. */
    readonly round: number
    readonly evaluation: Evaluation
  },
  { readonly selected: ArtifactRef<Solution> }
>

export type UptrainOutputs = Outputs<
  {
    readonly steps: number
    readonly tokens: number
    readonly loss: number
    readonly kl: number
    readonly cosine: number
  } & Manner,
  { readonly child: ArtifactRef; readonly curve: ArtifactRef<readonly CurvePoint[]> }
>

/** What was tried after the first child fell short, and the resulting child. Nothing is tried if it did not. */
export type ImproveOutputs = Outputs<
  {
    readonly attempts: readonly Attempt[]
    /** Absent if the first child is still the nearest. */
    readonly child?: Described & { readonly evaluation: Evaluation }
  },
  { readonly selected?: ArtifactRef<Solution>; readonly child?: ArtifactRef }
>

/** One more attempt at a child that meets the limits and the quality floor. */
export interface Attempt {
  /** `train on`: the same child, trained further; `another child`: another solution, trained from the start. */
  readonly action: 'train on' | 'another child'
  /** Why the previous child was not accepted. */
  readonly because: readonly string[]
  /** Why this one was not accepted; empty if it was. */
  readonly reasons: readonly string[]
  readonly tokens: number
  readonly kl: number
  /** Child / parent, measured. */
  readonly throughput: number
  readonly accuracy: number | null
}

/** Files of the child, by name. */
export type ExportOutputs = Outputs<
  { readonly files: readonly string[]; readonly dtype: string },
  Readonly<Record<string, ArtifactRef>>
>
