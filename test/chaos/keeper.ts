import type { Place, Command } from '../cli/puzzleflow.js'

/** Repeats a command whenever it is killed, like a patient user, until it ends by itself. */
export class Keeper {
  private command: Command | undefined
  /** Messages of the runs that ended with an error. */
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
        // A command that fails immediately would do so forever.
        if (this.errors.length < 5) this.start()
      }
    })
  }

  get gaveUp(): boolean {
    return this.command === undefined && !this.finished
  }
}
