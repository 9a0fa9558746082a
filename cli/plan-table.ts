import { describeBytes, describeSeconds } from '../errors/amounts.js'
import type { RunEstimate, StageEstimate } from './estimate.js'

/** A plan for people: what each stage will do, why, and what it will take. */
export function planTable({ stages, seconds, disk, memory, pace }: RunEstimate): string[] {
  const rows = [
    ['stage', 'tasks', 'reused', 'time', 'disk', 'memory'],
    ...stages.map((own) => [
      own.stage,
      own.expected === null ? '?' : `${own.tasks === 'unknown' && own.expected > 1 ? '~' : ''}${own.expected}`,
      own.tasks === 'unknown' ? '' : String(own.reused),
      own.seconds === null ? '?' : own.seconds === 0 ? '' : describeSeconds(own.seconds),
      bytesOf(own.disk),
      bytesOf(own.memory),
    ]),
    ['all', '', '', wholeTime(stages, seconds), bytesOf(disk), bytesOf(memory)],
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  return [
    lines[0]!,
    ...stages.flatMap((own, i) => [lines[i + 1]!, ...reasonsOf(own)]),
    lines.at(-1)!,
    ...(pace ? [assumed(pace)] : []),
  ]
}

const bytesOf = (bytes: number) => (bytes === 0 ? '' : describeBytes(bytes))

/** Of stages that say nothing of their time, it is not known; of some of them, it is more than the others take. */
function wholeTime(stages: readonly StageEstimate[], seconds: number): string {
  const unknown = stages.filter((own) => own.seconds === null).length
  if (unknown > 0 && seconds === 0) return '?'
  return `${unknown > 0 ? '> ' : ''}${describeSeconds(seconds)}`
}

/** Why tasks run. That stages wait for others goes without saying. */
function reasonsOf({ stage, tasks, reasons, secondsSaved, reused }: StageEstimate): string[] {
  const saved = secondsSaved >= 1 ? [`    ${reused} reused: ${describeSeconds(secondsSaved)} of work saved`] : []
  if (tasks === 'unknown' && reasons.every(({ reason }) => reason.startsWith('unknown until'))) return saved
  return [
    ...saved,
    ...reasons.map((own) =>
      own.tasks > 1
        ? `    ${own.tasks} tasks: ${own.reason} (${own.example}, …)`
        : `    ${own.example === stage ? '' : `${own.example}: `}${own.reason}`,
    ),
  ]
}

const assumed = ({ forward, training, pass, processors }: NonNullable<RunEstimate['pace']>): string =>
  `Times are estimates for this machine with nothing else to do: ${processors} ${processors === 1 ? 'processor' : 'processors'}, one of which does ${giga(forward)} (training ${giga(training)}) with layers like this model’s; a pass of the parent through the scenario takes ${describeSeconds(pass)}.`

const giga = (flops: number) => `${(flops / 1e9).toFixed(0)} GFLOP/s`
