import { Worker } from 'node:worker_threads'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Problem } from './problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'

/** A message from the worker: the result so far, the whole one, or why there is none. */
export type WorkerMessage =
  | { readonly kind: 'partial'; readonly result: SolveResult }
  | { readonly kind: 'done'; readonly result: SolveResult }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * Solves a selection problem in a worker thread, so that the time limit holds even where an engine does not look at it:
 * what is found by twice the limit is then the answer.
 */
export function solve(problem: Problem): Promise<SolveResult> {
  const program = fileURLToPath(new URL('./worker.js', import.meta.url))
  // From sources (in tests) there is no compiled worker.
  if (!existsSync(program)) return solveHere(problem)
  return new Promise((resolve, reject) => {
    const worker = new Worker(program, { workerData: problem })
    let partial: SolveResult | undefined
    const finish = (end: () => void) => {
      clearTimeout(timer)
      void worker.terminate().then(end)
    }
    const timer = setTimeout(
      () =>
        finish(() =>
          partial ? resolve({ ...partial, status: 'feasible' }) : reject(new Error('The solver did not end in time')),
        ),
      2000 * (problem.timeLimitSeconds ?? 60) + 10_000,
    )
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'partial') partial = message.result
      else if (message.kind === 'done') finish(() => resolve(message.result))
      else {
        const { message: why } = message
        finish(() => reject(new Error(why)))
      }
    })
    worker.on('error', (error) => finish(() => reject(error)))
  })
}
