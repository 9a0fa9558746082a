import { parentPort, workerData } from 'node:worker_threads'
import type { Problem } from './problem.js'
import { solveHere } from './solve-here.js'
import type { WorkerMessage } from './solve.js'

const send = (message: WorkerMessage) => parentPort?.postMessage(message)
solveHere(workerData as Problem, (result) => send({ kind: 'partial', result })).then(
  (result) => send({ kind: 'done', result }),
  (error: Error) => send({ kind: 'failed', message: error.stack ?? error.message }),
)
