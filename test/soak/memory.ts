import { readdirSync, readFileSync } from 'node:fs'
import { commandLine } from '../../server/index.js'

/** Memory of a process at a moment. */
export interface Sample {
  /** Seconds since the process was first seen. */
  readonly age: number
  /** Resident set, MB of 10^6 bytes. */
  readonly megabytes: number
  /** Open files and connections. */
  readonly files: number
}

/** Processes of a kind as time goes by, each from its start to its end. */
export class Memory {
  private readonly lives = new Map<string, { readonly since: number; readonly samples: Sample[] }>()

  constructor(readonly kind: string) {}

  take(pids: readonly number[]): void {
    const now = performance.now() / 1000
    for (const pid of pids) {
      const sample = usage(pid)
      if (!sample) continue
      const { start, ...memory } = sample
      // Numbers of processes come again.
      const id = `${pid}/${start}`
      const life = this.lives.get(id) ?? { since: now, samples: [] }
      this.lives.set(id, life)
      life.samples.push({ age: now - life.since, ...memory })
    }
  }

  /** The largest, and of the process that lived longest the course after `warm` seconds. */
  summary(warm: number): string {
    const lives = [...this.lives.values()].filter(({ samples }) => samples.length > 0)
    if (lives.length === 0) return `${this.kind}: none seen`
    const largest = Math.max(...lives.flatMap(({ samples }) => samples.map(({ megabytes }) => megabytes)))
    const age = ({ samples }: { readonly samples: readonly Sample[] }) => samples.at(-1)!.age
    const eldest = lives.reduce((a, b) => (age(b) > age(a) ? b : a))
    const told = `${this.kind}: ${lives.length} processes, at most ${largest.toFixed(0)} MB`
    const steady = eldest.samples.filter((sample) => sample.age >= warm)
    if (age(eldest) < 2 * warm) return told
    const tenth = Math.ceil(steady.length / 10)
    const middle = (samples: readonly Sample[], of: 'megabytes' | 'files') =>
      samples.map((sample) => sample[of]).toSorted((a, b) => a - b)[samples.length >> 1]!
    const course = (of: 'megabytes' | 'files') =>
      `${middle(steady.slice(0, tenth), of).toFixed(0)} -> ${middle(steady.slice(-tenth), of).toFixed(0)}`
    const slope = (slopeOf(steady) * 3600).toFixed(1)
    return `${told}; the eldest, ${(age(eldest) / 60).toFixed(0)} min: ${course('megabytes')} MB (${slope} MB/h), ${course('files')} open files`
  }
}

/** MB per second, by least squares. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: keyof Sample) => samples.reduce((sum, sample) => sum + sample[of], 0) / samples.length
  const [age, megabytes] = [mean('age'), mean('megabytes')]
  const sum = (f: (sample: Sample) => number) => samples.reduce((total, sample) => total + f(sample), 0)
  return sum((s) => (s.age - age) * (s.megabytes - megabytes)) / sum((s) => (s.age - age) ** 2)
}

function usage(pid: number): (Omit<Sample, 'age'> & { readonly start: string }) | undefined {
  try {
    const start = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')[19]!
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    if (commandLine(pid) === '' || !(kilobytes > 0)) return undefined
    return { start, megabytes: (kilobytes * 1024) / 1e6, files: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return undefined
  }
}
