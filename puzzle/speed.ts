import { alternate, median, whileOpen, type Model, type Timing } from '../model/index.js'
import { batchesOf, parentScenario, type Batches, type PairScenario } from './batches.js'
import { runtime } from './costs.js'
import { watchBeside } from './machine-load.js'
import { ofPasses, threads } from './parameters.js'
import { fewestFor, medianInterval, type Interval } from './sign-test.js'

/** Passes through a scenario, of parent and child in alternation: pass i of one ran beside pass i of the other. */
export interface PairedPasses {
  /** Seconds of each pass, of all sessions. */
  readonly parent: readonly number[]
  readonly child: readonly number[]
  /** Of these, the seconds of prefill. */
  readonly prefill: { readonly parent: readonly number[]; readonly child: readonly number[] }
  /** Probability, on either side, that a ratio lies outside of its interval. */
  readonly error: number
  /** Times that the two were loaded and timed. */
  readonly sessions: number
  /** Share of the processors, 0 to 1, that other programs used meanwhile; absent where that was too short to say. */
  readonly load?: number
  /** Sequences at once of each, where the search has chosen them. */
  readonly batches?: Batches
}

/** A measured value and its confidence interval. */
export interface Estimate extends Interval {
  readonly value: number
}

/** A figure of parent and child as measured, and child / parent. */
export interface PairEstimate {
  readonly parent: number
  readonly child: Estimate
  readonly ratio: Estimate
}

/** How fast a scenario runs. */
export interface Speeds<T = number> {
  /** Tokens/s. */
  readonly throughput: T
  /** Seconds to the first token of all sequences. */
  readonly prefill: T
  /** Seconds of decoding per generated token of a sequence. */
  readonly tokenLatency: T
}

/** Makes one of each. */
export const ofEachSpeed = <T>(make: (name: keyof Speeds) => T): Speeds<T> => ({
  throughput: make('throughput'),
  prefill: make('prefill'),
  tokenLatency: make('tokenLatency'),
})

/** How parent and child are timed. */
export interface TimingParams {
  /** Pairs of passes at first. */
  readonly repetitions: number
  /** How many times, at most, the number of pairs is doubled. */
  readonly retime: number
  readonly threads: number
}

/** The same as a spec asks for it: without threads, they are those of the target. */
export type TimingAsked = Omit<TimingParams, 'threads'> & Partial<Pick<TimingParams, 'threads'>>

/** The probability that a child that misses a limit on time passes, all looks at the pairs together. */
const falsePass = 0.025

/** Error of the interval at each look, so that all looks together keep to `falsePass` (Bonferroni). */
export const errorOf = ({ retime }: Pick<TimingParams, 'retime'>): number => falsePass / (retime + 1)

/** Pairs when their number has been doubled as often as it may be. @param had  pairs of earlier sessions */
export const mostPairs = ({ repetitions, retime }: TimingAsked, had = 0): number =>
  Math.max(repetitions, had) * 2 ** retime

/** Times parent and child in turn.
 *  @param error  what an interval may err by: at least as many pairs are timed as say something about that */
export async function timePairs(
  [ofParent, ofChild]: readonly [parent: Model, child: Model],
  { scenario, threads }: { readonly scenario: PairScenario; readonly threads: number },
  { pairs, error }: { readonly pairs: number; readonly error: number },
  progress: (pair: number, pairs: number) => void = () => {},
): Promise<PairedPasses> {
  const count = Math.max(pairs, fewestFor(error))
  const opened = [[ofParent, parentScenario(scenario)] as const, [ofChild, scenario] as const]
  const batches = batchesOf(scenario)
  return whileOpen(opened, threads, async (timed) => {
    const others = await watchBeside(timed)
    const passes = await alternate(timed, count, (done) => progress(done, count))
    const load = await others()
    // More digits are below the clock's own noise.
    const digits = (seconds: number) => Number(seconds.toPrecision(6))
    const whole = passes.map((own) => own.map((pass: Timing) => digits(runtime(pass))))
    const prompts = passes.map((own) => own.map(({ prefillSeconds }) => digits(prefillSeconds)))
    const [parent = [], child = []] = whole
    const prefill = { parent: prompts[0] ?? [], child: prompts[1] ?? [] }
    return {
      ...{ parent, child, prefill, error, sessions: 1 },
      ...(load !== undefined && { load }),
      ...(batches && { batches }),
    }
  })
}

/** Times more pairs of the same parent and child. */
export type TimeMore = (
  scenario: PairScenario,
  amount: { readonly pairs: number; readonly error: number },
  progress: (pair: number) => void,
) => Promise<PairedPasses>

/** Times pairs of models, which are opened only then. */
export const timer =
  (models: () => readonly [parent: Model, child: Model], threads: number): TimeMore =>
  (scenario, amount, progress) =>
    timePairs(models(), { scenario, threads }, amount, progress)

/** The passes of several sessions: none is dropped. */
export const joined = (a: PairedPasses, b: PairedPasses): PairedPasses => ({
  parent: [...a.parent, ...b.parent],
  child: [...a.child, ...b.child],
  prefill: {
    parent: [...a.prefill.parent, ...b.prefill.parent],
    child: [...a.prefill.child, ...b.prefill.child],
  },
  error: Math.min(a.error, b.error),
  sessions: a.sessions + b.sessions,
  ...joinedLoad(a, b),
  ...(a.batches && { batches: a.batches }),
})

/** The mean over all passes. */
function joinedLoad(a: PairedPasses, b: PairedPasses): Pick<PairedPasses, 'load'> {
  if (a.load === undefined || b.load === undefined) return {}
  const [m, n] = [a.child.length, b.child.length]
  return { load: Number(((a.load * m + b.load * n) / (m + n)).toFixed(2)) }
}

/**
 * Speeds of pairs. The ratio is the median of the pairs' ratios, since what else the machine did met both of a pair; the
 * parent's figure is the child's over that ratio, so that the three figures agree. Where the two serve different batches,
 * each one's tokens and times are those of its batch.
 */
export function speedsOf(
  { batch, parentBatch = batch, generate }: PairScenario,
  { parent, child, prefill, error }: PairedPasses,
): Speeds<PairEstimate> {
  const estimate = (values: readonly number[]): Estimate => ({
    value: median(values),
    ...medianInterval(values, error),
  })
  const pairs = (parents: readonly number[], children: readonly number[]): PairEstimate => {
    const own = estimate(children)
    // Of a single token nothing is decoded, by parent and child alike.
    const ratio = estimate(children.map((value, i) => (value === parents[i] ? 1 : value / parents[i]!)))
    return { parent: own.value / ratio.value, child: own, ratio }
  }
  const rate = (passes: readonly number[], sequences: number) =>
    passes.map((seconds) => (sequences * generate) / seconds)
  const perToken = (passes: readonly number[], prompts: readonly number[]) =>
    passes.map((seconds, i) => (seconds - prompts[i]!) / generate)
  return {
    throughput: pairs(rate(parent, parentBatch), rate(child, batch)),
    prefill: pairs(prefill.parent, prefill.child),
    tokenLatency: pairs(perToken(parent, prefill.parent), perToken(child, prefill.child)),
  }
}

/** Parameters of stages that time parent and child and judge limits. */
export const timing = {
  repetitions: {
    type: 'integer',
    minimum: 1,
    ...ofPasses,
    default: 9,
    description: 'Pairs of alternating timed passes of parent and child before limits on time are first checked.',
  },
  retime: {
    type: 'integer',
    minimum: 0,
    maximum: 10,
    reason: 'each one doubles the number of pairs',
    default: 3,
    description:
      'How many times, at most, the number of pairs is doubled because the confidence interval contains the limit. All pairs count. A child that misses a limit on time passes with a probability of at most 2.5 %.',
  },
  threads,
} as const
