import type { RunningTask, StageContext } from '../../../api/index.js'

/** Characters of a program's output that go to the log, of one attempt: it is shared with all tasks. */
const mostLogged = 2 ** 20

/** What a program writes: lines of JSON on stdout are for puzzleflow, all else is for people. */
export class Sayings {
  /** Why it cannot go on, in its own words: `{"error": "…", "remedy": "…"}`. */
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

  /** Its last words. */
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

/** A line that is a message of the contract. */
function message(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}
