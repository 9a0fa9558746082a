import type { Scenario } from '../../model/index.js'
import type { ArtifactRef, Json, JsonObject, SingleStage } from '../api/index.js'
import { format, markdown, type Result } from '../../report/markdown.js'
import { readJson } from './library.js'
import type { Evaluation } from './measuring.js'
import type { Judged } from './select.js'
import type { SolveOutcome } from './solve.js'

interface Quality {
  readonly value: number
  readonly unit: string
}

/** What came out of a search, as JSON (`result.json`) and Markdown. */
export const report: SingleStage = {
  name: 'report',
  version: 1,
  reads: ['target'],
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { stages, spec } = context
    const { scenario, quality } = spec.target as unknown as { scenario: Scenario; quality?: Quality }
    const chosen = stages.select!.values as unknown as {
      solutionDigest: string
      limits: Judged[]
      evaluation: Evaluation
      layers: { attention: string; ffn: string }[]
      objective: number
    }
    const after = (stages['evaluate-child']?.values.evaluations as unknown as Evaluation[] | undefined)?.[0]
    const final = after ?? chosen.evaluation
    const outcome = await readJson<SolveOutcome>(context, stages.solve!.files.solutions!)
    const limits = judgeAgain(chosen.limits, final)
    const accuracy = final.ratios.accuracy
    const floor = quality && accuracy !== null ? qualityHeld(quality, final) : undefined
    const accepted = limits.every(({ held }) => held) && floor?.held !== false
    const reasons = [
      ...limits.filter(({ held }) => !held).map(({ limit, value }) => `${limit}: ${format(value)} as measured`),
      ...(floor && !floor.held ? [`quality ${format(floor.value)} is below ${format(floor.wanted)}`] : []),
    ]
    const result = {
      verdict: accepted ? 'accepted' : 'no acceptable child',
      reasons,
      solutionDigest: chosen.solutionDigest,
      scenario,
      parent: final.parent,
      child: { ...final.child, layers: chosen.layers },
      beforeUptraining: after ? chosen.evaluation.child : undefined,
      ratios: final.ratios,
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
      baselines: outcome.baselines,
      exports: exportsOf(stages.export?.files),
    }
    const json = JSON.parse(JSON.stringify(result)) as JsonObject
    return {
      values: { verdict: result.verdict, reasons, solutionDigest: chosen.solutionDigest },
      files: {
        result: await context.put('result', json),
        'report.md': await context.put('markdown', new TextEncoder().encode(markdown(json as unknown as Result))),
      },
    }
  },
}

const exportsOf = (files: Readonly<Record<string, ArtifactRef>> | undefined): Json =>
  files
    ? { hf: Object.fromEntries(Object.entries(files).map(([name, { digest, bytes }]) => [name, { digest, bytes }])) }
    : {}

/** Limits of the selected solution, against the final measurement. */
function judgeAgain(limits: readonly Judged[], { ratios, child }: Evaluation): Judged[] {
  return limits.map((judged) => {
    if (!judged.limit.startsWith('throughput')) return judged
    const value = judged.limit.endsWith('of the parent') ? ratios.throughput : child.throughput.measured
    return { ...judged, value, held: value >= judged.wanted }
  })
}

function qualityHeld({ value, unit }: Quality, { ratios, child }: Evaluation) {
  const own = unit === 'parent' ? ratios.accuracy! : child.accuracy!
  return { held: own >= value, value: own, wanted: value }
}
