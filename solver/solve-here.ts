import { baselines } from './baselines.js'
import { relativeGap, solveCore, type CoreAnswer, type CoreRequest } from './core.js'
import { openEngines } from './engines.js'
import { explainInfeasible } from './infeasible.js'
import { layerMinima, readSelection, toInstance, total, type Cut, type Instance } from './instance.js'
import type { Engine } from './model.js'
import { compileProblem, type CompiledProblem, type Problem } from './problem.js'
import type { PoolSolution, SecondOpinion, SolveResult } from './result.js'
import { findStart, greedySelections } from './start.js'

type Solved = Extract<CoreAnswer, { kind: 'solved' }>

/** Seconds that a second opinion may take. */
const mostForOpinion = 5

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
  const { all: engines, failures } = openEngines()
  const instance = toInstance(compiled)
  const given = instance.scores.length

  const simple = greedySelections(instance)
  const start = findStart(instance, simple, compiled.seed)
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
    let answer = await solveCore(request)
    if (n === 0 && answer.kind === 'solved')
      report(toSolution(compiled, instance, answer, undefined, (performance.now() - from) / 1000))
    if (n === 0) ({ answer, secondOpinion } = await crossCheck(answer, { ...request, deadline }, engines))
    if (answer.kind === 'infeasible') {
      if (n === 0) {
        // An explanation is worth a little more than the time limit.
        const infeasible = await explainInfeasible(
          instance,
          engines,
          Math.max(deadline, performance.now() + 250 * compiled.timeLimitSeconds),
        )
        return result('infeasible', {
          infeasible,
          baselines: await baselines(compiled, instance, simple, engines, deadline, undefined),
        })
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
  return result(status, {
    solutions: ordered,
    baselines: await baselines(compiled, instance, simple, engines, extra, first?.objective),
  })
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

/**
 * Puts the question to the engines that did not answer it. They start from the answer's selection, so they only have to find a
 * better one or prove that there is none. If answers contradict each other, the verifiable one wins.
 */
async function crossCheck(
  answer: CoreAnswer,
  request: CoreRequest,
  engines: readonly Engine[],
): Promise<{ answer: CoreAnswer; secondOpinion: SecondOpinion }> {
  const none = (note: string) => ({ answer, secondOpinion: { verdict: 'none', note } as const })
  const left = request.deadline - performance.now()
  if (left <= 0 || answer.kind === 'unknown') return none('no time was left')
  // Labels are quick or give up; where they gave up, another answer would not come from them.
  const others = engines.filter(({ name }) => name !== 'labels' && name !== answer.prover)
  if (others.length === 0) return none('every engine was needed for the answer')
  const start = answer.kind === 'solved' ? { selection: answer.selection, from: answer.engine } : undefined
  const deadline = performance.now() + Math.min(left / 2, mostForOpinion * 1000)
  const other = await solveCore({ ...request, deadline, engines: others, start })
  const names = others.map(({ name }) => name).join(', ')
  if (other.kind === 'unknown') return none(`${names}: nothing was found in time`)
  const engine = other.prover ?? others[0]!.name
  if (other.kind === 'infeasible') {
    if (answer.kind === 'infeasible') return { answer, secondOpinion: { engine, verdict: 'agrees-infeasible' } }
    const note = `${engine} reports infeasibility, but the selection was verified to meet every limit`
    const opinion = { engine, verdict: 'disagrees', objective: null, bound: null, note } as const
    const bound = leastScore(request.instance)
    return { answer: { ...answer, bound, proved: false }, secondOpinion: opinion }
  }
  const opinion = { engine, objective: other.objective, bound: other.bound } as const
  if (answer.kind === 'infeasible') {
    const note = `the selection of ${engine} was verified to meet every limit, though infeasibility was reported`
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
  if (!other.proved) return none(`${names}: nothing was proven in time`)
  return { answer, secondOpinion: { ...opinion, verdict: 'agrees' } }
}
