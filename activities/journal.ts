import { appendToLog } from '../store/log-file.js'

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

/** Appends to a log file. */
export const fileLog =
  (file: string): Log =>
  (entry) => {
    try {
      appendToLog(file, asJson(entry))
    } catch {
      // A disk that is full must not end the worker: the tasks tell of it themselves.
    }
  }
