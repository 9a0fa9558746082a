import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProcess } from '../server/processes.js'

/** Child processes of a process. */
export function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter((pid) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]) === parent
    } catch {
      return false
    }
  })
}

/** The embedded server that has its database in a state directory (XDG_STATE_HOME). */
export const serverOf = (stateHome: string): number | undefined =>
  findProcess(
    (command) => command.includes(`${join(stateHome, 'puzzleflow/server')}/`) && / --ui-port \d+/.test(command),
  )?.pid

/** Ends a process that this one has started, and waits until it is gone. */
export async function endChild(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child?.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await ended
}

/** Ends a process as a crash does. One that is gone already is no matter. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
