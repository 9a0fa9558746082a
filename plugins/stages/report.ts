import type { ArtifactRef, Json, JsonObject, Outcome, Outputs, SingleStage } from '../../api/index.js'
import { markdown, type Result } from '../../report/markdown.js'
import type {
  BaseOutputs,
  DepthOutputs,
  DistillOutputs,
  EvaluateOutputs,
  ExportOutputs,
  ImproveOutputs,
  PrepareOutputs,
  ProfileOutputs,
  RefineOutputs,
  ScoreOutputs,
  SelectOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import { batchChoices, childScenario, type Batches } from '../../puzzle/batches.js'
import type { Evaluation } from '../../puzzle/evaluation.js'
import type { Target, TargetInput } from '../../puzzle/inputs.js'
import type { Judged } from '../../puzzle/judge-limits.js'
import { declared } from '../../puzzle/objective.js'
import { readJson } from '../../puzzle/library.js'
import { scenarioIndex } from '../../puzzle/limit.js'
import type { JudgedQuality } from '../../puzzle/quality.js'
import { limitsOf, scenariosOf } from '../../puzzle/scenarios.js'
import { servedAt } from '../../puzzle/served.js'
import { judge } from '../../puzzle/verdict.js'

interface ReportNeeds {
  readonly prepare?: PrepareOutputs
  readonly profile?: ProfileOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
  readonly score: ScoreOutputs
  readonly solve: SolveOutputs
  readonly refine?: RefineOutputs
  readonly evaluate: EvaluateOutputs
  readonly select: SelectOutputs
  readonly 'evaluate-child'?: EvaluateOutputs
  readonly improve?: ImproveOutputs
  readonly export?: ExportOutputs
  readonly base?: BaseOutputs
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

/** Writes the result of a search as JSON (`result.json`) and Markdown. */
export const report: SingleStage<JsonObject, ReportNeeds, ReportOutputs, TargetInput> = {
  name: 'report',
  // 5: intervals, further attempts, tasks item by item, the test split, and the texts of report.md and of reasons in result.json. 6: prefill
  // and token latency.
  version: 6,
  reads: ['target'],
  about: { summary: 'Writes the result and its evidence: result.json and report.md.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  /** A moment, beside the others. */
  resources: () => ({ work: {} }),

  async run(context) {
    const { stages, spec } = context
    const selected = stages.select.values
    const improved = stages.improve?.values
    const chosen = improved?.child ?? selected
    const after = stages['evaluate-child']?.values.evaluations[0]
    const final = after ?? improved?.child?.evaluation ?? selected.evaluation
    const outcome = await readJson(context, stages.refine?.files.solutions ?? stages.solve.files.solutions)
    const { limits, quality, reasons, wouldTake } = judge(spec.target, final)
    const [first] = scenariosOf(spec.target, final.timing.batches)
    const objective = stages.score.values.objective ?? declared('kl', 0)
    const result = {
      verdict: reasons.length === 0 ? 'accepted' : 'no acceptable child',
      reasons,
      wouldTake: reasons.length > 0 ? wouldTake : undefined,
      solutionDigest: chosen.solutionDigest,
      scenario: childScenario(first!.scenario),
      batches: outcome.batches,
      head: (outcome.head ?? outcome.heads) && { child: chosen.head ?? 'float32', considered: outcome.heads },
      parent: final.parent,
      child: { ...final.child, layers: chosen.layers, runs: chosen.runs },
      base: stages.base?.values,
      objective,
      predictedKl: objective.name === 'kl' ? chosen.objective : undefined,
      refined: stages.refine && stages.refine.values.evaluations > 0 ? stages.refine.values : undefined,
      addedUpRemovals: chosen.addedUp,
      depth: depthOf(stages.depth?.values),
      // Of the child that was selected; another one that took its place was not measured before it was trained.
      beforeUptraining:
        after && chosen.solutionDigest === selected.solutionDigest ? selected.evaluation.child : undefined,
      attempts: improved && improved.attempts.length > 0 ? improved.attempts : undefined,
      ratios: final.ratios,
      timing: final.timing,
      profile: profileOf(stages.profile?.values),
      ...calibrationsOf(spec.target, stages.profile?.values, outcome.batches),
      paired: final.paired,
      // Only the final evaluation reads the test split, if there is one.
      measuredOn: after && (!stages.prepare || stages.prepare.files.test) ? 'test' : 'validation',
      splits: stages.prepare?.values.splits,
      limits,
      scenarios: byScenario(spec.target, final, limits),
      quality: qualityOf(spec.target, quality),
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
      // Tasks that the search had to do without are always mentioned.
      leftOut: [...(stages.distill.values.leftOut ?? []), ...(stages.score.values.leftOut ?? [])],
      // Notes on oddities of the parent.
      warnings: stages.prepare?.values.warnings,
      baselines: outcome.baselines,
      exports: exportsOf(stages.export?.files),
    }
    // In the form in which it is stored: undefined fields are absent.
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

/** What was measured in each of several scenarios, by name; undefined where the target has only one. */
function byScenario(target: Target, final: Evaluation, judged: readonly Judged[]): object | undefined {
  if (!target.scenarios) return undefined
  const all = limitsOf(target)
  return Object.fromEntries(
    scenariosOf(target).map(({ name, scenario }, index) => {
      const { parent, child, ratios, timing } = servedAt(final, index)
      const figures = ({ throughput, prefill, tokenLatency, memoryBytes }: typeof parent) => ({
        ...{ throughput, prefill, tokenLatency, memoryBytes },
      })
      const { throughput, prefill, tokenLatency, memory } = ratios
      return [
        name!,
        {
          ...{ scenario: { ...scenario }, parent: figures(parent), child: figures(child) },
          ratios: { throughput, prefill, tokenLatency, memory },
          timing,
          limits: judged.filter((_, i) => scenarioIndex(all[i]!) === index),
        },
      ]
    }),
  )
}

/** In the form in which the spec has it. */
function qualityOf({ quality }: Target, judged: readonly JudgedQuality[]): object | undefined {
  if (!quality) return undefined
  const byMeasure = judged.map(({ measure, held, value, wanted }) => [measure, { held, value, wanted }] as const)
  return 'value' in quality ? byMeasure[0]![1] : Object.fromEntries(byMeasure)
}

/** The calibration of the costs that the child was chosen by, in the first scenario or at its batch, and the others in their order. */
function calibrationsOf(
  target: Target,
  { calibration, otherCalibrations }: Partial<ProfileOutputs['values']> = {},
  batches: Batches | undefined,
) {
  const at = batches && otherCalibrations ? batchChoices(target)!.indexOf(batches.child) : 0
  if (at === 0) return { calibration, otherCalibrations }
  const all = [calibration, ...otherCalibrations!]
  return { calibration: all[at], otherCalibrations: all.filter((_, i) => i !== at) }
}

/** How the costs of blocks were measured; undefined if that was elsewhere. */
const profileOf = ({ load, again, imprecise, lost }: Partial<ProfileOutputs['values']> = {}) =>
  [load, imprecise, lost].every((known) => known === undefined) ? undefined : { load, again, imprecise, lost }

/** The outcome for lists of runs and the command's exit code. */
const outcomeOf = (reasons: readonly string[]): Outcome =>
  reasons.length === 0
    ? { ok: true, status: 'accepted', text: 'A child was found.' }
    : { ok: false, status: 'no child', text: `No acceptable child: ${reasons.join('; ')}.` }

/** The order in which layers were removed, and the sums of their individual scores against the measured KL; undefined if none
 *  were removed. */
const depthOf = (values: DepthOutputs['values'] | undefined): DepthOutputs['values'] | undefined =>
  values && values.removed.length > 0 ? { removed: values.removed, evidence: values.evidence } : undefined

/** Files of the child by format. */
function exportsOf(files: Readonly<Record<string, ArtifactRef>> = {}): Json {
  const formats: Record<string, Record<string, Json>> = {}
  for (const [name, { kind, digest, bytes }] of Object.entries(files))
    (formats[kind === 'gguf' ? 'gguf' : 'hf'] ??= {})[name] = { digest, bytes }
  return formats
}
