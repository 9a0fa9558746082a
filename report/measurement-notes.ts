import { format } from './format.js'

// How figures were measured, in sentences.

/** The passes by which parent and child were timed. */
export interface TimingNotes {
  readonly child: readonly number[]
  readonly sessions: number
  readonly error: number
  /** Share of the processors that other programs used meanwhile. */
  readonly load?: number
}

/** How speeds were measured. */
export const timingNote = ({ child, sessions, error, load }: TimingNotes): string =>
  `Parent and child ran the scenario in turn, ${child.length} times each in ${sessions === 1 ? 'one session' : `${sessions} sessions`}; all of these passes count. The ratio of throughputs is the median over the pairs; the intervals have ${format(100 * (1 - 2 * error))} % confidence.${load === undefined ? '' : ` Other programs used ${format(100 * load)} % of the processors meanwhile.`}`

/** How well the costs of blocks predict whole models: errors of the predicted ratio of child and parent. */
export interface CalibrationNotes {
  readonly children: number
  readonly after: { readonly largest: number }
}

/** Largest error of the predicted ratio above which costs were measured beside too much noise. */
const tooFar = 0.2

/** How far predictions can be trusted. */
export const calibrationNote = ({ children, after }: CalibrationNotes): string =>
  `Predictions were calibrated on the parent and ${children === 1 ? 'one random child' : `${children} random children`}: the predicted ratio of their throughputs is within ${format(100 * after.largest)} % of the measured one${after.largest > tooFar ? ', too far to rely on: `npx puzzleflow profile RUN --again` measures costs anew, best on a quiet machine' : ''}.`

/** What else the machine did while the costs of blocks were measured, and blocks whose times were lost in noise. */
export interface ProfileNotes {
  /** Absent where that was too short to say. */
  readonly load?: number
  /** Measurements that were repeated when the machine was quieter. */
  readonly again?: number
  /** Measurements that are less precise than they were to be. */
  readonly imprecise?: { readonly count: number; readonly of: number }
  readonly lost?: readonly string[]
}

/** Others' share of the processors from which measured costs are not to be relied on. */
const busy = 0.25

/** Whether the costs of blocks were measured in peace. */
export function profileNote({ load, again = 0, imprecise, lost = [] }: ProfileNotes): {
  readonly text: string
  readonly disturbed: boolean
} {
  const disturbed = (load ?? 0) > busy || lost.length > 0
  const how =
    load === undefined
      ? 'The costs of blocks were measured in too short a time to say what other programs used of the processors.'
      : `Other programs used ${format(100 * load)} % of the processors while the costs of blocks were measured${load > busy ? ': predictions are less certain than they look' : ''}.`
  const repeated =
    again > 0
      ? ` ${again === 1 ? 'One measurement was' : `${again} measurements were`} repeated when they used less.`
      : ''
  const wide = imprecise
    ? ` ${imprecise.count} of ${imprecise.of} measurements ${imprecise.count === 1 ? 'is' : 'are'} less precise than \`stages.profile.precision\` asks for.`
    : ''
  const gone = lost.length > 0 ? ` The times of ${lost.join(', ')} were lost in noise.` : ''
  const remedy = disturbed
    ? ' `npx puzzleflow profile RUN --again` forgets the measurements, so that they are made again.'
    : ''
  return { text: how + repeated + wide + gone + remedy, disturbed }
}
