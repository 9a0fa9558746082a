import type { ArtifactRef, JsonObject, LeftOut, Outputs } from '../api/index.js'
import type { TaskItems } from '../data/task-items.js'
import type { Calibration } from './calibration.js'
import type { CapturedFiles } from './captured.js'
import type { CostTable } from './costs.js'
import type { DepthStep } from './depth-step.js'
import type { Evaluation } from './evaluation.js'
import type { Judged } from './judge-limits.js'
import type { LibraryEntry } from './library.js'
import type { Composition, ScoreRow } from './score-row.js'
import type { ChosenRun, Solution } from './selection-problem.js'
import type { SolveOutcome } from './solve-outcome.js'
import type { CurvePoint } from './train-with-checkpoints.js'

// What each stage of the pipeline `puzzle` leaves for those behind it.

/** Token sequences (`readSequences`), and items of tasks. */
export type PrepareOutputs = Outputs<
  {
    readonly sequenceLength: number
    readonly train: PreparedText
    readonly validate: PreparedText
    readonly tasks: readonly string[]
    /** What is odd about the parent. */
    readonly warnings?: readonly string[]
  },
  {
    readonly train: ArtifactRef
    readonly validate: ArtifactRef
    readonly tasks: ArtifactRef<Readonly<Record<string, TaskItems>>>
  }
>

/** What a file of data came to. */
export interface PreparedText {
  readonly sequences: number
  /** Without padding. */
  readonly tokens: number
  /** With padding. */
  readonly positions: number
  /** Share of the positions that is padding, 0..1. */
  readonly padding: number
  /** Records that were null or empty. */
  readonly empty: number
}

export type ProfileOutputs = Outputs<
  {
    readonly measured: 'here' | 'elsewhere'
    readonly fingerprint?: JsonObject
    /** Absent where no whole models were timed. */
    readonly calibration?: Calibration
  },
  { readonly costs: ArtifactRef<CostTable> }
>

/** Hidden states of the parent on text. */
export type CaptureOutputs = Outputs<
  {
    readonly sequences: number
    readonly validateSequences: number
    /** Tokens of the training sequences, without padding. */
    readonly tokens: number
    /** Tokens of a sequence. */
    readonly length: number
    readonly bytes: number
    /** Squared rounding error over squares. */
    readonly float16Error: number
  },
  CapturedFiles
>

export type DepthOutputs = Outputs<
  { readonly removed: readonly number[]; readonly evidence: readonly DepthEvidence[] },
  /** Absent where no layer may go. */
  { readonly depth?: ArtifactRef<readonly DepthStep[]> }
>

/** How far the sum of single removals is from what was measured. KL, nats per token. */
export interface DepthEvidence {
  /** Layers removed. */
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
    readonly composition: Composition
    readonly evidence: { readonly pairs: number; readonly sum: number; readonly rss: number }
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

/** Of each solution, or of the child alone. */
export type EvaluateOutputs = Outputs<{ readonly evaluations: readonly Evaluation[] }, object>

/** A solution by its variants. */
export interface Described {
  readonly solutionDigest: string
  readonly predicted: Solution['predicted']
  readonly objective: number
  /** Variants by layer. */
  readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
  readonly runs?: readonly ChosenRun[]
  readonly addedUp?: readonly ChosenRun[]
}

export type SelectOutputs = Outputs<
  Described & {
    readonly limitsHeld: boolean
    readonly limits: readonly Judged[]
    /** The corrected solve that it comes from; 0: the pool. */
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
    /** How it was trained, for those who train on. */
    readonly batch: number
    readonly learningRate: number
    readonly weightDecay: number
  },
  { readonly child: ArtifactRef; readonly curve: ArtifactRef<readonly CurvePoint[]> }
>

/** What was tried after the first child fell short, and the child that came of it. Nothing was tried where it did not. */
export type ImproveOutputs = Outputs<
  {
    readonly attempts: readonly Attempt[]
    /** Absent where the first child is still the nearest. */
    readonly child?: Described & { readonly evaluation: Evaluation }
  },
  { readonly selected?: ArtifactRef<Solution>; readonly child?: ArtifactRef }
>

/** One more try at a child that meets the limits and the quality floor. */
export interface Attempt {
  /** `train on`: the child as it was, trained further; `another child`: another solution, trained from the start. */
  readonly action: 'train on' | 'another child'
  /** Why the child before was not accepted. */
  readonly because: readonly string[]
  /** Why this one is not; none: it is. */
  readonly reasons: readonly string[]
  readonly tokens: number
  readonly kl: number
  readonly throughput: number
  readonly accuracy: number | null
}

/** Files of the child by their names. */
export type ExportOutputs = Outputs<
  { readonly files: readonly string[]; readonly dtype: string },
  Readonly<Record<string, ArtifactRef>>
>
