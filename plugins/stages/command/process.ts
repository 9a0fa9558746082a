import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { processEnvironment } from '../../../tensor/process-environment.js'
import { packageRoot } from '../../../store/paths.js'
import type { Order, Report } from './guard.js'

/** How a program ended. */
export type Ending =
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: 'not started'; readonly code: string }
  | { readonly kind: 'aborted' }

export interface Program {
  readonly command: readonly [string, ...string[]]
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly onLine: (line: string, from: 'stdout' | 'stderr') => void
  /** Ends the program, first with SIGTERM. */
  readonly signal: AbortSignal
}

/** Milliseconds to save a checkpoint between SIGTERM and SIGKILL; the worker waits twice as long for the whole task. */
const grace = 10_000

/** Largest number of characters of a line; the rest is cut off. */
const lineLimit = 64 * 1024

/** Runs a program to its end. When this returns, or when this process ends, nothing that the program has started is left. */
export function runProgram({ command, folder, environment, onLine, signal }: Program): Promise<Ending> {
  // Always the compiled file, even if this code runs from source, as in tests.
  const guard = fork(join(packageRoot(), 'dist/plugins/stages/command/guard.js'), [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
    // The program can read that of its parent process.
    env: processEnvironment(process.env),
  })
  readLines(guard.stdout!, (line) => onLine(line, 'stdout'))
  readLines(guard.stderr!, (line) => onLine(line, 'stderr'))
  const order = (order: Order) => void (guard.connected && guard.send(order, () => undefined))
  return new Promise((resolve, reject) => {
    let kill: NodeJS.Timeout | undefined
    const onAbort = () => {
      order({ kind: 'stop', signal: 'SIGTERM' })
      kill = setTimeout(() => order({ kind: 'stop', signal: 'SIGKILL' }), grace)
    }
    let ending: Report | undefined
    guard.on('message', (report: Report) => (ending = report))
    guard.once('error', reject)
    // By then, all output has been read.
    guard.once('close', (_, by) => {
      clearTimeout(kill)
      signal.removeEventListener('abort', onAbort)
      if (signal.aborted) resolve({ kind: 'aborted' })
      else if (ending) resolve(ending)
      else reject(new Error(`The process that guards the program was ended by ${by ?? 'itself'}`))
    })
    order({ kind: 'start', command, folder, environment, mark: randomUUID() })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
  })
}

/** Calls `onLine` for every complete line, and for the rest at the end. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let line = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const [first, ...rest] = text.split('\n')
    // A program that never writes a line break must not fill the memory.
    line = (line + first).slice(0, lineLimit)
    for (const next of rest) {
      onLine(line.replace(/\r$/, ''))
      line = next.slice(0, lineLimit)
    }
  })
  stream.once('end', () => line !== '' && onLine(line))
}
