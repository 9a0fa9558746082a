import { parentPort, workerData } from 'node:worker_threads'
import type { Problem } from './problem.js'
import type { SolveResult } from './result.js'
import { solveHere } from './solve-here.js'

/** What the solver's thread says: results so far, then the result. */
export interface WorkerMessage {
  readonly kind: 'partial' | 'done'
  readonly result: SolveResult
}

const port = parentPort
if (!port) throw new Error('Internal error: solver/worker runs in a worker thread only')

const say = (message: WorkerMessage) => port.postMessage(message)
say({ kind: 'done', result: await solveHere(workerData as Problem, (result) => say({ kind: 'partial', result })) })
