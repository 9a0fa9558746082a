import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FrozenPlan, PlannedPlugin } from '../../spec/frozen-plan.js'
import { processEnvironment } from '../../tensor/process-environment.js'
import { packageRoot } from '../../store/paths.js'
import { Failure, type FailureKind, type JsonObject } from '../../api/index.js'
import type { ModelInspection } from '../inspect/model.js'
import type { StageNeeds } from '../inspect/resources.js'

/** What a short-lived child process that loads plugins is asked. */
export type Question =
  | { readonly kind: 'describe'; readonly plugin: PlannedPlugin }
  | { readonly kind: 'inspect'; readonly plugins: readonly PlannedPlugin[]; readonly inputs: JsonObject }
  | { readonly kind: 'needs'; readonly plan: FrozenPlan }

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
  const child = fork(program(), [], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    env: processEnvironment(process.env),
  })
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

/** What plugins say of the parent with its inputs: their block types know what it can have. */
export async function inspectWithPlugins(
  plugins: readonly PlannedPlugin[],
  inputs: JsonObject,
): Promise<ModelInspection> {
  return (await blamed(ask({ kind: 'inspect', plugins, inputs }), 'which blocks the model can have')) as ModelInspection
}

/** What the stages of a plan with block types of plugins need. */
export async function needsWithPlugins(plan: FrozenPlan): Promise<readonly StageNeeds[]> {
  return (await blamed(ask({ kind: 'needs', plan }), 'how large its blocks are')) as readonly StageNeeds[]
}

/** Says what a plugin was asked when it failed. */
async function blamed(answer: Promise<unknown>, asked: string): Promise<unknown> {
  try {
    return await answer
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.kind !== 'PluginBug') throw cause
    throw new Failure('PluginBug', `A plugin failed when it was asked ${asked}: ${cause.message}`, { cause })
  }
}

/** Compiled, also where the sources themselves are run. */
function program(): string {
  const beside = fileURLToPath(new URL('./answer.js', import.meta.url))
  return existsSync(beside) ? beside : join(packageRoot(), 'dist', 'plugins', 'loading', 'answer.js')
}
