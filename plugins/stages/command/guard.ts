/**
 * Guards the program that a task runs, in a separate process. Whatever ends the task's process, even SIGKILL, breaks the pipe to
 * the guard, which then ends the program and everything that it has started.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** The first message to the guard. */
export interface Start {
  readonly kind: 'start'
  readonly command: readonly [string, ...string[]]
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  /** A mark in the environment of everything that the program starts, and of nothing else. */
  readonly mark: string
}
export type Order = Start | { readonly kind: 'stop'; readonly signal: NodeJS.Signals }
export type Report =
  | { readonly kind: 'not started'; readonly code: string }
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: string | null }

const tell = (report: Report, then?: () => void) => process.send?.(report, () => then?.())
/** Ends everything that was started; does nothing before that. */
let end = () => undefined as void

function start({ command: [program, ...args], folder, environment, mark }: Start): void {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...environment, [markVariable]: mark },
    // In a new session, which can be ended as a whole.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  child.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => {
    if (child.pid === undefined) tell({ kind: 'not started', code }, () => process.exit())
  })
  const { pid } = child
  if (pid === undefined) return
  end = () => endSession(pid, mark)
  process.on('message', (order: Order) => {
    if (order.kind !== 'stop') return
    if (order.signal === 'SIGKILL') end()
    else signalGroup(pid, order.signal)
  })
  child.once('exit', (code, signal) => {
    end()
    tell({ kind: 'ended', code, signal }, () => process.exit())
  })
}

const markVariable = 'PUZZLEFLOW_TASK_MARK'

/** Ends the program's session, and processes that have left the session, like daemons. */
function endSession(session: number, mark: string): void {
  signalGroup(session, 'SIGKILL')
  // The processes that are found may just have started others.
  for (let again = 0; again < 20; again++) {
    const left = leftOver(session, `${markVariable}=${mark}`)
    if (left.length === 0) return
    for (const pid of left) kill(pid, 'SIGKILL')
  }
}

/** Lists the running processes that belong to a session or have a mark. Only Linux provides this information. */
function leftOver(session: number, mark: string): number[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  return names
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, 'utf8')
        // After the name in brackets: state, parent, group, session.
        const [state, , , own] = text.slice(text.lastIndexOf(')') + 2).split(' ')
        if (state === 'Z' || state === 'X') return []
        const marked = () => readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark)
        return Number(own) === session || marked() ? [Number(name)] : []
      } catch {
        return [] // It has ended, or belongs to another user.
      }
    })
}

const signalGroup = (group: number, signal: NodeJS.Signals) => kill(-group, signal)

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

process.once('message', (order: Order) => order.kind === 'start' && start(order))
process.on('disconnect', () => {
  end()
  process.exit()
})
// The guard ignores these signals: the task's process decides when to end the program.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
