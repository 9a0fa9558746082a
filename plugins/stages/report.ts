import type { Scenario } from '../../model/index.js'
import type { ArtifactRef, Json, JsonObject, SingleStage } from '../../api/index.js'
import { format, markdown, type Result } from '../../report/markdown.js'
import { judgeLimits } from '../../puzzle/judge-limits.js'
import { readJson } from '../../puzzle/library.js'
import { limitsOf } from '../../puzzle/limits.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { ChosenRun } from '../../puzzle/selection-problem.js'

/** Of the parent's accuracy. */
interface QualityFloor {
  readonly value: number
}

/** What came out of a search, as JSON (`result.json`) and Markdown. */
export const report: SingleStage = {
  name: 'report',
  version: 4,
  reads: ['target'],
  about: { summary: 'Puts the result and its evidence together: result.json and report.md.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { stages, spec } = context
    const { scenario, quality } = spec.target as unknown as { scenario: Scenario; quality?: QualityFloor }
    const chosen = stages.select!.values as unknown as {
      solutionDigest: string
      evaluation: Evaluation
      layers: { attention: string; ffn: string }[]
      objective: number
      runs?: ChosenRun[]
      addedUp?: ChosenRun[]
    }
    const after = (stages['evaluate-child']?.values.evaluations as unknown as Evaluation[] | undefined)?.[0]
    const final = after ?? chosen.evaluation
    const outcome = await readJson<SolveOutcome>(context, stages.solve!.files.solutions!)
    const limits = judgeLimits(limitsOf(spec), scenario, final)
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
        compositionEvidence: stages.score!.values.evidence,
      },
      solutions: outcome.solutions.map((s, i) => ({
        objective: s.objective,
        predicted: s.predicted,
        measured: (stages.evaluate!.values.evaluations as unknown as Evaluation[])[i]?.child,
        ratios: (stages.evaluate!.values.evaluations as unknown as Evaluation[])[i]?.ratios,
      })),
      // Never silently: what the search had to do without.
      leftOut: ['distill', 'score'].flatMap(
        (name) => (stages[name]?.values.leftOut ?? []) as unknown as { task: string; reason: string }[],
      ),
      // What is odd about the parent.
      warnings: stages.prepare?.values.warnings,
      baselines: outcome.baselines,
      exports: exportsOf(stages.export?.files),
    }
    const json = JSON.parse(JSON.stringify(result)) as JsonObject
    return {
      values: { verdict: result.verdict, reasons, solutionDigest: chosen.solutionDigest, outcome: outcomeOf(reasons) },
      files: {
        result: await context.put('result', json),
        'report.md': await context.put('markdown', new TextEncoder().encode(markdown(json as unknown as Result))),
      },
    }
  },
}

/** What lists of runs and the command's exit code tell of it. */
const outcomeOf = (reasons: readonly string[]): JsonObject =>
  reasons.length === 0
    ? { ok: true, status: 'accepted', text: 'A child was found.' }
    : { ok: false, status: 'no child', text: `No acceptable child: ${reasons.join('; ')}.` }

/** The order in which layers went, and how far sums of single removals are from what was measured; undefined where none went. */
const depthOf = (values: JsonObject | undefined): JsonObject | undefined =>
  (values?.removed as Json[] | undefined)?.length
    ? { removed: values!.removed!, evidence: values!.evidence! }
    : undefined

/** Files of the child by format. */
function exportsOf(files: Readonly<Record<string, ArtifactRef>> = {}): Json {
  const formats: Record<string, Record<string, Json>> = {}
  for (const [name, { kind, digest, bytes }] of Object.entries(files))
    (formats[kind === 'gguf' ? 'gguf' : 'hf'] ??= {})[name] = { digest, bytes }
  return formats
}

/** The floor of quality against the share of the parent's accuracy that the child keeps. */
function judgeQuality({ value: wanted }: QualityFloor, { ratios: { accuracy } }: Evaluation) {
  return { held: accuracy !== null && accuracy >= wanted, value: accuracy, wanted }
}

const whyNot = ({ value, wanted }: ReturnType<typeof judgeQuality>): string =>
  value === null
    ? `quality >= ${format(wanted)} of the parent cannot be judged: there are no tasks, or the parent solves none`
    : `quality ${format(value)} is below ${format(wanted)}`
