import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Command line of a process; empty if no process has this id, or it is a zombie. */
export function commandLine(pid: number): string {
  if (process.platform === 'linux')
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    } catch {
      return ''
    }
  const { status, stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  return status === 0 && !/<defunct>/.test(stdout) ? stdout.trim() : ''
}

/** Whether a process has the same loopback as this one: in another container it does not. */
export function sharesNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')
  } catch {
    // Elsewhere than on Linux there is one for all.
    return true
  }
}

/** The first process whose command line is wanted. */
export function findProcess(wanted: (command: string) => boolean): { pid: number; command: string } | undefined {
  for (const [pid, command] of processes()) if (wanted(command)) return { pid, command }
  return undefined
}

function* processes(): Iterable<readonly [pid: number, command: string]> {
  if (process.platform === 'linux') {
    for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) yield [Number(name), commandLine(Number(name))]
    return
  }
  const { stdout = '' } = spawnSync('ps', ['-A', '-o', 'pid=,command='], { encoding: 'utf8' })
  for (const line of stdout.split('\n')) {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line)
    if (match) yield [Number(match[1]), match[2]!]
  }
}

/**
 * Ends a process, with SIGTERM first and then SIGKILL, and waits until it has ended.
 *
 * @param graceMilliseconds  between the two signals. @default 10000
 * @throws Error if this user may not end the process
 */
export async function endProcess(pid: number, graceMilliseconds = 10_000): Promise<void> {
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(pid, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  signal('SIGTERM')
  for (const end = Date.now() + graceMilliseconds; commandLine(pid) !== '' && Date.now() < end;) await pause(50)
  if (commandLine(pid) === '') return
  signal('SIGKILL')
  while (commandLine(pid) !== '') await pause(20)
}

/** Resolves after this many milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))
