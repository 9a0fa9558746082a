import { corrected, type Correction } from './correction.js'
import type { Evaluation } from './evaluation.js'
import type { Attempt } from './hand-over.js'
import type { Target } from './inputs.js'
import type { Judged } from './judge-limits.js'
import { limitId, type Limit } from './limit.js'
import { scenariosIn } from './loads.js'
import { qualityShortfall } from './quality.js'
import { limitsOf } from './scenarios.js'
import type { ProblemParts, Solution } from './selection-problem.js'
import { solveAgain } from './solve-again.js'
import type { CurvePoint } from './train-with-checkpoints.js'
import { judge } from './verdict.js'

/** What to do about a child that fell short: which solution to train, and whether from where the last training ended. */
export interface Remedy extends Pick<Attempt, 'action'> {
  readonly solution: Solution
}

/** A child that was trained and measured. */
interface Tried {
  readonly solution: Solution
  readonly evaluation: Evaluation
  /** Of its training. */
  readonly curve: readonly CurvePoint[]
}

/** What a remedy is looked for with. */
interface Remedies {
  readonly parts: ProblemParts
  readonly target: Target
  /** Solutions that were measured before any training. */
  readonly measured: readonly { readonly solution: Solution; readonly evaluation: Evaluation }[]
  readonly seed: number
}

/**
 * The cheapest thing that may help. Where a limit is missed, another child is trained. Where quality is short, training goes on
 * while the KL still falls; then the next measured child is trained; then one nearer to the limits, since the search aims beyond
 * them; and when there is none, training goes on after all. A child far beyond all limits that is far short of quality gave up
 * too much: one nearer to the limits is trained at once.
 * @param tried  at least one; the last one fell short
 * @returns undefined where nothing is left to try
 */
export async function remedyFor(
  tried: readonly Tried[],
  { parts, target, measured, seed }: Remedies,
): Promise<Remedy | undefined> {
  const last = tried.at(-1)!
  const { limits, quality } = judge(target, last.evaluation)
  const isNew = (solution: Solution) => !tried.some((own) => same(own.solution, solution))
  if (limits.some(({ held }) => !held)) {
    const correction = tried.reduce<Correction>((before, own) => tighter(before, own, parts), {})
    const solution = await solveAgain(parts, correction, seed)
    return solution && isNew(solution) ? { action: 'another child', solution } : undefined
  }
  // Without tasks that the parent solves, no training changes the verdict.
  if (quality.some(({ value }) => value === null)) return undefined
  const nearer = await solveAgain(parts, tighter({}, last, parts), seed)
  const gaveUpTooMuch = room(limits, limitsOf(target)) > farBeyond && qualityShortfall(quality) > farShort
  if (gaveUpTooMuch && nearer && isNew(nearer) && nearer.objective < last.solution.objective)
    return { action: 'another child', solution: nearer }
  if (stillFalls(last.curve)) return { action: 'train on', solution: last.solution }
  const holds = (evaluation: Evaluation) => judge(target, evaluation).limits.every(({ held }) => held)
  const [next] = measured
    .filter(({ solution, evaluation }) => isNew(solution) && holds(evaluation))
    .sort((a, b) => a.evaluation.child.kl - b.evaluation.child.kl)
  if (next) return { action: 'another child', solution: next.solution }
  return nearer && isNew(nearer)
    ? { action: 'another child', solution: nearer }
    : { action: 'train on', solution: last.solution }
}

/** As multiples of the limits that hold. */
const farBeyond = 1.25

/** As a share of the bound on quality. */
const farShort = 0.02

/** How far beyond the nearest of its limits a child surely is, as a multiple of it; 1 if there are none. */
const room = (judged: readonly Judged[], limits: readonly Limit[]): number =>
  Math.min(
    ...(judged.length === 0 ? [1] : []),
    ...judged.map(({ value, interval: [low, high] = [value, value], wanted }, i) =>
      limits[i]!.bound === 'min' ? low / wanted : wanted / high,
    ),
  )

const same = (a: Solution, b: Solution): boolean =>
  a.choice.every(({ attention, ffn }, i) => attention === b.choice[i]!.attention && ffn === b.choice[i]!.ffn)

/** The tightest of what each measurement asks for. */
function tighter(before: Correction, { evaluation }: Tried, parts: ProblemParts): Correction {
  const next: Record<string, number> = { ...before }
  const { limits } = parts
  const corrections = corrected(limits, {}, evaluation, scenariosIn(parts))
  for (const limit of limits) {
    const [id, factor] = [limitId(limit), corrections[limitId(limit)]]
    if (factor === undefined) continue
    next[id] = (limit.bound === 'min' ? Math.max : Math.min)(next[id] ?? factor, factor)
  }
  return next
}

/** Falls by less than this share from one quarter of a training to the next: it has converged. */
const converged = 0.02

/** Whether the KL of the last quarter of a training is still clearly below that of the quarter before. */
export function stillFalls(curve: readonly CurvePoint[]): boolean {
  const quarter = Math.floor(curve.length / 4)
  if (quarter === 0) return true
  const mean = (points: readonly CurvePoint[]) => points.reduce((sum, { kl = NaN }) => sum + kl, 0) / points.length
  return mean(curve.slice(-quarter)) < (1 - converged) * mean(curve.slice(-2 * quarter, -quarter))
}
