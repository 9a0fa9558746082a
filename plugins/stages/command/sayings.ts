import type { RunningTask, StageContext } from '../../../api/index.js'

/** Largest number of characters of an attempt's output in the log, which all tasks share. */
const mostLogged = 2 ** 20

/** Processes a program's output: lines of JSON on stdout are for puzzleflow, everything else is for people. */
export class Sayings {
  /** The program's own message on why it cannot continue: `{"error": "…", "remedy": "…"}`. */
  error: { readonly message: string; readonly remedy?: string } | undefined
  private logged = 0
  private readonly lines: string[] = []

  constructor(private readonly context: Pick<StageContext & RunningTask, 'log' | 'progress'>) {}

  hear(line: string, from: 'stdout' | 'stderr'): void {
    const said = from === 'stdout' ? message(line) : undefined
    if (typeof said?.progress === 'number') {
      const text = typeof said.message === 'string' ? said.message.slice(0, 500) : ''
      this.context.progress(Math.min(1, Math.max(0, said.progress)), text)
    } else if (typeof said?.error === 'string') {
      const { error, remedy } = said
      this.error = {
        message: error.slice(0, 2000),
        ...(typeof remedy === 'string' && { remedy: remedy.slice(0, 2000) }),
      }
    } else this.note(line, from)
  }

  /** The last lines of its output. */
  get last(): string {
    return this.lines.join(' | ').slice(-2000)
  }

  private note(line: string, from: string): void {
    if (line.trim() === '') return
    this.lines.push(line.trim())
    if (this.lines.length > 3) this.lines.shift()
    if (this.logged > mostLogged) return
    this.logged += line.length
    this.context.log(this.logged > mostLogged ? 'Further output of the program is not kept.' : line, { from })
  }
}

/** Parses a line that is a message of the contract; undefined for any other line. */
function message(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}
