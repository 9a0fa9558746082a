import { format } from './format.js'
import { tasksSection, type TasksResult } from './tasks-section.js'

export { format }

interface Measured {
  readonly throughput: { readonly predicted: number | null; readonly measured: number }
  readonly accuracy: number | null
  readonly tasks: Readonly<Record<string, number>>
  readonly perplexity: number
  readonly kl: number
  readonly metrics?: TasksResult['child']['metrics']
  readonly parameters: number
  readonly memoryBytes: number
}

/** Neighbouring layers that are replaced as one. */
interface Run {
  readonly layer: number
  readonly span: number
  readonly run: string
}

/** What of a search's result is shown. */
export interface Result extends Pick<TasksResult, 'paired' | 'measuredOn' | 'splits'> {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly parent: Measured
  readonly child: Measured & {
    readonly layers: readonly { attention: string; ffn: string }[]
    readonly runs?: readonly Run[]
  }
  /** As selected, where it was uptrained. */
  readonly beforeUptraining?: Measured
  /** KL of the child as selected by the sum of its scores. */
  readonly predictedKl?: number
  /** Removals of layers whose scores were added up though each was measured alone. */
  readonly addedUpRemovals?: readonly Run[]
  /** Layers in the order in which they were removed, and what that does: KL to the parent. */
  readonly depth?: {
    readonly removed: readonly number[]
    readonly evidence: readonly { readonly removed: number; readonly measured: number; readonly additive: number }[]
  }
  readonly ratios: {
    readonly throughput: number
    readonly accuracy: number | null
    readonly memory: number
    readonly parameters: number
  }
  readonly limits: readonly { readonly limit: string; readonly held: boolean; readonly value: number }[]
  /** Sessions in which the child was timed, where more than one was needed. */
  readonly timingSessions?: number
  readonly solver: { readonly status: string; readonly objective: number; readonly bound: number; readonly gap: number }
  /** Tasks that failed or were skipped: the search had to do without them. */
  readonly leftOut?: readonly { readonly task: string; readonly reason: string }[]
  /** What is odd about the parent, and what was made of it. */
  readonly warnings?: readonly string[]
  readonly baselines: Readonly<Record<string, { readonly objective: number | null; readonly feasible: boolean }>>
}

/** The result as a page of Markdown. */
export function markdown(result: Result): string {
  const {
    verdict,
    reasons,
    parent,
    child,
    ratios,
    limits,
    solver,
    baselines,
    leftOut = [],
    warnings = [],
    timingSessions: sessions = 1,
  } = result
  const row = (name: string, a: number | null, b: number | null, ratio?: number | null) =>
    `| ${name} | ${format(a)} | ${format(b)} | ${format(ratio)} |`
  return [
    `# ${verdict === 'accepted' ? 'A child was found' : 'No acceptable child'}`,
    '',
    ...reasons.map((reason) => `- ${reason}`),
    ...(reasons.length > 0 ? [''] : []),
    ...warnings.flatMap((warning) => [`Of the parent: ${warning}.`, '']),
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
    ...tasksSection(result),
    '## Limits',
    '',
    ...limits.map(({ limit, held, value }) => `- ${held ? 'held' : 'NOT held'}: ${limit} (${format(value)})`),
    ...(limits.length === 0 ? ['None.'] : []),
    ...(sessions > 1
      ? ['', `A limit of time was narrowly missed at first: this is the best of ${sessions} sessions of timing.`]
      : []),
    '',
    ...(leftOut.length > 0
      ? ['## Left out of the search', '', ...leftOut.map(({ task, reason }) => `- ${task}: ${reason}`), '']
      : []),
    '## Layers',
    '',
    ...layersTable(child),
    '',
    ...removalNote(result),
    ...depthSection(result.depth),
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

/** What is in each layer; where there are runs of layers, what each is part of. */
function layersTable({ layers, runs = [] }: Result['child']): string[] {
  const rows = layers.map(({ attention, ffn }, i) => {
    const run = runs.find(({ layer, span }) => i >= layer && i < layer + span)
    return [String(i), attention, ffn, ...(runs.length > 0 ? [run ? nameOf(run) : ''] : [])]
  })
  const [head, line] = [
    ['layer', 'attention', 'ffn'],
    ['---:', '---', '---'],
  ]
  if (runs.length > 0) {
    head.push('run of layers')
    line.push('---')
  }
  return [`| ${head.join(' | ')} |`, `|${line.join('|')}|`, ...rows.map((cells) => `| ${cells.join(' | ')} |`)]
}

/** `drop-2, layers 1 to 2` */
const nameOf = ({ layer, span, run }: Run): string =>
  `${run}, ${span === 1 ? `layer ${layer}` : `layers ${layer} to ${layer + span - 1}`}`

/** That a prediction is a sum of removals, which misleads. */
function removalNote({ addedUpRemovals: removals, predictedKl, beforeUptraining, child }: Result): string[] {
  if (!removals) return []
  const measured = (beforeUptraining ?? child).kl
  return [
    `Several removals of layers (${removals.map(nameOf).join('; ')}) were chosen by the sum of what each does alone, and together they can do much more: KL ${format(predictedKl)} was predicted for this child, and ${format(measured)} measured${beforeUptraining ? ' before uptraining' : ''}. The stage \`depth\` measures removals of single layers, \`{ run: drop }\`, together.`,
    '',
  ]
}

/** Order and effect of removals of single layers. */
function depthSection(depth: Result['depth']): string[] {
  if (!depth) return []
  return [
    '## Removing single layers',
    '',
    'Each layer went after those before it, the one whose removal does least.',
    '',
    '| layers removed | KL, measured | sum of what each does alone |',
    '|---|---:|---:|',
    ...depth.evidence.map(
      ({ removed, measured, additive }) =>
        `| ${depth.removed.slice(0, removed).join(', ')} | ${format(measured)} | ${format(additive)} |`,
    ),
    '',
  ]
}
