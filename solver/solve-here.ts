import { baselines } from './baselines.js'
import { relativeGap, solveCore, type CoreAnswer, type CoreRequest } from './core.js'
import { loadEngines } from './engines.js'
import { explainInfeasible } from './infeasible.js'
import { layerMinima, readSelection, toInstance, total, type Cut, type Instance } from './instance.js'
import type { Engine } from './model.js'
import { compileProblem, type CompiledProblem, type Problem } from './problem.js'
import type { PoolSolution, SecondOpinion, SolveResult } from './result.js'
import { findStart } from './start.js'

type Solved = Extract<CoreAnswer, { kind: 'solved' }>

/**
 * Solves a validated problem in the calling thread, which it blocks. `solve` does the same in a worker.
 *
 * @param partial  called with the result so far after each solution, for callers that may have to stop the thread
 * @returns also for an infeasible problem, as `status`
 */
export async function solveHere(
  problem: Problem,
  partial: (result: SolveResult) => void = () => {},
): Promise<SolveResult> {
  const compiled = compileProblem(problem)
  const begin = performance.now()
  const deadline = begin + compiled.timeLimitSeconds * 1000
  const { all: engines, failures } = await loadEngines()
  const instance = toInstance(compiled)
  const given = instance.scores.length

  const start = findStart(instance, compiled.seed)
  const cuts: Cut[] = []
  const solutions: PoolSolution[] = []
  let poolStatus: SolveResult['pool']['status'] = 'complete'
  let secondOpinion: SecondOpinion = { verdict: 'none', note: 'no time was left' }
  let sizes = { undominated: given, core: given }
  const result = (status: SolveResult['status'], more: Partial<SolveResult> = {}): SolveResult => ({
    status,
    solutions: [...solutions],
    pool: { requested: compiled.solutions, differentLayers: compiled.differentLayers, status: poolStatus },
    baselines: {},
    secondOpinion,
    options: { given, ...sizes },
    ...(failures.length > 0 ? { engineFailures: [...failures] } : {}),
    seconds: (performance.now() - begin) / 1000,
    ...more,
  })

  /** Reports the result so far, with one more solution. */
  const report = (solution: PoolSolution) => {
    const all = [...solutions, solution]
    partial(result(all[0]!.status, { solutions: all, pool: { ...result('feasible').pool, status: 'time-limit' } }))
  }
  if (start) report(toSolution(compiled, instance, unproven(instance, start), undefined, 0))

  for (let n = 0; n < compiled.solutions; n++) {
    const from = performance.now()
    // The best solution may take half of the time if there are others; each further one gets an equal share of the rest.
    const share = (deadline - from) / Math.max(1, n === 0 ? Math.min(2, compiled.solutions) : compiled.solutions - n)
    const request = {
      instance,
      cuts,
      gap: n === 0 ? compiled.gap : compiled.poolGap,
      deadline: from + share,
      engines,
      ...(n === 0 && start ? { start } : {}),
    }
    let answer = solveCore(request)
    if (n === 0 && answer.kind === 'solved')
      report(toSolution(compiled, instance, answer, undefined, (performance.now() - from) / 1000))
    if (n === 0) ({ answer, secondOpinion } = crossCheck(answer, { ...request, deadline }, engines))
    if (answer.kind === 'infeasible') {
      if (n === 0) {
        // An explanation is worth a little more than the time limit.
        const infeasible = explainInfeasible(
          instance,
          engines,
          Math.max(deadline, performance.now() + 250 * compiled.timeLimitSeconds),
        )
        return result('infeasible', { infeasible, baselines: baselines(compiled, engines, deadline, undefined) })
      }
      poolStatus = 'exhausted'
      break
    }
    if (answer.kind === 'unknown') {
      poolStatus = 'time-limit'
      break
    }
    if (n === 0) sizes = { undominated: answer.undominated, core: answer.core }
    const solution = toSolution(compiled, instance, answer, solutions[0], (performance.now() - from) / 1000)
    report(solution)
    solutions.push(solution)
    cuts.push({ selection: answer.selection, maximumShared: instance.layers - compiled.differentLayers })
  }
  const ordered = bestFirst(compiled, solutions)
  const first = ordered[0]
  const status = first?.status ?? 'time-limit'
  // The baseline no-op solves a problem of its own; it must not fail only because the pool took all the time.
  const extra = Math.max(deadline, performance.now() + 100 * compiled.timeLimitSeconds)
  return result(status, { solutions: ordered, baselines: baselines(compiled, engines, extra, first?.objective) })
}

/** A further solution may beat the first one within its gap; then it inherits the first one's bound. */
function bestFirst(problem: CompiledProblem, solutions: readonly PoolSolution[]): readonly PoolSolution[] {
  const [best, ...others] = [...solutions].sort((a, b) => a.objective - b.objective)
  const first = solutions[0]
  if (!best || !first || best === first) return best ? [best, ...others] : []
  const bound = Math.min(best.objective, first.bound)
  const gap = relativeGap(best.objective, bound)
  const optimal = first.status === 'optimal' || gap <= problem.gap
  return [{ ...best, bound, gap, status: optimal ? 'optimal' : 'feasible' }, ...others]
}

function toSolution(
  problem: CompiledProblem,
  instance: Instance,
  answer: Solved,
  first: PoolSolution | undefined,
  seconds: number,
): PoolSolution {
  // Later problems of a pool are the first one with more constraints, so its bound holds for them too.
  const bound = Math.min(answer.objective, Math.max(answer.bound, first?.bound ?? -Infinity))
  const asked = first ? problem.poolGap : problem.gap
  const gap = relativeGap(answer.objective, bound)
  return {
    status: answer.proved || gap <= asked ? 'optimal' : 'feasible',
    objective: answer.objective,
    bound,
    gap,
    ...readSelection(instance, answer.selection),
    engine: answer.engine,
    seconds,
  }
}

/** The sum of the layers' lowest scores: a lower bound for every selection. */
const leastScore = (instance: Instance) => layerMinima(instance, instance.scores).reduce((a, b) => a + b, 0)

/** A start as an answer without proof. */
function unproven(instance: Instance, start: NonNullable<CoreRequest['start']>): Solved {
  const objective = total(instance.scores, start.selection)
  const bound = Math.min(objective, leastScore(instance))
  const sizes = { undominated: instance.scores.length, core: instance.scores.length }
  return { kind: 'solved', selection: start.selection, engine: start.from, objective, bound, proved: false, ...sizes }
}

/** Puts the question that glpk.js answered to HiGHS alone. If the answers contradict each other, the verifiable one wins. */
function crossCheck(
  answer: CoreAnswer,
  request: CoreRequest,
  engines: readonly Engine[],
): { answer: CoreAnswer; secondOpinion: SecondOpinion } {
  const highs = engines.filter((engine) => engine.name === 'highs')
  if (answer.kind === 'solved' && answer.engine === 'highs')
    return {
      answer,
      secondOpinion: {
        verdict: 'none',
        note: 'the answer came from HiGHS, because glpk.js proved nothing in its time',
      },
    }
  const left = request.deadline - performance.now()
  if (left <= 0 || answer.kind === 'unknown')
    return { answer, secondOpinion: { verdict: 'none', note: 'no time was left' } }
  const limited = { ...request, deadline: performance.now() + Math.min(left / 2, 10_000), engines: highs }
  const other = solveCore(limited)
  if (other.kind === 'unknown')
    return { answer, secondOpinion: { verdict: 'none', note: 'HiGHS found nothing in its time' } }
  if (other.kind === 'infeasible') {
    if (answer.kind === 'infeasible')
      return { answer, secondOpinion: { engine: 'highs', verdict: 'agrees-infeasible' } }
    const note = 'HiGHS reports infeasibility, but the selection was verified to meet every limit'
    const opinion = { engine: 'highs', verdict: 'disagrees', objective: null, bound: null, note } as const
    const bound = leastScore(request.instance)
    return { answer: { ...answer, bound, proved: false }, secondOpinion: opinion }
  }
  const opinion = { engine: 'highs', objective: other.objective, bound: other.bound } as const
  if (answer.kind === 'infeasible') {
    const note = 'glpk.js reports infeasibility, but the selection of HiGHS was verified to meet every limit'
    return { answer: other, secondOpinion: { ...opinion, verdict: 'disagrees', note } }
  }
  const slack = 2e-6 * Math.abs(answer.objective)
  if (other.objective < answer.bound - slack || answer.objective < other.bound - slack) {
    const better = other.objective < answer.objective ? other : answer
    const bound = Math.min(answer.bound, other.bound)
    const proved = relativeGap(better.objective, bound) <= Math.max(request.gap, 1e-6)
    const note = 'a selection beats the bound of the other engine; the better selection is kept with the lower bound'
    return { answer: { ...better, bound, proved }, secondOpinion: { ...opinion, verdict: 'disagrees', note } }
  }
  return { answer, secondOpinion: { ...opinion, verdict: 'agrees' } }
}
