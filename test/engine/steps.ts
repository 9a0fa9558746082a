import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { FromStage, FromTest } from './step-protocol.js'

type Called = Extract<FromStage, { kind: 'called' }>

/** An attempt of a task that waits for the test. */
export class Call {
  /** Ends when the child process is told to stop, or is gone. */
  readonly ended: Promise<'aborted' | 'gone'>

  constructor(
    readonly info: Called,
    private readonly socket: Socket,
    lines: AsyncIterable<string>,
  ) {
    this.ended = (async () => {
      try {
        for await (const line of lines) if ((JSON.parse(line) as FromStage).kind === 'aborted') return 'aborted'
      } catch {
        // Killed before it read its answer.
      }
      return 'gone'
    })()
  }

  get name(): string {
    return `${this.info.stage}/${this.info.task}`
  }
  finish(value = 1): void {
    this.answer({ kind: 'finish', value })
  }
  /** @param type  a kind of `Failure`; without one it is a plain error */
  fail(message: string, type?: string, remedy?: string): void {
    const more = { ...(type === undefined ? {} : { type }), ...(remedy === undefined ? {} : { remedy }) }
    this.answer({ kind: 'fail', message, ...more })
  }
  kill(): void {
    process.kill(this.info.pid, 'SIGKILL')
  }
  private answer(message: FromTest): void {
    this.socket.write(`${JSON.stringify(message)}\n`)
  }
}

/** Where stepped stages report. A test takes their calls one by one, or says what becomes of all that come. */
export class Steps {
  private readonly calls: Call[] = []
  private readonly takers: ((call: Call) => void)[] = []
  /** Names of all calls so far. */
  readonly seen: string[] = []

  private constructor(
    readonly path: string,
    private readonly server: Server,
  ) {}

  static async listen(folder: string): Promise<Steps> {
    const path = join(folder, 'steps.sock')
    const server = createServer()
    const steps = new Steps(path, server)
    server.on('connection', (socket) => {
      socket.on('error', () => undefined) // a stage that was killed
      const lines = createInterface(socket)
      lines.once('line', (line) => {
        const call = new Call(JSON.parse(line) as Called, socket, lines)
        steps.seen.push(call.name)
        const taker = steps.takers.shift()
        if (taker) taker(call)
        else steps.calls.push(call)
      })
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return steps
  }

  nextCall(): Promise<Call> {
    const call = this.calls.shift()
    return call ? Promise.resolve(call) : new Promise((resolve) => this.takers.push(resolve))
  }

  nextCalls(count: number): Promise<Call[]> {
    return Promise.all(Array.from({ length: count }, () => this.nextCall()))
  }

  /** Calls that wait and that nobody has taken. */
  get waiting(): number {
    return this.calls.length
  }

  /** Finishes a number of calls with a value each. @returns their names */
  async finish(count: number, value: (task: string) => number = () => 1): Promise<string[]> {
    const names: string[] = []
    for (let i = 0; i < count; i++) {
      const call = await this.nextCall()
      call.finish(value(call.info.task))
      names.push(call.name)
    }
    return names.sort()
  }

  close(): void {
    this.server.close()
  }
}
