import type { LeftOut } from '../api/index.js'
import type { Evaluation, Measured } from './evaluation.js'
import { withBatches } from './batches.js'
import type { TargetScenario } from './inputs.js'
import { judgeLimits, type Judged } from './judge-limits.js'
import type { Limit } from './limit.js'
import { describeLimit } from './limits.js'
import { speedsOf } from './speed.js'
import { describePoint, measurementOf, type SolvedPoint, type SweepPoint, type SweptLimit } from './sweep-point.js'

/** A sweep, as far as it has come. */
export interface SweepState {
  readonly swept: SweptLimit
  /** Values of the swept limit, in the order of the points. */
  readonly values: readonly number[]
  /** All limits of the target. */
  readonly limits: readonly Limit[]
  readonly scenario: TargetScenario
  /** Points that are solved. */
  readonly points: readonly SweepPoint[]
  /** Whether children are measured. */
  readonly measures: boolean
  /** Measurements by `measurementOf`. */
  readonly measurements: ReadonlyMap<string, Evaluation<Measured>>
  readonly leftOut?: readonly LeftOut[]
}

/** A curve of quality against what a limit is on: one point for each value of the limit. Plain JSON. */
export type SweepCurve = ReturnType<typeof curveOf>

/** Combines the points and measurements of a sweep, and marks dominated points. */
export function curveOf({ swept, values, limits, scenario, points, measures, measurements, leftOut }: SweepState) {
  const measured = (point: SolvedPoint) => {
    const evaluation = measurements.get(measurementOf(point))
    return evaluation && measuredFigures(limitOf(swept, point.value), scenario, evaluation)
  }
  const rows = values.map((value) => {
    const point = points.find((own) => own.value === value)
    return { value, point, figures: point && point.status !== 'infeasible' ? measured(point) : undefined }
  })
  const solved = rows.flatMap(({ point, figures }) =>
    point && point.status !== 'infeasible' ? [{ point, figures }] : [],
  )
  const byMeasurement = solved.length > 0 && solved.every(({ figures }) => figures !== undefined)
  const beaten = dominated(
    solved.map(({ point, figures }) =>
      byMeasurement
        ? { reaches: figures!.reaches, loss: figures!.kl }
        : { reaches: point.reaches, loss: point.objective },
    ),
    swept.bound,
  )
  return {
    swept,
    otherLimits: limits.filter(({ name }) => name !== swept.name).map(describeLimit),
    /** What the choice of dominated points goes by. */
    comparedBy: byMeasurement ? ('measurement' as const) : ('prediction' as const),
    complete:
      points.length + (leftOut?.length ?? 0) >= values.length && (!measures || solved.length === 0 || byMeasurement),
    points: rows.map(({ value, point, figures }) => {
      const limit = describePoint(swept, value)
      if (!point) return { value, limit, status: 'open' as const }
      if (point.status === 'infeasible') return { ...point, limit }
      const { objective: kl, reaches, predicted, ratios, layers, runs, addedUp, solutionDigest } = point
      const { status, bound, gap, batches } = point
      const first = solved.find((other) => measurementOf(other.point) === measurementOf(point))!.point
      return {
        value,
        limit,
        status,
        solutionDigest,
        ...(batches && { batches }),
        ...(first !== point && { sameAs: first.value }),
        dominated: beaten[solved.findIndex((other) => other.point === point)]!,
        predicted: { kl, reaches, ...predicted, ratios },
        ...(figures && { measured: figures }),
        solver: { bound, gap },
        layers,
        ...(runs && { runs }),
        ...(addedUp && { addedUp }),
      }
    }),
    ...(leftOut && leftOut.length > 0 && { leftOut }),
  }
}

const limitOf = (swept: SweptLimit, value: number) => ({ ...swept, value }) as Limit

/** Measured figures of a child, and whether it meets the limit of its point. */
function measuredFigures(limit: Limit, served: TargetScenario, evaluation: Evaluation<Measured>) {
  const { child, ratios, timing } = evaluation
  const scenario = withBatches(served, timing.batches)
  const [judged] = judgeLimits([limit], [scenario], evaluation)
  const { low, high } = speedsOf(scenario, timing).throughput.ratio
  return {
    kl: child.kl,
    perplexity: child.perplexity,
    accuracy: child.accuracy,
    throughput: child.throughput.measured,
    reaches: judged!.value,
    ...(judged!.interval && { interval: judged!.interval }),
    met: verdictOf(judged!, limit.bound),
    ratios,
    /** Confidence interval of the ratio of throughputs. */
    throughputInterval: [low, high] as const,
  }
}

/** Whether a limit is met; `open` if the confidence interval contains it. */
function verdictOf({ held, interval, wanted }: Judged, bound: Limit['bound']): 'yes' | 'no' | 'open' {
  if (held) return 'yes'
  if (!interval) return 'no'
  const missed = bound === 'min' ? interval[1] < wanted : interval[0] > wanted
  return missed ? 'no' : 'open'
}

/**
 * Finds the points that another one beats: it loses no more and reaches at least as much, and is better in one of both. Points
 * with the same child do not beat each other.
 * @param bound  `min`: to reach more is better; `max`: to reach less
 */
export function dominated(
  points: readonly { readonly reaches: number; readonly loss: number }[],
  bound: Limit['bound'],
): boolean[] {
  const sign = bound === 'min' ? 1 : -1
  return points.map((point) =>
    points.some((other) => {
      const [further, nearer] = [sign * (other.reaches - point.reaches), point.loss - other.loss]
      return further >= 0 && nearer >= 0 && (further > 0 || nearer > 0)
    }),
  )
}
