import type { TaskPlan } from '../api/index.js'
import type { ChildFailure } from '../errors/child-failure.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { ArtifactRef, Digest } from '../store/index.js'

interface JobBase {
  readonly plan: FrozenPlan
  /** Name in the pipeline. */
  readonly stage: string
  readonly outputs: Readonly<Record<string, ArtifactRef>>
  /** Location of the store. */
  readonly store: string
  readonly threads: number
  readonly limits?: Limits
  /** Bytes of memory that it holds at most, about: it begins when there is room for them. Default: not known. */
  readonly needs?: number
  /** Digests of the plugins whose code it runs. */
  readonly plugins?: readonly string[]
}

/** Of one attempt; it is ended where it goes beyond. */
export interface Limits {
  readonly seconds?: number
  /** Bytes, resident, of all its processes. */
  readonly memory?: number
  /** A folder of the disk that must not become full. */
  readonly disk?: string
}

/** What a child process is asked to do. */
export type Job =
  | (JobBase & { readonly kind: 'plan' })
  /** The question of a stage that waits for a person. */
  | (JobBase & { readonly kind: 'ask' })
  | (JobBase & {
      readonly kind: 'run'
      readonly task: TaskPlan
      readonly key: Digest
      /** Folder for its checkpoints. */
      readonly checkpoint: string
    })
  | (JobBase & {
      readonly kind: 'gather'
      readonly tasks: readonly TaskPlan[]
      /** Null where a task was left out. */
      readonly keys: readonly (Digest | null)[]
      /** Digests of their records, where these are signed: the child process has no key to check them. */
      readonly records?: readonly (Digest | null)[]
      readonly skipped: readonly { readonly task: string; readonly reason: string }[]
    })

/** From a child process to the worker. */
export type Message =
  | { readonly kind: 'progress'; readonly fraction: number; readonly text: string }
  | { readonly kind: 'log'; readonly text: string; readonly fields?: unknown }
  | { readonly kind: 'done'; readonly result: unknown }
  | {
      readonly kind: 'failed'
      readonly type: ChildFailure['type']
      readonly message: string
      readonly remedy?: string | undefined
      readonly file?: string | undefined
      readonly stack?: string | undefined
      /** The process does no more jobs. */
      readonly over?: boolean
    }
