import type { Place, Command } from '../cli/puzzleflow.js'

/** Gives a command again whenever it was killed, as a patient person does, until it has ended by itself. */
export class Keeper {
  private command: Command | undefined
  /** What it said when it ended with an error. */
  readonly errors: string[] = []
  finished = false

  constructor(
    private readonly place: Place,
    private readonly args: readonly string[],
  ) {
    this.start()
  }

  get pid(): number | undefined {
    return this.command?.process.pid
  }

  private start(): void {
    const command = this.place.start(...this.args)
    this.command = command
    void command.ended.then(({ code, stderr }) => {
      this.command = undefined
      if (code === 0) this.finished = true
      else {
        if (code !== null) this.errors.push(`exit code ${code}: ${stderr.trimEnd().split('\n').slice(-3).join(' | ')}`)
        // What ends with an error at once would do so for ever.
        if (this.errors.length < 5) this.start()
      }
    })
  }

  get gaveUp(): boolean {
    return this.command === undefined && !this.finished
  }
}
