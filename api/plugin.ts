import type { BlockType, JsonObject } from './block.js'
import type { Family } from './family.js'
import type { RunType } from './run.js'
import type { Needs, Outputs, Stage, TaskTypes } from './stage.js'

/** What a plugin adds to puzzleflow: the default export of the module named in its package.json. */
export interface Plugin {
  /** Block types. @default none */
  readonly blocks?: readonly BlockType[]
  /** Stages of pipelines. @default none */
  readonly stages?: readonly Stage[]
  /** Ways to replace several consecutive layers at once. @default none */
  readonly runs?: readonly RunType[]
  /** Families of models: how they write config.json and name their tensors. @default none */
  readonly families?: readonly Family[]
  /** Pipelines by name: YAML files, relative to the plugin's package.json. @default none */
  readonly pipelines?: Readonly<Record<string, string>>
}

/**
 * Declares a plugin; the compiler checks it.
 *
 * @example
 * ```ts
 * export default definePlugin({ stages: [defineStage(count)], pipelines: { count: './count.yaml' } })
 * ```
 */
export const definePlugin = (plugin: Plugin): Plugin => plugin

/**
 * Declares a stage; the compiler checks it against the types of its parameters, the outputs it needs and those it leaves. This
 * is the one place where these types are given up: plans hold parameters as JSON that the stage's schema has checked.
 */
export const defineStage = <
  P,
  N extends Needs,
  O extends Outputs<object, object>,
  T extends TaskTypes,
  Spec extends object,
>(
  stage: Stage<P, N, O, T, Spec>,
  // eslint-disable-next-line no-restricted-syntax -- given up here, see above
): Stage => stage as unknown as Stage

/** Declares a block type; the compiler checks it against the type of its parameters. */
export const defineBlockType = <P extends JsonObject>(type: BlockType<P>): BlockType => type

/** Declares a run type; the compiler checks it against the type of its parameters. */
export const defineRunType = <P extends JsonObject>(type: RunType<P>): RunType => type
