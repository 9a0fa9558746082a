import type { Attempts } from './attempts.js'
import { kinds } from './schedule.js'
import type { Kill } from './storm.js'
import { wasteOf } from './waste.js'

/** `#12  34.5 s  worker 4711 killed in distill: distill/layer00/ffn/swiglu-32`. */
export function describeKill(number: number, { kind, pids, stage, hit, at }: Kill): string {
  const tasks = hit.length > 0 ? hit.join(', ') : 'nothing'
  return `#${number}  ${at.toFixed(1)} s  meant for ${stage}, running: ${tasks}  -> killed ${kind} ${pids.join(' ')}`
}

/** The final report. */
export function summary(outcome: {
  readonly done: readonly Kill[]
  readonly survived: number
  /** Number of differences from the undisturbed search. */
  readonly differ: number
  readonly rounds: readonly Attempts[]
  readonly reference: Attempts
  readonly order: readonly string[]
}): { readonly lines: readonly string[]; readonly stepsKept: boolean } {
  const { done, survived, rounds, reference, order } = outcome
  const wastes = rounds.map(({ all }) => wasteOf(all, reference.all))
  const alone = wasteOf(reference.all, reference.all)
  const total = (value: (waste: (typeof wastes)[number]) => number) =>
    wastes.reduce((sum, waste) => sum + value(waste), 0)
  const intervals = Object.entries(alone.intervals).map(([stage, steps]) => `${steps} in ${stage}`)
  const tooEarly = wastes.flatMap((waste) => waste.tooEarly)
  const useful = rounds.length * alone.seconds
  const percent = (seconds: number) => `${((100 * seconds) / useful).toFixed(1)} %`
  const hitStages = order.filter((stage) => done.some(({ hit }) => hit.some((task) => task.startsWith(`${stage}/`))))
  const missed = order.filter((stage) => !hitStages.includes(stage))
  const lines = [
    '',
    ...kinds.map((kind) => `${kind.padEnd(8)} ${done.filter((kill) => kill.kind === kind).length} kills`),
    `stages hit        ${hitStages.length} of ${order.length}${missed.length > 0 ? ` (not: ${missed.join(', ')})` : ''}`,
    `searches          ${rounds.length}`,
    `survived          ${survived} of ${done.length}`,
    `equal to the undisturbed search: ${outcome.differ === 0 ? 'yes, except measured times' : `no, ${outcome.differ} differences`}`,
    `interrupted tasks ${total((waste) => waste.interrupted)}`,
    `repeated steps    ${total((waste) => waste.repeated)}, at most ${Math.max(...wastes.map((waste) => waste.mostRepeated))} after a kill (checkpoints: every ${intervals.join(', ')})`,
    `wasted compute    ${percent(total((waste) => waste.lost))}: ${total((waste) => waste.lost).toFixed(1)} processor seconds since the last checkpoint, of ${useful.toFixed(1)} undisturbed`,
    `new processes     ${(total((waste) => waste.starting) - rounds.length * alone.starting).toFixed(1)} processor seconds until they were ready; total compute ${total((waste) => waste.seconds).toFixed(1)}, ${percent(total((waste) => waste.seconds) - useful)} more than undisturbed`,
    ...tooEarly,
  ]
  return { lines, stepsKept: tooEarly.length === 0 }
}
