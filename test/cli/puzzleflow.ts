import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { commandLine, endProcess } from '../../server/index.js'
import { packageRoot } from '../../store/paths.js'
import { forgetSettings } from '../temporal.js'

/** What a command left. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs. */
export class Command {
  private constructor(
    readonly process: ChildProcess,
    readonly ended: Promise<Ended>,
    private readonly lines: AsyncIterator<string>,
  ) {}

  static start(place: Place, args: readonly string[], program = join(packageRoot(), 'dist/cli/main.js')): Command {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: place.folder,
      env: place.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (data: Buffer) => (text[name] += data.toString()))
    const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...text })))
    return new Command(child, ended, createInterface(child.stderr)[Symbol.asyncIterator]())
  }

  /** The next line on stderr that matches; fails when the command ends before. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = await this.lines.next()
      if (line.done) throw new Error(`The command ended without saying ${pattern}:\n${(await this.ended).stderr}`)
      if (pattern.test(line.value)) return line.value
    }
  }
}

/** Hints name the command as for who started it with npx. */
export const asByNpx = { npm_command: 'exec' }

/** A folder to work in, with a state directory and a store; its worker is ended at its end. */
export class Place {
  readonly store: string
  readonly environment: NodeJS.ProcessEnv

  /** @param stateHome  default: of its own, where no server runs */
  constructor(
    readonly folder: string,
    stateHome = join(folder, 'state'),
    store = 'store',
  ) {
    this.store = join(folder, store)
    const environment = { ...process.env }
    forgetSettings(environment)
    this.environment = {
      ...environment,
      XDG_STATE_HOME: stateHome,
      PUZZLEFLOW_STORE: this.store,
      NO_COLOR: '1',
      ...asByNpx,
    }
  }

  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Ended> {
    return Command.start(this, args).ended
  }
  start(...args: readonly string[]): Command {
    return Command.start(this, args)
  }
  /** Runs another program of Node's to its end. */
  runProgram(program: string, ...args: readonly string[]): Promise<Ended> {
    return Command.start(this, args, program).ended
  }

  /** Process of the store's worker. */
  get worker(): number | undefined {
    const names = existsSync(this.store) ? readdirSync(this.store) : []
    for (const name of names.filter((name) => /^worker.*\.json$/.test(name))) {
      const { pid } = JSON.parse(readFileSync(join(this.store, name), 'utf8')) as { pid: number }
      if (commandLine(pid).includes(this.store)) return pid
    }
    return undefined
  }

  async endWorker(): Promise<void> {
    if (this.worker !== undefined) await endProcess(this.worker)
  }

  async close(): Promise<void> {
    await this.endWorker()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
