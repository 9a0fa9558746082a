import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PlannedPlugin } from '../../spec/frozen-plan.js'
import { packageRoot } from '../../store/paths.js'
import { Failure, type FailureKind, type JsonObject } from '../api/index.js'

/** What a short-lived child process that loads plugins is asked. */
export type Question =
  | { readonly kind: 'describe'; readonly plugin: PlannedPlugin }
  | { readonly kind: 'inspect'; readonly plugins: readonly PlannedPlugin[]; readonly inputs: JsonObject }

/** Its answer. */
export type Answer =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly failure?: FailureKind; readonly message: string }

/** Time for an answer. */
const patience = 30_000

/**
 * Asks a child process, which ends with its answer.
 * @throws Failure PluginBug when it throws, ends or hangs instead; other failures as they were thrown
 */
export function ask(question: Question, milliseconds = patience): Promise<unknown> {
  const child = fork(program(), [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] })
  let errors = ''
  child.stderr?.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)))
  return new Promise<unknown>((resolve, reject) => {
    const bug = (message: string) => reject(new Failure('PluginBug', message))
    const timer = setTimeout(() => bug(`it did not answer within ${milliseconds / 1000} s`), milliseconds)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const said = errors.trim().split('\n').at(-1) ?? ''
      bug(`its process ended by ${signal ?? `exit code ${code}`} instead of answering${said && `: ${said}`}`)
    })
    child.once('message', (answer: Answer) => {
      clearTimeout(timer)
      if (answer.kind === 'answer') resolve(answer.value)
      else reject(new Failure(answer.failure ?? 'PluginBug', answer.message))
    })
    child.send(question, (error) => {
      // A child that is gone already is reported when it has closed.
      if (error && child.connected) reject(error)
    })
  }).finally(() => child.kill('SIGKILL'))
}

/** Compiled, also where the sources themselves are run. */
function program(): string {
  const beside = fileURLToPath(new URL('./answer.js', import.meta.url))
  return existsSync(beside) ? beside : join(packageRoot(), 'dist', 'plugins', 'loading', 'answer.js')
}
