import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

interface Process {
  readonly pid: number
  readonly parent: number
  readonly session: number
  /** Bytes of memory that it holds. */
  readonly resident: number
}

/**
 * Bytes that a process and all that it has started hold, pages that they share counted for each. What has left its parent
 * but not its session is counted as long as the session's first process was seen below this one.
 * @param sessions  those that were seen; more are added
 */
export async function residentBytes(root: number, sessions: Set<number>): Promise<number> {
  const all = process.platform === 'linux' ? await fromProc() : await fromPs()
  const below = new Set([root])
  // A child may come before its parent in the list.
  for (let size = 0; size < below.size;) {
    size = below.size
    for (const { pid, parent, session } of all) if (below.has(parent) || sessions.has(session)) below.add(pid)
    for (const { pid, session } of all) if (pid === session && pid !== root && below.has(pid)) sessions.add(session)
  }
  return all.reduce((n, { pid, resident }) => n + (below.has(pid) ? resident : 0), 0)
}

/** Linux counts in pages; where they are larger than this, it says less than there is. */
const page = 4096

async function fromProc(): Promise<Process[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = async (name: string): Promise<Process[]> => {
    try {
      const text = await readFile(`/proc/${name}/stat`, 'utf8')
      // After the name in brackets: state, parent, group, session, ...; the 22nd is resident pages.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const [parent, session, pages] = [fields[1], fields[3], fields[21]].map(Number)
      return [{ pid: Number(name), parent: parent!, session: session!, resident: pages! * page }]
    } catch {
      return [] // It has ended.
    }
  }
  return (await Promise.all(names.map(read))).flat()
}

async function fromPs(): Promise<Process[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=,sess=,rss='])
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, session, kib] = line.trim().split(/\s+/).map(Number)
      return { pid: pid!, parent: parent!, session: session!, resident: kib! * 1024 }
    })
}
