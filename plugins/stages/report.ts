import type { ArtifactRef, Json, JsonObject, Outcome, Outputs, SingleStage } from '../../api/index.js'
import { format, markdown, type Result } from '../../report/markdown.js'
import type {
  DepthOutputs,
  DistillOutputs,
  EvaluateOutputs,
  ExportOutputs,
  PrepareOutputs,
  ScoreOutputs,
  SelectOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import type { Target, TargetInput } from '../../puzzle/inputs.js'
import { judgeLimits } from '../../puzzle/judge-limits.js'
import { readJson } from '../../puzzle/library.js'
import { limitsOf } from '../../puzzle/limits.js'
import type { Evaluation } from '../../puzzle/evaluation.js'

interface ReportNeeds {
  readonly prepare?: PrepareOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
  readonly score: ScoreOutputs
  readonly solve: SolveOutputs
  readonly evaluate: EvaluateOutputs
  readonly select: SelectOutputs
  readonly 'evaluate-child'?: EvaluateOutputs
  readonly export?: ExportOutputs
}

type ReportOutputs = Outputs<
  {
    readonly verdict: string
    readonly reasons: readonly string[]
    readonly solutionDigest: string
    readonly outcome: Outcome
  },
  { readonly result: ArtifactRef; readonly 'report.md': ArtifactRef }
>

/** What came out of a search, as JSON (`result.json`) and Markdown. */
export const report: SingleStage<JsonObject, ReportNeeds, ReportOutputs, TargetInput> = {
  name: 'report',
  // 5: tasks item by item, and what was measured on the test split.
  version: 5,
  reads: ['target'],
  about: { summary: 'Writes the result and its evidence: result.json and report.md.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { stages, spec } = context
    const { scenario, quality } = spec.target
    const chosen = stages.select.values
    const after = stages['evaluate-child']?.values.evaluations[0]
    const final = after ?? chosen.evaluation
    const outcome = await readJson(context, stages.solve.files.solutions)
    const limits = judgeLimits(limitsOf(spec.target), scenario, final)
    const floor = quality && judgeQuality(quality, final)
    const reasons = [
      ...limits.filter(({ held }) => !held).map(({ limit, value }) => `${limit}: ${format(value)} as measured`),
      ...(floor && !floor.held ? [whyNot(floor)] : []),
    ]
    const result = {
      verdict: reasons.length === 0 ? 'accepted' : 'no acceptable child',
      reasons,
      solutionDigest: chosen.solutionDigest,
      scenario,
      parent: final.parent,
      child: { ...final.child, layers: chosen.layers, runs: chosen.runs },
      predictedKl: chosen.objective,
      addedUpRemovals: chosen.addedUp,
      depth: depthOf(stages.depth?.values),
      beforeUptraining: after ? chosen.evaluation.child : undefined,
      ratios: final.ratios,
      paired: final.paired,
      // Only the final evaluation reads the test split, where there is one.
      measuredOn: after && (!stages.prepare || stages.prepare.files.test) ? 'test' : 'validation',
      splits: stages.prepare?.values.splits,
      timingSessions: final.sessions,
      limits,
      quality: floor,
      solver: {
        status: outcome.status,
        objective: outcome.proofs[0]!.objective,
        bound: outcome.proofs[0]!.bound,
        gap: outcome.proofs[0]!.gap,
        seconds: outcome.proofs[0]!.seconds,
        secondOpinion: outcome.secondOpinion,
        composition: outcome.composition,
        compositionEvidence: stages.score.values.evidence,
      },
      solutions: outcome.solutions.map((s, i) => ({
        objective: s.objective,
        predicted: s.predicted,
        measured: stages.evaluate.values.evaluations[i]?.child,
        ratios: stages.evaluate.values.evaluations[i]?.ratios,
      })),
      // Tasks that the search had to do without are never dropped silently.
      leftOut: [...(stages.distill.values.leftOut ?? []), ...(stages.score.values.leftOut ?? [])],
      // What is odd about the parent.
      warnings: stages.prepare?.values.warnings,
      baselines: outcome.baselines,
      exports: exportsOf(stages.export?.files),
    }
    // As it is stored: what is undefined is absent.
    const json = JSON.parse(JSON.stringify(result)) as JsonObject & Result
    return {
      values: { verdict: result.verdict, reasons, solutionDigest: chosen.solutionDigest, outcome: outcomeOf(reasons) },
      files: {
        result: await context.put('result', json),
        'report.md': await context.put('markdown', new TextEncoder().encode(markdown(json))),
      },
    }
  },
}

/** What lists of runs and the command's exit code tell of it. */
const outcomeOf = (reasons: readonly string[]): Outcome =>
  reasons.length === 0
    ? { ok: true, status: 'accepted', text: 'A child was found.' }
    : { ok: false, status: 'no child', text: `No acceptable child: ${reasons.join('; ')}.` }

/** The order in which layers went, and how far sums of single removals are from what was measured; undefined where none went. */
const depthOf = (values: DepthOutputs['values'] | undefined): DepthOutputs['values'] | undefined =>
  values && values.removed.length > 0 ? { removed: values.removed, evidence: values.evidence } : undefined

/** Files of the child by format. */
function exportsOf(files: Readonly<Record<string, ArtifactRef>> = {}): Json {
  const formats: Record<string, Record<string, Json>> = {}
  for (const [name, { kind, digest, bytes }] of Object.entries(files))
    (formats[kind === 'gguf' ? 'gguf' : 'hf'] ??= {})[name] = { digest, bytes }
  return formats
}

/** The floor of quality against the share of the parent's accuracy that the child keeps. */
function judgeQuality({ value: wanted }: NonNullable<Target['quality']>, { ratios: { accuracy } }: Evaluation) {
  return { held: accuracy !== null && accuracy >= wanted, value: accuracy, wanted }
}

const whyNot = ({ value, wanted }: ReturnType<typeof judgeQuality>): string =>
  value === null
    ? `quality >= ${format(wanted)} of the parent cannot be judged: there are no tasks, or the parent solves none`
    : `quality ${format(value)} is below ${format(wanted)}`
