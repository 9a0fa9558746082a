import { parentPort } from 'node:worker_threads'
import type { Problem } from './problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'

/** Message from the solver's thread: results so far, then the final one, or what was thrown. */
export type WorkerMessage =
  | { readonly kind: 'partial' | 'done'; readonly result: SolveResult }
  | { readonly kind: 'failed'; readonly error: Error }

const port = parentPort
if (!port) throw new Error('Internal error: solver/worker must run in a worker thread')

const send = (message: WorkerMessage) => port.postMessage(message)
port.on('message', (problem: Problem) => {
  solveHere(problem, (result) => send({ kind: 'partial', result })).then(
    (result) => send({ kind: 'done', result }),
    (error: unknown) => send({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }),
  )
})
