import { appendFileSync } from 'node:fs'

/** Something that happened: a line of a log. */
export interface Entry {
  readonly level: 'info' | 'warn' | 'error'
  /** The same words for the same thing, to search for: `task finished`. */
  readonly event: string
  /** Where it belongs, if it is of a task. */
  readonly run?: string
  readonly stage?: string
  readonly task?: string
  readonly attempt?: number
  readonly message?: string
  readonly [field: string]: unknown
}

export type Log = (entry: Entry) => void

/** As one line of JSON. */
export const asJson = (entry: Entry): string => JSON.stringify({ time: new Date().toISOString(), ...entry })

/** As one line for people. */
export function asText({ level, event, run, stage, task, attempt, message, ...more }: Entry): string {
  const fields = Object.entries(more).filter(([name, value]) => name !== 'stack' && value !== undefined)
  const words = [
    ...(level === 'info' ? [] : [level.toUpperCase()]),
    stage === undefined ? event : `${event}: ${run === undefined ? '' : `${run} `}${stage}/${task ?? ''}`,
    ...(attempt !== undefined && attempt > 1 ? [`(attempt ${attempt})`] : []),
    ...(message === undefined ? [] : [message.trimEnd()]),
    ...fields.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  ]
  return words.join(' ')
}

/** Appends to a file. Each line opens it anew: it may be moved away or removed at any time. */
export const fileLog =
  (file: string): Log =>
  (entry) => {
    try {
      appendFileSync(file, `${asJson(entry)}\n`)
    } catch {
      // A disk that is full must not end the worker: the tasks tell of it themselves.
    }
  }
