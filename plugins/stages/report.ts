import type { Scenario } from '../../model/index.js'
import type { ArtifactRef, Json, JsonObject, Stage } from '../api/index.js'
import { readJson } from './library.js'
import type { Evaluation, Measured } from './measuring.js'
import type { Judged } from './select.js'
import type { SolveOutcome } from './solve.js'

interface Quality {
  readonly value: number
  readonly unit: string
}

/** What came out of a search, as JSON (`result.json`) and Markdown. */
export const report: Stage = {
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

interface Result {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly parent: Measured
  readonly child: Measured & { readonly layers: readonly { attention: string; ffn: string }[] }
  readonly ratios: Evaluation['ratios']
  readonly limits: readonly Judged[]
  readonly solver: { readonly status: string; readonly objective: number; readonly bound: number; readonly gap: number }
  readonly baselines: Readonly<Record<string, { readonly objective: number | null; readonly feasible: boolean }>>
}

const format = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : String(Number(value.toPrecision(4)))

/** The result as a page of Markdown. */
export function markdown({ verdict, reasons, parent, child, ratios, limits, solver, baselines }: Result): string {
  const row = (name: string, a: number | null, b: number | null, ratio?: number | null) =>
    `| ${name} | ${format(a)} | ${format(b)} | ${format(ratio)} |`
  return [
    `# ${verdict === 'accepted' ? 'A child was found' : 'No acceptable child'}`,
    '',
    ...reasons.map((reason) => `- ${reason}`),
    ...(reasons.length > 0 ? [''] : []),
    '| | parent | child | ratio |',
    '|---|---:|---:|---:|',
    row(
      'throughput, tokens/s (measured in one run)',
      parent.throughput.measured,
      child.throughput.measured,
      ratios.throughput,
    ),
    row('throughput, tokens/s (predicted)', parent.throughput.predicted, child.throughput.predicted),
    row('mean task accuracy', parent.accuracy, child.accuracy, ratios.accuracy),
    ...Object.keys(parent.tasks).map((name) =>
      row(`task ${name}`, parent.tasks[name]!, child.tasks[name]!, child.tasks[name]! / parent.tasks[name]!),
    ),
    row('perplexity', parent.perplexity, child.perplexity, child.perplexity / parent.perplexity),
    row('KL(parent, child), nats per token', 0, child.kl),
    row('parameters', parent.parameters, child.parameters, ratios.parameters),
    row('memory in the scenario, bytes', parent.memoryBytes, child.memoryBytes, ratios.memory),
    '',
    '## Limits',
    '',
    ...limits.map(({ limit, held, value }) => `- ${held ? 'held' : 'NOT held'}: ${limit} (${format(value)})`),
    '',
    '## Layers',
    '',
    '| layer | attention | ffn |',
    '|---:|---|---|',
    ...child.layers.map(({ attention, ffn }, i) => `| ${i} | ${attention} | ${ffn} |`),
    '',
    '## Search',
    '',
    `Solver: ${solver.status}, KL ${format(solver.objective)} (bound ${format(solver.bound)}, gap ${format(solver.gap)}).`,
    '',
    '| method | predicted KL |',
    '|---|---:|',
    `| mixed-integer search | ${format(solver.objective)} |`,
    ...Object.entries(baselines).map(
      ([name, { objective }]) => `| ${name} | ${objective === null ? 'none feasible' : format(objective)} |`,
    ),
    '',
  ].join('\n')
}
