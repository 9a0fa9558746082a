import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import type { AttemptLine } from '../../activities/attempt-log.js'
import { commandLine } from '../../server/index.js'

/** One attempt at a task, as its process logged it. */
export interface Attempt {
  readonly pid: number
  readonly stage: string
  readonly task: string
  readonly begin: AttemptLine
  /** The latest line. */
  last: AttemptLine
  ended: boolean
  /** Progress of a training: completed steps at each report. */
  readonly points: number[]
  /** Step of the first checkpoint. */
  firstSaved: number | undefined
  /** The latest checkpoint. */
  saved: { readonly step: number; readonly cpu: number } | undefined
}

const stepOf = /^step (\d+) of \d+, (checkpoint saved)?/

/** All attempts in a log, in the order in which they began. */
export class Attempts {
  readonly all: Attempt[] = []
  private read = 0
  /** Number of lines read. */
  lines = 0

  constructor(private readonly file: string) {}

  /** Reads the lines written since the last call. */
  update(): void {
    if (!existsSync(this.file)) return
    const file = openSync(this.file, 'r')
    const bytes = Buffer.alloc(fstatSync(file).size - this.read)
    readSync(file, bytes, 0, bytes.length, this.read)
    closeSync(file)
    const whole = bytes.lastIndexOf('\n') + 1
    this.read += whole
    const text = bytes.subarray(0, whole).toString()
    for (const line of text.split('\n')) if (line !== '') this.add(JSON.parse(line) as AttemptLine)
  }

  private add(line: AttemptLine): void {
    this.lines++
    const { pid, stage, task, event } = line
    if (event === 'begin') {
      this.all.push({
        pid,
        stage,
        task,
        begin: line,
        last: line,
        ended: false,
        points: [],
        firstSaved: undefined,
        saved: undefined,
      })
      return
    }
    const attempt = this.all.findLast((candidate) => candidate.pid === pid && !candidate.ended)
    if (!attempt) throw new Error(`Internal error: process ${pid} reports progress without an attempt`)
    attempt.last = line
    if (event === 'end') attempt.ended = true
    const [, step, saved] = stepOf.exec(line.text ?? '') ?? []
    if (saved) {
      attempt.saved = { step: Number(step), cpu: line.cpu }
      attempt.firstSaved ??= Number(step)
    }
    if (step && !saved) attempt.points.push(Number(step))
  }

  /** Attempts that have not ended and whose process is alive. */
  running(): Attempt[] {
    this.update()
    return this.all.filter(({ ended, pid }) => !ended && commandLine(pid) !== '')
  }

  /** Stages in the order in which they began, with their durations. */
  stages(): { readonly name: string; readonly milliseconds: number }[] {
    this.update()
    const times = new Map<string, { first: number; last: number }>()
    for (const { stage, begin, last } of this.all) {
      const known = times.get(stage)
      if (known) known.last = Math.max(known.last, last.at)
      else times.set(stage, { first: begin.at, last: last.at })
    }
    return [...times].map(([name, { first, last }]) => ({ name, milliseconds: last - first }))
  }
}
