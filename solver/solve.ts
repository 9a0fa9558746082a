import type { Worker } from 'node:worker_threads'
import { compileProblem, type Problem } from './problem.js'
import { readProblem } from './read-problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'
import { endThread, giveBack, takeThread } from './thread.js'
import type { WorkerMessage } from './worker.js'

/** Options of `solve`. */
export interface SolveOptions {
  /** Stops the solver; the promise is rejected with the signal's reason. @default none */
  readonly signal?: AbortSignal
  /** Called with the result so far, after a first selection is known and after each solution. @default none */
  readonly onPartial?: (result: SolveResult) => void
  /**
   * Seconds after which the thread is stopped and its result so far is returned. Engines check the clock only occasionally, and
   * baselines come last, so it should exceed the time limit.
   * @default 1.5 * timeLimitSeconds + 5
   */
  readonly stopAfterSeconds?: number
}

/**
 * Solves a selection problem in a worker thread, so that the caller's thread stays responsive.
 *
 * @throws Failure `InvalidInput` if the problem is invalid (see `readProblem`). Limits that cannot be met are not an error but a
 *         result with the status `infeasible`.
 * @example
 * ```ts
 * const { status, solutions } = await solve({
 *   layers: [{ options: [
 *     { id: 'parent', score: 0, costs: { memory: 10 } },
 *     { id: 'half', score: 0.1, costs: { memory: 5 } },
 *   ] }],
 *   limits: [{ cost: 'memory', max: 8 }],
 * })
 * solutions[0].choice // ['half']
 * ```
 */
export async function solve(problem: Problem, options: SolveOptions = {}): Promise<SolveResult> {
  options.signal?.throwIfAborted()
  // A new thread starts while the problem is checked.
  const thread = takeThread()
  try {
    readProblem(problem)
  } catch (error) {
    if (thread) giveBack(thread)
    throw error
  }
  return thread ? solveInThread(thread, problem, options) : solveHere(problem, options.onPartial)
}

function solveInThread(thread: Worker, problem: Problem, options: SolveOptions): Promise<SolveResult> {
  const { signal, onPartial } = options
  const compiled = compileProblem(problem)
  const seconds = options.stopAfterSeconds ?? 1.5 * compiled.timeLimitSeconds + 5
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    let partial: SolveResult | undefined
    const settle = (leave: (thread: Worker) => void, act: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      leave(thread)
      act()
    }
    const end = (act: () => void) => settle(endThread, act)
    const abort = () => end(() => reject(signal?.reason as Error))
    const stop = () => end(() => resolve(stopped(problem, partial, (performance.now() - begin) / 1000)))
    // setTimeout fires immediately for delays over 2^31 ms.
    const timer = setTimeout(stop, Math.min(seconds * 1000, 2 ** 31 - 1))
    signal?.addEventListener('abort', abort)
    thread.on('message', (message: WorkerMessage) => {
      if (message.kind === 'failed') return end(() => reject(message.error))
      if (message.kind === 'done') {
        const { result } = message
        // A crashed engine leaves its memory behind.
        return settle(result.engineFailures ? endThread : giveBack, () => resolve(result))
      }
      partial = message.result
      onPartial?.(partial)
    })
    thread.on('error', (error) => end(() => reject(error)))
    thread.on('exit', (code) =>
      end(() => reject(new Error(`Internal error: the solver's thread exited with code ${code} and no result`))),
    )
    thread.postMessage(problem)
  })
}

/** The result of a thread that had to be stopped. */
function stopped(problem: Problem, partial: SolveResult | undefined, seconds: number): SolveResult {
  if (partial) return { ...partial, seconds }
  const { solutions, differentLayers, layers } = compileProblem(problem)
  const given = layers.flatMap(({ options }) => options).reduce((sum, { span = 1 }) => sum + span, 0)
  return {
    status: 'time-limit',
    solutions: [],
    pool: { requested: solutions, differentLayers, status: 'time-limit' },
    baselines: {},
    secondOpinion: { verdict: 'none', note: 'the solver was stopped at its time limit' },
    options: { given, undominated: given, core: given },
    seconds,
  }
}
