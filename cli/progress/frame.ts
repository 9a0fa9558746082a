import type pc from 'picocolors'
import stringWidth from 'string-width'
import { visible } from '../../errors/visible.js'
import { describeLeft } from '../../workflows/remaining.js'
import type { SearchProgress, StageProgress } from '../../workflows/types.js'
import { secondsLeftOf, troubles, type PendingTask } from '../at-work.js'
import { align, cut, type Column } from '../columns.js'
import { typed } from '../typed.js'
import type { RunLeft } from './run-left.js'
import type { Sighting } from './sighting.js'
import { decisions } from './summary.js'

/** How a frame is drawn. */
export interface Canvas {
  readonly columns: number
  readonly rows: number
  /** Milliseconds of the clock. */
  readonly now: number
  readonly colours: ReturnType<typeof pc.createColors>
  /** Whether the terminal shows characters beyond ASCII. */
  readonly unicode: boolean
}

/** Characters of the bar: the largest that fits, so that it is not another with every change of the words beside it. */
const barSizes = [24, 16, 8]

/** Tasks of a stage that are named. */
const mostTasks = 4

const columns: readonly Column[] = [
  {},
  {},
  { align: 'right' },
  { optional: 2 },
  { align: 'right', optional: 3 },
  { optional: 1 },
]

/** What a terminal shows of a run at work: lines no wider than the terminal, and fewer than its rows. */
export function frame(sighting: Sighting & { readonly left?: RunLeft | undefined }, canvas: Canvas): string[] {
  const { progress, run, tasks } = sighting
  const { colours } = canvas
  const width = canvas.columns - 1
  const most = canvas.rows - 2
  if (!progress) {
    const words = `waiting for a worker to answer, ${duration(canvas.now - sighting.startedAt)}`
    return [cut(`${colours.bold(run)}  ${words}`, width)]
  }
  const { stages } = progress
  const waiting = stages.filter(({ state }) => state === 'waiting')
  const done = stages.filter(({ state }) => state === 'done')
  const others = stages.filter(({ state }) => state !== 'waiting' && state !== 'done')
  const fold = (word: string, folded: readonly StageProgress[]) =>
    folded.length === 0
      ? []
      : [cut(colours.dim(`${folded.length} ${word}: ${folded.map(({ stage }) => stage).join(', ')}`), width)]
  const render = (listed: readonly StageProgress[], named: number) => {
    const lines = align(
      columns,
      listed.map((stage) => cells(stage, sighting, canvas)),
      width,
    )
    return listed.flatMap((stage, i) => [
      lines[i]!,
      ...below(stage, sighting, named, width).map((line) => cut(`  ${line}`, width)),
    ])
  }
  const head = [heading(sighting, canvas, width)]
  const foot = [
    ...fold('waiting', waiting),
    ...footer(progress, tasks, run).map((line) => cut(colours.dim(line), width)),
  ]
  // What matters least goes first where there are few rows.
  const frames = [
    () => [...head, ...render([...done, ...others], mostTasks), ...foot],
    () => [...head, ...fold('done', done), ...render(others, mostTasks), ...foot],
    () => [...head, ...fold('done', done), ...render(others, 1), ...foot],
  ]
  for (const make of frames) {
    const lines = make()
    if (lines.length <= most) return lines
  }
  return [...head, ...render(others, 1)].slice(0, Math.max(1, most))
}

function heading(sighting: Parameters<typeof frame>[0], { now, colours, unicode }: Canvas, width: number): string {
  const { run, startedAt, left } = sighting
  const { stages, fraction, paused, outcome } = sighting.progress!
  const isMoving = !paused && stages.some(({ state }) => state === 'running')
  const done = stages.filter(({ state }) => state === 'done').length
  const name = [colours.bold(cut(run, Math.floor(width / 3))), ...(paused ? [colours.yellow('PAUSED')] : [])]
  const facts = [
    `${Math.round(fraction * 100)} %`,
    `${done} of ${stages.length} stages`,
    duration(now - startedAt),
    ...(outcome && !outcome.ok ? [colours.yellow(outcome.status)] : []),
    ...(left === undefined || !isMoving ? [] : [describeLeft(left.seconds, left.atLeast ? 'at least' : 'about')]),
  ]
  // The bar takes what the words leave: the time that is left is what people look for.
  const free = width - stringWidth([...name, ...facts].join('  ')) - 2
  const size = barSizes.find((each) => each <= free) ?? 0
  const full = Math.round(fraction * size)
  const bar = (unicode ? '█' : '#').repeat(full) + colours.dim((unicode ? '░' : '-').repeat(size - full))
  return cut([...name, ...(size > 0 ? [bar] : []), ...facts].join('  '), width)
}

function cells(stage: StageProgress, { tasks, progress }: Sighting, { colours }: Canvas): string[] {
  const { state, done, total, reused, leftOut, secondsLeft } = stage
  const paused = progress!.paused && state === 'running'
  const isMoving = state === 'running' && !paused
  const paint = { waiting: colours.dim, running: colours.cyan, asking: colours.yellow, done: colours.green }
  const colour = paused ? colours.yellow : state === 'failed' || state === 'cancelled' ? colours.red : paint[state]
  const left = isMoving && done < total ? (secondsLeft ?? onlyTaskLeft(stage, tasks)) : undefined
  const rate = isMoving && secondsLeft ? (total - done) / secondsLeft : 0
  return [
    stage.stage,
    colour(paused ? 'paused' : state),
    total > 0 ? `${done}/${total}` : '',
    [...(reused > 0 ? [`${reused} reused`] : []), ...(leftOut > 0 ? [`${leftOut} left out`] : [])].join(', '),
    rate > 0 ? describeRate(rate) : '',
    left === undefined ? '' : describeLeft(left),
  ]
}

/** A stage of one task is done when the task is. */
const onlyTaskLeft = ({ stage, total }: StageProgress, tasks: readonly PendingTask[]): number | undefined => {
  const own = tasks.filter((task) => task.stage === stage)
  return total === 1 && own.length === 1 ? secondsLeftOf(own[0]!) : undefined
}

/** Words of tasks on one line, which a terminal does not obey. */
const plain = (text: string): string => visible(text).replace(/[\n\t]+/g, ' ')

/** What a stage does, and what it waits for. */
function below(stage: StageProgress, { run, tasks }: Sighting, named: number, width: number): string[] {
  if (stage.state !== 'running' && stage.state !== 'asking') return decisions(run, stage).map(plain)
  const own = tasks.filter((task) => task.stage === stage.stage)
  const working = own.filter(({ atWork }) => atWork)
  const lines = align(
    [{}, { align: 'right' }, { align: 'right' }, {}],
    working.slice(0, named).map((task) => {
      const left = secondsLeftOf(task)
      return [
        // A long name must not push out what the tasks say.
        cut(plain(task.name.slice(stage.stage.length + 1)), Math.floor(width / 2)),
        task.said ? `${Math.round(100 * task.said.fraction)} %` : '',
        left === undefined ? '' : describeLeft(left),
        plain(task.said?.text ?? ''),
      ]
    }),
  )
  const more = working.length - named
  return [
    ...lines.filter((line) => line !== ''),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...troubles(own)
      .slice(0, named)
      .map(({ line }) => plain(line)),
    ...decisions(run, stage).map(plain),
  ]
}

function footer({ stages, concurrency, paused }: SearchProgress, tasks: readonly PendingTask[], run: string): string[] {
  if (paused) return [`Continue with ${typed('resume', run)}`]
  if (!stages.some(({ state }) => state === 'running')) return []
  const working = tasks.filter(({ atWork }) => atWork).length
  const queued = tasks.length - working
  const waiting = queued > 0 ? `, ${queued} queued` : ''
  return [`${working} at work${waiting}, at most ${concurrency} per stage. Ctrl-C leaves the run going.`]
}

/** `2:10`, `1:02:10`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** Tasks per second as people say it: `3.2/s`, `14/min`, `2/h`. */
function describeRate(perSecond: number): string {
  const [unit, size] =
    perSecond >= 1 ? (['s', 1] as const) : perSecond >= 1 / 60 ? (['min', 60] as const) : (['h', 3600] as const)
  const rate = perSecond * size
  return `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)}/${unit}`
}
