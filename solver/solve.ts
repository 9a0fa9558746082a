import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { compileProblem, type Problem } from './problem.js'
import { readProblem } from './read-problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'
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
  const checked = readProblem(problem)
  options.signal?.throwIfAborted()
  const worker = workerFile()
  // Only happens if the sources were never compiled, as in tests of a fresh checkout.
  if (!worker) return solveHere(checked, options.onPartial)
  return solveInThread(worker, checked, options)
}

/** The compiled worker, even if this file runs from source. Undefined if there is none. */
function workerFile(): URL | undefined {
  const compiled = !import.meta.url.endsWith('.ts')
  const url = new URL(compiled ? './worker.js' : '../dist/solver/worker.js', import.meta.url)
  return compiled || existsSync(url) ? url : undefined
}

function solveInThread(file: URL, problem: Problem, options: SolveOptions): Promise<SolveResult> {
  const { signal, onPartial } = options
  const compiled = compileProblem(problem)
  const seconds = options.stopAfterSeconds ?? 1.5 * compiled.timeLimitSeconds + 5
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    // The thread must not inherit how this process was started (test runners, loaders).
    const worker = new Worker(file, { workerData: problem, execArgv: [] })
    let partial: SolveResult | undefined
    const settle = (act: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      worker.removeAllListeners()
      // An error during termination does not matter, but must not be uncaught.
      worker.on('error', () => {})
      void worker.terminate()
      act()
    }
    const abort = () => settle(() => reject(signal?.reason as Error))
    const stop = () => settle(() => resolve(stopped(problem, partial, (performance.now() - begin) / 1000)))
    // setTimeout fires immediately for delays over 2^31 ms.
    const timer = setTimeout(stop, Math.min(seconds * 1000, 2 ** 31 - 1))
    signal?.addEventListener('abort', abort)
    worker.on('message', ({ kind, result }: WorkerMessage) => {
      if (kind === 'done') return settle(() => resolve(result))
      partial = result
      onPartial?.(result)
    })
    worker.on('error', (error) => settle(() => reject(error)))
    worker.on('exit', (code) =>
      settle(() => reject(new Error(`Internal error: the solver's thread exited with code ${code} and no result`))),
    )
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
