import { baselines, readSelection } from './baselines.js'
import { relativeGap, solveCore, type CoreAnswer } from './core.js'
import { createGlpk } from './glpk.js'
import { marginalGreedy } from './greedy.js'
import { createHighs } from './highs.js'
import { explainInfeasible } from './infeasible.js'
import { toInstance, withinLimits, type Cut, type Instance } from './instance.js'
import type { Engine } from './model.js'
import { compileProblem, type CompiledProblem, type Problem } from './problem.js'
import type { PoolSolution, SecondOpinion, SolveResult } from './result.js'

type Solved = Extract<CoreAnswer, { kind: 'solved' }>

/**
 * Solves a checked problem in this thread, which it blocks. `solve` does the same in a worker.
 *
 * @param partial  called with the result so far after each solution, for a caller that may have to stop the thread
 */
export async function solveHere(
  problem: Problem,
  partial: (result: SolveResult) => void = () => {},
): Promise<SolveResult> {
  const compiled = compileProblem(problem)
  const begin = performance.now()
  const deadline = begin + compiled.timeLimitSeconds * 1000
  const engines = [await createGlpk(), await createHighs()]
  const instance = toInstance(compiled)
  const given = instance.scores.length

  const start = marginalGreedy(instance)
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
    seconds: (performance.now() - begin) / 1000,
    ...more,
  })

  for (let n = 0; n < compiled.solutions; n++) {
    const from = performance.now()
    // The best solution may take half of the time, however many are wanted; each further one an equal share of the rest.
    const share = (deadline - from) / Math.max(1, n === 0 ? Math.min(2, compiled.solutions) : compiled.solutions - n)
    const request = {
      instance,
      cuts,
      gap: n === 0 ? compiled.gap : compiled.poolGap,
      deadline: from + share,
      engines,
      ...(n === 0 && withinLimits(instance, start) ? { start } : {}),
    }
    let answer = solveCore(request)
    if (n === 0) ({ answer, secondOpinion } = crossCheck(answer, { ...request, deadline }, engines))
    if (answer.kind === 'infeasible') {
      if (n === 0) {
        const infeasible = explainInfeasible(instance, engines, performance.now() + 1000 * compiled.timeLimitSeconds)
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
    solutions.push(toSolution(compiled, answer, solutions[0], (performance.now() - from) / 1000))
    cuts.push({ selection: answer.selection, maximumShared: instance.layers - compiled.differentLayers })
    partial(result(solutions[0]!.status))
  }
  const first = solutions[0]
  const status = first?.status ?? 'time-limit'
  // A baseline of its own question (no-op) must not lack time because the pool took it all.
  const extra = Math.max(deadline, performance.now() + 100 * compiled.timeLimitSeconds)
  return result(status, { baselines: baselines(compiled, engines, extra, first?.objective) })
}

function toSolution(
  problem: CompiledProblem,
  answer: Solved,
  first: PoolSolution | undefined,
  seconds: number,
): PoolSolution {
  // A pool's later questions are the first with more restrictions: its bound holds for them too.
  const bound = Math.min(answer.objective, Math.max(answer.bound, first?.bound ?? -Infinity))
  const asked = first ? problem.poolGap : problem.gap
  const gap = relativeGap(answer.objective, bound)
  return {
    status: answer.proved || gap <= asked ? 'optimal' : 'feasible',
    objective: answer.objective,
    bound,
    gap,
    ...readSelection(problem, answer.selection),
    engine: answer.engine,
    seconds,
  }
}

/** Asks HiGHS alone what glpk.js answered. Of two answers that exclude each other, what can be checked here wins. */
function crossCheck(
  answer: CoreAnswer,
  request: Parameters<typeof solveCore>[0],
  engines: readonly Engine[],
): { answer: CoreAnswer; secondOpinion: SecondOpinion } {
  const highs = engines.filter((engine) => engine.name === 'highs')
  if (answer.kind === 'solved' && answer.engine === 'highs')
    return {
      answer,
      secondOpinion: { verdict: 'none', note: 'the answer is HiGHS’s own: glpk.js proved nothing in its time' },
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
    const note = 'HiGHS calls it infeasible; the selection was checked and holds every limit'
    const opinion = { engine: 'highs', verdict: 'disagrees', objective: NaN, bound: NaN, note } as const
    return { answer: { ...answer, bound: -Infinity, proved: false }, secondOpinion: opinion }
  }
  const opinion = { engine: 'highs', objective: other.objective, bound: other.bound } as const
  if (answer.kind === 'infeasible') {
    const note = 'glpk.js calls it infeasible; the selection of HiGHS was checked and holds every limit'
    return { answer: other, secondOpinion: { ...opinion, verdict: 'disagrees', note } }
  }
  const slack = 2e-6 * Math.abs(answer.objective)
  if (other.objective < answer.bound - slack || answer.objective < other.bound - slack) {
    const better = other.objective < answer.objective ? other : answer
    const bound = Math.min(answer.bound, other.bound)
    const proved = relativeGap(better.objective, bound) <= Math.max(request.gap, 1e-6)
    const note = 'a bound was beaten by a selection: the better selection is kept with the lower bound'
    return { answer: { ...better, bound, proved }, secondOpinion: { ...opinion, verdict: 'disagrees', note } }
  }
  return { answer, secondOpinion: { ...opinion, verdict: 'agrees' } }
}

/** Whether every limit could hold, without solving: the cheapest of each layer per limit. */
export function cheapestUse(instance: Instance): readonly number[] {
  return instance.rows.map((row) => {
    let sum = 0
    for (let i = 0; i < instance.layers; i++) {
      let least = Infinity
      for (let k = instance.offsets[i]!; k < instance.offsets[i + 1]!; k++) least = Math.min(least, row.use[k]!)
      sum += least
    }
    return sum
  })
}
