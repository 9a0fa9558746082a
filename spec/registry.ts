import type { About, JsonObject, Slot } from '../api/block.js'
import type { BlockName } from '../api/stage.js'
import type { Digest } from '../store/digest.js'
import type { PlannedFamily, PlannedPlugin, PlannedStage } from './frozen-plan.js'
import type { PathKind } from './keywords.js'

/** What a spec needs to know of a stage type. */
export interface StageInfo {
  readonly name: string
  readonly version: number
  /** JSON Schema of its parameters. */
  readonly parameters: object
  /** Inputs of the pipeline that it reads. */
  readonly reads: readonly string[]
  readonly exclusive?: boolean
  /** Can do without some of its tasks. */
  readonly partial?: boolean
  /** Waits for a person instead of doing work. */
  readonly gate?: boolean
  /** For people. */
  readonly about?: Pick<About, 'summary'>
  /** Digest of the plugin that it came from, unless it is built in. */
  readonly plugin?: Digest
}

/** What a spec needs to know of a block type. */
export interface BlockInfo {
  readonly name: string
  readonly version: number
  /** JSON Schema of an entry of the spec's `space`, `block` included or not. */
  readonly parameters: object
  /** For people. */
  readonly about?: About
  /** Has no weights. */
  readonly empty?: boolean
  /** Digest of the plugin that it came from, unless it is built in. */
  readonly plugin?: Digest
}

/** What a spec needs to know of a run type. */
export interface RunInfo {
  readonly name: string
  readonly version: number
  /** JSON Schema of an entry of the spec's `space.runs`, without `run`. */
  readonly parameters: object
  /** For people. */
  readonly about?: About
  /** Digest of the plugin that it came from, unless it is built in. */
  readonly plugin?: Digest
}

/** A mistake found in the inputs by something that knows what they mean. */
export interface InputProblem {
  /** Where in the inputs: `['space', 'ffn', 1, 'width']`. */
  readonly path: readonly (string | number)[]
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** A warning does not stop the run. Default: a mistake, which does. */
  readonly severity?: 'warning'
}

export interface Inspection {
  readonly problems: readonly InputProblem[]
  /** Block types that the model is made of, and those that runs of its layers become. */
  readonly blocks: readonly BlockName[]
  /** The model's family, where it came from a plugin. */
  readonly family?: PlannedFamily
  /** The model's head is another one than its config.json says. */
  readonly otherHead?: true
}

/** What a path of some format holds. */
export interface Contents {
  /** Names of the files that are read of a folder; [] for a path that is itself the file. @throws Failure */
  files(path: string): Promise<readonly string[]> | readonly string[]
  /** A path that is a file stands for several, whose names start from its folder. */
  readonly ofFile?: true
  /** Why something that is there is not what the format says. */
  problem?(path: string, written: string): Omit<InputProblem, 'path'> | undefined
}

/** Why a command of a spec is not run. */
export interface ProgramProblem {
  readonly code: 'command-not-allowed' | 'bad-sources'
  readonly message: string
  readonly hint?: string
}

/** Stage types, block types, run types and pipelines that specs can name: built in and from plugins. */
export interface Registry {
  readonly stages: {
    get(name: string): StageInfo | undefined
    names(): readonly string[]
  }
  readonly blocks: {
    get(slot: Slot, name: string): BlockInfo | undefined
    names(slot: Slot): readonly string[]
  }
  readonly runs: {
    get(name: string): RunInfo | undefined
    names(): readonly string[]
  }
  /** Text of a pipeline, and the file it came from for diagnostics. */
  pipeline(name: string): { readonly text: string; readonly file: string } | undefined
  pipelines(): readonly string[]

  /**
   * This registry and what the plugins of a spec hold. Absent where plugins cannot be loaded.
   * @param plugins  as the spec writes them: package names, or paths relative to `folder`
   * @param folder  the spec's folder
   */
  withPlugins?(
    plugins: readonly string[],
    folder: string,
  ): Promise<{
    readonly registry: Registry
    readonly plugins: readonly PlannedPlugin[]
    /** Plugins that could not be loaded. */
    readonly failures: readonly {
      readonly plugin: string
      readonly code: string
      readonly message: string
      readonly hint?: string
    }[]
  }>

  /**
   * Makes a command of the spec ready to run, if the user allows that. Absent where no commands can be run.
   * @param folders  where command and sources are written
   * @returns what the plan holds of it, or why it may not or cannot be run
   */
  readonly openProgram?: (
    command: readonly string[],
    sources: readonly { readonly written: string; readonly folder: string }[],
    folders: readonly string[],
  ) => { readonly digest: Digest; readonly sources: readonly JsonObject[] } | ProgramProblem

  /** What is read of a path, by its format, where that is not all that lies there. */
  readonly contents?: Readonly<Partial<Record<PathKind, Contents>>>

  /**
   * Looks for mistakes that only the model reveals: widths it cannot have, a checkpoint that cannot be read. Called when
   * the inputs hold no other mistake.
   * @param inputs  as in the frozen plan
   * @param stages  likewise
   */
  inspect?(inputs: JsonObject, stages: readonly PlannedStage[]): Promise<Inspection>
}
