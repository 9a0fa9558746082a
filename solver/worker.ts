import { parentPort, workerData } from 'node:worker_threads'
import type { Problem } from './problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'

/** Message from the solver's thread: results so far, then the final one. */
export interface WorkerMessage {
  readonly kind: 'partial' | 'done'
  readonly result: SolveResult
}

const port = parentPort
if (!port) throw new Error('Internal error: solver/worker must run in a worker thread')

const send = (message: WorkerMessage) => port.postMessage(message)
send({ kind: 'done', result: await solveHere(workerData as Problem, (result) => send({ kind: 'partial', result })) })
