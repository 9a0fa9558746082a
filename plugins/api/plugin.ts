import type { BlockType, JsonObject } from './block.js'
import type { Family } from './family.js'
import type { RunType } from './run.js'
import type { Stage } from './stage.js'

/** What a plugin adds to puzzleflow: the default export of the module that its package.json names. */
export interface Plugin {
  readonly blocks?: readonly BlockType[]
  readonly stages?: readonly Stage[]
  /** Ways to replace several neighbouring layers at once. */
  readonly runs?: readonly RunType[]
  /** Families of models that are read: how their config.json and tensors are spelled. */
  readonly families?: readonly Family[]
  /** Pipelines by name: YAML files, relative to the plugin's package.json. */
  readonly pipelines?: Readonly<Record<string, string>>
}

/**
 * Checks a plugin's type.
 *
 *     export default definePlugin({ stages: [defineStage(count)], pipelines: { count: './count.yaml' } })
 */
export const definePlugin = (plugin: Plugin): Plugin => plugin

/** A stage among others: its own parameters are its own business. */
export const defineStage = <P>(stage: Stage<P>): Stage => stage as unknown as Stage

/** A block type among others: its own parameters are its own business. */
export const defineBlockType = <P extends JsonObject>(type: BlockType<P>): BlockType => type

/** A run type among others: its own parameters are its own business. */
export const defineRunType = <P extends JsonObject>(type: RunType<P>): RunType => type
