import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import type { AttemptLine } from '../../activities/attempt-log.js'
import { commandLine } from '../../server/index.js'

/** One go at a task, as its process noted it. */
export interface Attempt {
  readonly pid: number
  readonly stage: string
  readonly task: string
  readonly begin: AttemptLine
  /** The newest line. */
  last: AttemptLine
  ended: boolean
  /** Points of a training: steps done so far. */
  readonly points: number[]
  /** Step of the first checkpoint. */
  firstSaved: number | undefined
  /** The newest checkpoint. */
  saved: { readonly step: number; readonly cpu: number } | undefined
}

const stepOf = /^step (\d+) of \d+, (checkpoint saved)?/

/** All attempts of a log, in the order of their beginnings. */
export class Attempts {
  readonly all: Attempt[] = []
  private read = 0
  /** How many there are. */
  lines = 0

  constructor(private readonly file: string) {}

  /** Takes in what has been written since the last time. */
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
    const attempt = this.all.findLast((own) => own.pid === pid && !own.ended)
    if (!attempt) throw new Error(`Internal error: process ${pid} goes on with nothing`)
    attempt.last = line
    if (event === 'end') attempt.ended = true
    const [, step, saved] = stepOf.exec(line.text ?? '') ?? []
    if (saved) {
      attempt.saved = { step: Number(step), cpu: line.cpu }
      attempt.firstSaved ??= Number(step)
    }
    if (step && !saved) attempt.points.push(Number(step))
  }

  /** Attempts whose process lives and works. */
  running(): Attempt[] {
    this.update()
    return this.all.filter(({ ended, pid }) => !ended && commandLine(pid) !== '')
  }

  /** Stages in the order in which they began, and how long each took. */
  stages(): { readonly name: string; readonly milliseconds: number }[] {
    this.update()
    const found = new Map<string, { first: number; last: number }>()
    for (const { stage, begin, last } of this.all) {
      const known = found.get(stage)
      if (known) known.last = Math.max(known.last, last.at)
      else found.set(stage, { first: begin.at, last: last.at })
    }
    return [...found].map(([name, { first, last }]) => ({ name, milliseconds: last - first }))
  }
}
