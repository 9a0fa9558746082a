import { plainMarkdown as plain } from '../errors/markdown.js'
import { baseNote, type BaseResult } from './base-note.js'
import { batchesSection, type BatchesResult } from './batches-section.js'
import { format } from './format.js'
import { headSection, type HeadResult } from './head-section.js'
import {
  calibrationNote,
  profileNote,
  timingNote,
  type CalibrationNotes,
  type ProfileNotes,
  type TimingNotes,
} from './measurement-notes.js'
import { qualityBounds, type QualityResult } from './quality-bounds.js'
import { scenariosSection, type ScenarioResult } from './scenarios-section.js'
import { tasksSection, type TasksResult } from './tasks-section.js'

export { format }

/** Seconds. */
interface Time {
  readonly predicted: number | null
  readonly measured: number
}

interface Measured {
  readonly throughput: { readonly predicted: number | null; readonly measured: number }
  /** Absent from results of earlier versions. */
  readonly prefill?: Time
  readonly tokenLatency?: Time
  readonly accuracy: number | null
  readonly tasks: Readonly<Record<string, number>>
  readonly perplexity: number
  readonly kl: number
  readonly metrics?: TasksResult['child']['metrics']
  readonly parameters: number
  readonly memoryBytes: number
}

/** Adjacent layers that are replaced as one. */
interface Run {
  readonly layer: number
  readonly span: number
  readonly run: string
}

/** The parts of a search's result that the page shows. Throughput is in tokens/s, KL in nats per token. */
export interface Result extends Pick<TasksResult, 'paired' | 'measuredOn' | 'splits'> {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly parent: Measured
  readonly child: Measured & {
    readonly layers: readonly { attention: string; ffn: string }[]
    readonly runs?: readonly Run[]
  }
  /** Measurements of the selected child before uptraining; absent if it was not uptrained. */
  readonly beforeUptraining?: Measured
  /** The child of the first round, which the scores and the solver's figures are relative to; absent if that is the parent. */
  readonly base?: BaseResult
  /** KL that the sum of scores predicts for the selected child. */
  readonly predictedKl?: number
  readonly objective?: { readonly name: string; readonly direction: string; readonly parent: number }
  readonly refined?: { readonly evaluations: number; readonly before: number; readonly after: number }
  /** Removals of layers that were only measured individually, and whose scores were added up. */
  readonly addedUpRemovals?: readonly Run[]
  /** Layers in the order of their removal, and its effect: KL to the parent. */
  readonly depth?: {
    readonly removed: readonly number[]
    readonly evidence: readonly { readonly removed: number; readonly measured: number; readonly additive: number }[]
  }
  readonly ratios: {
    readonly throughput: number
    readonly prefill?: number
    readonly tokenLatency?: number
    readonly accuracy: number | null
    readonly memory: number
    readonly parameters: number
  }
  readonly limits: readonly {
    readonly limit: string
    readonly held: boolean
    readonly value: number
    /** Confidence interval of a measured time. */
    readonly interval?: readonly [low: number, high: number]
  }[]
  /** Bounds on quality: a lone one is on the accuracy. */
  readonly quality?: QualityResult
  /** What was measured in each of several scenarios; all the rest is of the first. Absent where there is only one. */
  readonly scenarios?: Readonly<Record<string, ScenarioResult>>
  /** Absent where the spec says which batch it is. */
  readonly batches?: BatchesResult
  /** Absent where the space leaves the parent's. */
  readonly head?: HeadResult
  /** The passes by which parent and child were timed. */
  readonly timing?: TimingNotes
  /** The same while the costs of blocks were measured, and blocks whose times were lost in noise. */
  readonly profile?: ProfileNotes
  /** How well the costs of blocks predict whole models: errors of the predicted ratio of child and parent. */
  readonly calibration?: CalibrationNotes
  /** Limits that would accept this child. */
  readonly wouldTake?: readonly string[]
  /** What was tried after the first child fell short. */
  readonly attempts?: readonly {
    readonly action: string
    readonly because: readonly string[]
    readonly tokens: number
    readonly kl: number
    readonly throughput: number
    readonly accuracy: number | null
  }[]
  readonly solver: { readonly status: string; readonly objective: number; readonly bound: number; readonly gap: number }
  /** Tasks that failed or were skipped, so that the search had to do without them. */
  readonly leftOut?: readonly { readonly task: string; readonly reason: string }[]
  /** Notes on oddities of the parent and how they were treated. */
  readonly warnings?: readonly string[]
  readonly baselines: Readonly<Record<string, { readonly objective: number | null; readonly feasible: boolean }>>
}

/** Writes the result as a page of Markdown. */
export function markdown(result: Result): string {
  const {
    verdict,
    reasons,
    parent,
    child,
    ratios,
    limits,
    solver,
    objective,
    base,
    refined,
    baselines,
    leftOut = [],
    warnings = [],
    timing,
    calibration,
    profile,
    wouldTake = [],
  } = result
  const row: Row = (name, a, b, ratio) => `| ${name} | ${format(a)} | ${format(b)} | ${format(ratio)} |`
  return [
    `# ${verdict === 'accepted' ? 'A child was found' : 'No acceptable child was found'}`,
    '',
    ...reasons.map((reason) => `- ${plain(reason)}`),
    ...(reasons.length > 0 ? [''] : []),
    ...(wouldTake.length > 0
      ? [`This is the nearest child. It would be accepted with ${wouldTake.map(plain).join(' and ')}.`, '']
      : []),
    ...warnings.flatMap((warning) => [`Note on the parent: ${plain(warning)}.`, '']),
    '| | parent | child | ratio |',
    '|---|---:|---:|---:|',
    row(
      'throughput, tokens/s (both measured in the same run)',
      parent.throughput.measured,
      child.throughput.measured,
      ratios.throughput,
    ),
    row('throughput, tokens/s (predicted)', parent.throughput.predicted, child.throughput.predicted),
    ...timeRows(result, row),
    row('mean task accuracy', parent.accuracy, child.accuracy, ratios.accuracy),
    ...Object.keys(parent.tasks).map((name) =>
      row(`task ${plain(name)}`, parent.tasks[name]!, child.tasks[name]!, child.tasks[name]! / parent.tasks[name]!),
    ),
    row('perplexity', parent.perplexity, child.perplexity, child.perplexity / parent.perplexity),
    row('KL(parent ‖ child), nats per token', 0, child.kl),
    row('parameters', parent.parameters, child.parameters, ratios.parameters),
    row('memory in the scenario, bytes', parent.memoryBytes, child.memoryBytes, ratios.memory),
    '',
    ...scenariosSection(result.scenarios),
    ...batchesSection(result.batches, lost(objective)),
    ...headSection(result.head, lost(objective)),
    ...tasksSection(result),
    '## Limits',
    '',
    ...limits.map(
      ({ limit, held, value, interval }) =>
        `- ${held ? 'met' : 'NOT met'}: ${plain(limit)} (actual: ${format(value)}${interval ? `, ${interval.map(format).join(' to ')}` : ''})`,
    ),
    ...(limits.length === 0 ? ['None.'] : []),
    '',
    ...qualitySection(result.quality),
    ...(timing ? [timingNote(timing), ''] : []),
    ...(calibration ? [calibrationNote(calibration), ''] : []),
    ...(profile ? [profileLine(profile), ''] : []),
    ...attemptsTable(result.attempts),
    ...(leftOut.length > 0
      ? [
          '## Left out of the search',
          '',
          ...leftOut.map(({ task, reason }) => `- ${plain(task)}: ${plain(reason)}`),
          '',
        ]
      : []),
    '## Layers',
    '',
    ...layersTable(child),
    '',
    ...removalNote(result),
    ...depthSection(result.depth),
    '## Search',
    '',
    ...(base ? [baseNote(base), ''] : []),
    `Solver: ${solver.status}, ${lost(objective)} ${format(solver.objective)} (bound ${format(solver.bound)}, gap ${format(solver.gap)}).`,
    '',
    ...(objective && objective.name !== 'kl' ? [objectiveNote(objective), ''] : []),
    ...(refined ? [refinedNote(refined, objective), ''] : []),
    `| method | predicted ${lost(objective)} |`,
    '|---|---:|',
    `| mixed-integer programming | ${format(solver.objective)} |`,
    ...Object.entries(baselines).map(
      ([name, { objective }]) => `| ${name} | ${objective === null ? 'no feasible choice' : format(objective)} |`,
    ),
    '',
  ].join('\n')
}

/** What scores measure: the KL, or what is lost of another objective. */
const lost = (objective: Result['objective']): string =>
  objective && objective.name !== 'kl' ? `loss of ${objective.name}` : 'KL'

const objectiveNote = ({ name, direction, parent }: NonNullable<Result['objective']>): string =>
  `Blocks were judged by ${name} (to ${direction}; the parent has ${format(parent)}): figures say how much worse a child is.`

/** Says what measuring whole children came to. */
const refinedNote = (
  { evaluations, before, after }: NonNullable<Result['refined']>,
  objective: Result['objective'],
): string =>
  `Sums of scores are predictions. Of ${evaluations} more children that were measured untrained, the best has a ${lost(objective)} of ${format(after)}; the solver’s first solution has ${format(before)}.`

type Row = (name: string, parent: number | null, child: number | null, ratio?: number | null) => string

/** Time to the first token and between tokens, as measured. */
function timeRows({ parent, child, ratios }: Result, row: Row): string[] {
  const names = { prefill: 'time to the first token, s', tokenLatency: 'time per generated token, s' } as const
  return Object.entries(names).flatMap(([key, title]) => {
    const name = key as keyof typeof names
    const [a, b] = [parent[name], child[name]]
    return a && b ? [row(title, a.measured, b.measured, ratios[name])] : []
  })
}

function qualitySection(quality: Result['quality']): string[] {
  if (!quality) return []
  return [
    '## Quality',
    '',
    ...qualityBounds(quality).map(
      ({ bound, held, value }) => `- ${held ? 'met' : 'NOT met'}: ${bound} (actual: ${format(value)})`,
    ),
    '',
  ]
}

function profileLine(profile: ProfileNotes): string {
  const { text, disturbed } = profileNote({ ...profile, lost: (profile.lost ?? []).map(plain) })
  return disturbed ? `**${text}**` : text
}

function attemptsTable(attempts: Result['attempts'] = []): string[] {
  if (attempts.length === 0) return []
  return [
    '## Further attempts',
    '',
    '| because | action | tokens | KL | throughput | accuracy |',
    '|---|---|---:|---:|---:|---:|',
    ...attempts.map(
      ({ because, action, tokens, kl, throughput, accuracy }) =>
        `| ${because.map(plain).join('; ')} | ${plain(action)} | ${tokens} | ${format(kl)} | ${format(throughput)} | ${format(accuracy)} |`,
    ),
    '',
  ]
}

/** The blocks of each layer and, if there are runs of layers, the run that it is part of. */
function layersTable({ layers, runs = [] }: Result['child']): string[] {
  const rows = layers.map(({ attention, ffn }, i) => {
    const run = runs.find(({ layer, span }) => i >= layer && i < layer + span)
    return [String(i), plain(attention), plain(ffn), ...(runs.length > 0 ? [run ? nameOf(run) : ''] : [])]
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
  `${plain(run)}, ${span === 1 ? `layer ${layer}` : `layers ${layer} to ${layer + span - 1}`}`

/** A note that the predicted KL is misleading, because it adds up removals of layers. */
function removalNote({ addedUpRemovals: removals, predictedKl, beforeUptraining, child }: Result): string[] {
  if (!removals) return []
  const measured = (beforeUptraining ?? child).kl
  return [
    `Several removals of layers (${removals.map(nameOf).join('; ')}) were chosen by adding up their individual scores, but together they can do much more damage: the predicted KL of this child is ${format(predictedKl)}, the measured KL ${format(measured)}${beforeUptraining ? ' before uptraining' : ''}. For removals of single layers (\`{ run: drop }\`), the stage \`depth\` measures their combined effect.`,
    '',
  ]
}

/** The order and the effect of removals of single layers. */
function depthSection(depth: Result['depth']): string[] {
  if (!depth) return []
  return [
    '## Removing single layers',
    '',
    'Layers were removed one by one, each time the one whose removal changed the predictions least.',
    '',
    '| removed layers | measured KL | sum of individual KLs |',
    '|---|---:|---:|',
    ...depth.evidence.map(
      ({ removed, measured, additive }) =>
        `| ${depth.removed.slice(0, removed).join(', ')} | ${format(measured)} | ${format(additive)} |`,
    ),
    '',
  ]
}
