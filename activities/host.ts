import { fork, type ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { childEnvironment, variablesOf } from './child-environment.js'
import { ChildFailure } from '../errors/child-failure.js'
import type { Job, Message } from './job.js'
import type { Entry, Log } from './journal.js'
import { watchLimits } from './limits.js'
import { outOfMemoryKills } from '../tensor/memory-left.js'
import { MemoryGuard, type Admitted } from './memory-guard.js'

/** Time for a checkpoint between SIGTERM and SIGKILL: onnxruntime cannot be interrupted within a call. */
const grace = 20_000

/** Bytes that a job may write to stderr before the rest is dropped. */
const mostSaid = 2 ** 20

/** A signal ended a child process while it worked. Another attempt may succeed. */
export class Crash extends Error {
  constructor(what: string, signal: string | null) {
    super(`${what}: the process was ended by ${signal} while it worked`)
    this.name = 'Crash'
  }
}

/** What V8 and C++ print when memory runs out. */
const outOfMemory = /out of memory|std::bad_alloc/i
const tooLarge = (what: string, killed: boolean) =>
  new ChildFailure(
    'OutOfMemory',
    `${what}: ${killed ? 'the kernel ended the process, because there was no memory left' : 'the process ran out of memory'}`,
    {
      remedy: 'Close other programs, or run fewer tasks side by side: `npx puzzleflow worker --slots N`.',
    },
  )

/** A child process ends with an exit code only if its code calls for that. */
const ended = (what: string, code: number | null, signal: string | null) =>
  signal === null
    ? new ChildFailure('Exit', `${what}: the process ended with exit code ${code} while it worked`)
    : new Crash(what, signal)

export interface RunOptions {
  /** For messages: the task. */
  readonly what: string
  readonly signal: AbortSignal
  readonly onProgress: (fraction: number, text: string) => void
  /** Is told, again and again, what the task waits for before it begins. */
  readonly onWait?: (text: string) => void
  /** Receives what the task logs. */
  readonly log: (entry: Pick<Entry, 'level' | 'event' | 'message'> & { readonly fields?: unknown }) => void
}

/** Warm child processes, each doing one job at a time. onnxruntime blocks its thread, so nothing else runs in them. */
export class Host {
  private readonly idle: ChildProcess[] = []
  private readonly all = new Set<ChildProcess>()
  /** The last text that a child wrote to stderr. */
  private readonly lastWords = new WeakMap<ChildProcess, string>()
  /** Bytes that a child has written to stderr since its job began. */
  private readonly said = new WeakMap<ChildProcess, number>()
  /** Where to log what a child writes to stderr: with the task that it does. */
  private readonly logs = new WeakMap<ChildProcess, RunOptions['log']>()
  /** Plugins whose code a child has run, and the variables that it has: what plugins left there may harm only tasks of the same
   *  plugins, and no task has variables of another. */
  private readonly plugins = new WeakMap<ChildProcess, string>()
  private readonly guard = new MemoryGuard({ relieve: () => this.endIdle() })

  /** @param options  `log` receives what children write while they have no job */
  constructor(private readonly options: { readonly log: Log; readonly registry?: string }) {}

  /** Does a job in a child process, once there is memory for it. An abort ends the child, with SIGTERM first, so that it can save
   *  a checkpoint.
   *  @throws Crash, ChildFailure, or the signal's reason */
  async run(job: Job, options: RunOptions): Promise<unknown> {
    const { what, signal, onWait = () => undefined } = options
    signal.throwIfAborted()
    let waited = false
    const place = await this.guard.admit(what, job.needs ?? 0, signal, (text) => {
      waited = true
      onWait(text)
    })
    if (waited) onWait('starting')
    let done = false
    try {
      const result = await this.runIn(place, job, options)
      done = true
      return result
    } finally {
      place.release(done)
    }
  }

  private runIn(place: Admitted, job: Job, { what, signal, onProgress, log }: RunOptions): Promise<unknown> {
    const kills = outOfMemoryKills()
    const child = this.childFor(job)
    this.logs.set(child, log)
    this.said.delete(child)
    return new Promise((resolve, reject) => {
      let kill: NodeJS.Timeout | undefined
      const onAbort = () => {
        child.kill('SIGTERM')
        kill ??= setTimeout(() => child.kill('SIGKILL'), grace)
      }
      /** Why this process ends the child, if it does. */
      let exceeded: ChildFailure | undefined
      const because = (error: Error) => (signal.aborted ? (signal.reason as Error) : (exceeded ?? error))
      const end = (why: ChildFailure) => {
        exceeded ??= why
        // Only memory cannot wait for a checkpoint.
        if (why.type === 'OutOfMemory') child.kill('SIGKILL')
        else onAbort()
      }
      const unwatch = watchLimits(child.pid, what, job.limits ?? {}, end)
      if (child.pid !== undefined) place.begin(child.pid, end)
      const finish = (settle: () => void, reusable: boolean) => {
        clearTimeout(kill)
        unwatch()
        signal.removeEventListener('abort', onAbort)
        child.off('message', onMessage).off('exit', onExit)
        // One whose memory is bounded began with none, and so must the next.
        const stays = reusable && job.limits?.memory === undefined && !signal.aborted && !exceeded
        if (stays && child.connected) this.idle.push(child)
        else child.kill('SIGKILL')
        settle()
      }
      signal.addEventListener('abort', onAbort)
      const onExit = (code: number | null, by: string | null) => {
        const tell = () => {
          const killed = by === 'SIGKILL' && outOfMemoryKills() !== kills
          const full = killed || outOfMemory.test(this.lastWords.get(child) ?? '')
          const error = full ? tooLarge(what, killed) : ended(what, code, by)
          finish(() => reject(because(error)), false)
        }
        // Its last output may still be on its way; a process that it started may keep the pipe open.
        const late = setTimeout(tell, 500)
        child.once('close', () => {
          clearTimeout(late)
          tell()
        })
      }
      const onMessage = (message: Message) => {
        if (message.kind === 'progress') onProgress(message.fraction, message.text)
        else if (message.kind === 'log')
          log({ level: 'info', event: 'task says', message: message.text, fields: message.fields })
        else if (message.kind === 'done') finish(() => resolve(message.result), true)
        else if (message.kind === 'failed') {
          const { type, message: text, remedy, file, stack, over } = message
          const failure = new ChildFailure(type, text, { remedy, file, stack })
          finish(() => reject(because(failure)), !over)
        }
      }
      child.on('exit', onExit).on('message', onMessage)
      child.send(job, (error) => {
        if (!error) return
        // It ended while idle, which `exit` reports, or it never started, which nothing else reports.
        if (child.pid === undefined) finish(() => reject(error), false)
        else child.kill('SIGKILL')
      })
    })
  }

  private childFor(job: Job): ChildProcess {
    const { limits, plugins = [] } = job
    const variables = variablesOf(job)
    const wanted = [...plugins, ...variables].join()
    // Memory that an earlier task left in use would count.
    const at =
      limits?.memory === undefined ? this.idle.findLastIndex((child) => this.plugins.get(child) === wanted) : -1
    const child = at < 0 ? this.start(variables) : this.idle.splice(at, 1)[0]!
    this.plugins.set(child, wanted)
    return child
  }

  private start(variables: readonly string[]): ChildProcess {
    const program = fileURLToPath(new URL('./child.js', import.meta.url))
    const { registry } = this.options
    const child = fork(program, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: {
        ...childEnvironment(process.env, variables),
        ...(registry === undefined ? {} : { PUZZLEFLOW_TEST_REGISTRY: registry }),
      },
    })
    // Where memory is gone at once, the kernel is to end a task, not the worker or the server.
    if (child.pid !== undefined && process.platform === 'linux')
      writeFile(`/proc/${child.pid}/oom_score_adj`, '500', () => undefined)
    child.stderr?.on('data', (data: Buffer) => {
      const text = data.toString()
      this.lastWords.set(child, ((this.lastWords.get(child) ?? '') + text).slice(-4000))
      const said = (this.said.get(child) ?? 0) + data.length
      if (said - data.length > mostSaid) return
      this.said.set(child, said)
      const log = this.logs.get(child) ?? this.options.log
      const message = said > mostSaid ? 'Further output of the process is not kept.' : text.trimEnd()
      log({ level: 'warn', event: 'process says', message })
    })
    child.on('error', ({ message }) => this.options.log({ level: 'error', event: 'no process', message }))
    this.all.add(child)
    child.once('exit', () => {
      this.all.delete(child)
      const at = this.idle.indexOf(child)
      if (at >= 0) this.idle.splice(at, 1)
    })
    return child
  }

  /** Ends those that wait for a job: they hold what the last one left. @returns whether there were any */
  private endIdle(): boolean {
    const idle = this.idle.splice(0)
    for (const child of idle) child.kill('SIGKILL')
    return idle.length > 0
  }

  /** Ends all children. */
  close(): void {
    for (const child of this.all) child.kill('SIGKILL')
  }
}
