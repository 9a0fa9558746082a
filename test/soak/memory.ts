import { readdirSync, readFileSync } from 'node:fs'
import { commandLine } from '../../server/index.js'

/** Memory of a process at one moment. */
export interface Sample {
  /** Seconds since the process was first seen. */
  readonly age: number
  /** Resident set, MB of 10^6 bytes. */
  readonly megabytes: number
  /** Open files and connections. */
  readonly files: number
}

/** Records processes of one kind over time, each from its start to its end. */
export class Memory {
  private readonly lives = new Map<string, { readonly since: number; readonly samples: Sample[] }>()

  /** MB of all of them together when they were last looked at. */
  now = 0

  constructor(readonly kind: string) {}

  take(pids: readonly number[]): void {
    const now = performance.now() / 1000
    this.now = 0
    for (const pid of pids) {
      const sample = usage(pid)
      if (!sample) continue
      const { start, ...memory } = sample
      this.now += memory.megabytes
      // Process ids are reused.
      const id = `${pid}/${start}`
      const life = this.lives.get(id) ?? { since: now, samples: [] }
      this.lives.set(id, life)
      life.samples.push({ age: now - life.since, ...memory })
    }
  }

  /** The most MB that one process has held. */
  get most(): number {
    return Math.max(0, ...[...this.lives.values()].flatMap(({ samples }) => samples.map(({ megabytes }) => megabytes)))
  }

  /** Reports the maximum over all processes and, for the longest-lived one, the development after `warm` seconds. */
  summary(warm: number): string {
    const lives = [...this.lives.values()].filter(({ samples }) => samples.length > 0)
    if (lives.length === 0) return `${this.kind}: none seen`
    const largest = Math.max(...lives.flatMap(({ samples }) => samples.map(({ megabytes }) => megabytes)))
    const age = ({ samples }: { readonly samples: readonly Sample[] }) => samples.at(-1)!.age
    const oldest = lives.reduce((a, b) => (age(b) > age(a) ? b : a))
    const overall = `${this.kind}: ${lives.length} processes, at most ${largest.toFixed(0)} MB`
    const steady = oldest.samples.filter((sample) => sample.age >= warm)
    if (age(oldest) < 2 * warm) return overall
    const tenth = Math.ceil(steady.length / 10)
    const medianOf = (samples: readonly Sample[], key: 'megabytes' | 'files') =>
      samples.map((sample) => sample[key]).toSorted((a, b) => a - b)[samples.length >> 1]!
    const trend = (key: 'megabytes' | 'files') =>
      `${medianOf(steady.slice(0, tenth), key).toFixed(0)} -> ${medianOf(steady.slice(-tenth), key).toFixed(0)}`
    const slope = (slopeOf(steady) * 3600).toFixed(1)
    return `${overall}; the oldest, ${(age(oldest) / 60).toFixed(0)} min: ${trend('megabytes')} MB (${slope} MB/h), ${trend('files')} open files`
  }
}

/** MB per second, by least squares. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (key: keyof Sample) => samples.reduce((sum, sample) => sum + sample[key], 0) / samples.length
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
