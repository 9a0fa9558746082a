import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/** Milliseconds for which an idle thread is kept. */
const keptFor = 30_000

let idle: Worker | undefined
let timer: NodeJS.Timeout | undefined

/**
 * Takes the idle thread, or starts one. A thread that has solved a problem is several times as fast at the next, since its code
 * is compiled and its engines are loaded. It does not keep the process alive while it is idle.
 *
 * @returns undefined if the sources were never compiled, as in tests of a fresh checkout
 */
export function takeThread(): Worker | undefined {
  const thread = idle
  idle = undefined
  clearTimeout(timer)
  if (thread) {
    quiet(thread)
    thread.ref()
    return thread
  }
  const file = workerFile()
  // The thread must not inherit how this process was started (test runners, loaders).
  return file && new Worker(file, { execArgv: [] })
}

/** Gives back a thread that has answered. One is kept for a while; others end. */
export function giveBack(thread: Worker): void {
  if (idle) return endThread(thread)
  quiet(thread)
  const end = () => {
    if (idle === thread) idle = undefined
    endThread(thread)
  }
  thread.on('error', end).on('exit', end)
  idle = thread
  thread.unref()
  clearTimeout(timer)
  timer = setTimeout(end, keptFor).unref()
}

/** Ends a thread, whatever it is doing. */
export function endThread(thread: Worker): void {
  quiet(thread)
  // An error during termination does not matter, but must not be uncaught.
  thread.on('error', () => {})
  void thread.terminate()
}

/** Removes the listeners of whoever used the thread; others belong to Node. */
function quiet(thread: Worker): void {
  for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event)
}

/** The compiled worker, even if this file runs from source. Undefined if there is none. */
function workerFile(): URL | undefined {
  const compiled = !import.meta.url.endsWith('.ts')
  const url = new URL(compiled ? './worker.js' : '../dist/solver/worker.js', import.meta.url)
  return compiled || existsSync(url) ? url : undefined
}
