import { describeShare } from '../errors/amounts.js'
import { align, type Column } from './columns.js'
import { duration } from './progress/frame.js'
import type { RunState } from './run-state.js'

/** How a run stands in a word or two: `COMPLETED`, or what its outcome says instead; `PAUSED`. */
export const wordOf = ({ state, progress, outcome }: RunState): string => {
  if (progress?.paused) return 'PAUSED'
  return outcome?.ok === false ? outcome.status.toUpperCase() : state
}

/** For programs: words of a line, apart by tabs. */
export const tabbed = (state: RunState): string =>
  [
    state.run,
    wordOf(state),
    ...(state.progress ? [`${Math.round(state.progress.fraction * 100)} %`] : []),
    state.startedAt,
  ].join('\t')

const columns: readonly Column[] = [
  { name: 'run' },
  { name: 'state' },
  { name: 'done', align: 'right' },
  { name: 'verdict' },
  { name: 'throughput', align: 'right' },
  { name: 'quality', align: 'right' },
  { name: 'time', align: 'right', optional: 1 },
  { name: 'started', optional: 2 },
]

/** Runs as a table for a terminal of so many columns. @param now  milliseconds of the clock */
export function runTable(states: readonly RunState[], width: number, now: number): string[] {
  const cells = states.map((own) => {
    const { run, state, progress, verdict, ratios, startedAt, finishedAt } = own
    const end = finishedAt === undefined ? (state === 'RUNNING' ? now : undefined) : Date.parse(finishedAt)
    return [
      run,
      wordOf(own),
      progress ? `${Math.round(progress.fraction * 100)} %` : '',
      verdict ?? '',
      ratios?.throughput === undefined ? '' : `${ratios.throughput.toFixed(2)}x`,
      ratios?.accuracy === undefined ? '' : describeShare(ratios.accuracy),
      end === undefined ? '' : duration(end - Date.parse(startedAt)),
      localTime(startedAt),
    ]
  })
  return align(columns, cells, width)
}

/** `2026-11-30 10:14`, of the clock on the wall. */
function localTime(iso: string): string {
  const date = new Date(iso)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`
}
