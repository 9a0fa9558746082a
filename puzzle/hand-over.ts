import type { ArtifactRef, JsonObject, LeftOut, Outputs } from '../api/index.js'
import type { PreparedText } from '../data/held-out.js'
import type { SplitKind } from '../data/task-splits.js'
import type { TaskItems } from '../data/task.js'
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
    readonly test?: PreparedText
    readonly tasks: readonly string[]
    /** How what the search sees and what only the final evaluation sees came about. */
    readonly splits?: { readonly text: SplitKind; readonly tasks: Readonly<Record<string, SplitKind>> }
    /** What is odd about the parent. */
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
  { readonly measured: 'here' | 'elsewhere'; readonly fingerprint?: JsonObject },
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

export type SelectOutputs = Outputs<
  {
    readonly solutionDigest: string
    readonly limitsHeld: boolean
    readonly limits: readonly Judged[]
    /** The corrected solve that it comes from; 0: the pool. */
    readonly round: number
    readonly predicted: Solution['predicted']
    readonly objective: number
    readonly evaluation: Evaluation
    /** Variants by layer. */
    readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
    readonly runs?: readonly ChosenRun[]
    readonly addedUp?: readonly ChosenRun[]
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
  },
  { readonly child: ArtifactRef; readonly curve: ArtifactRef<readonly CurvePoint[]> }
>

/** Files of the child by their names. */
export type ExportOutputs = Outputs<
  { readonly files: readonly string[]; readonly dtype: string },
  Readonly<Record<string, ArtifactRef>>
>
