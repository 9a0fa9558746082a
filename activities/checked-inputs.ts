import { Failure, type JsonObject, type Stage } from '../api/index.js'
import { digestsOf, pick } from '../lineage/inputs.js'
import { inputContents } from '../plugins/inspect/input-contents.js'
import { builtInPipeline } from '../plugins/registry.js'
import { readDocument } from '../spec/document.js'
import type { FrozenPlan, PlannedStage } from '../spec/frozen-plan.js'
import { digestPath } from '../spec/input-digests.js'
import type { PathKind } from '../spec/keywords.js'
import { checkValue, getValue } from '../spec/validate.js'
import type { Digest } from '../store/index.js'
import { digestFile, stampOf } from '../store/files.js'

/** A path that a plan names, and what lies there according to the plan. */
interface Named {
  readonly path: string
  readonly digest: Digest | undefined
  /** Unknown for inputs of other pipelines. */
  readonly kind?: PathKind
}

/**
 * Checks that the files which a stage reads are those that its plan was made with. Otherwise a result would be kept under the key
 * of other inputs; and a plan from somebody else could name any file of this user's: now it can only name what its author has.
 */
export class CheckedInputs {
  /** Digests of files, with the state that the file had. */
  private readonly known = new Map<string, { readonly stamp: string; readonly digest: Digest }>()

  /** Paths that stages read: tasks of one stage read the same. */
  private readonly paths = new WeakMap<PlannedStage, readonly Named[]>()

  /** @throws Failure InvalidInput naming the path. What is not on this machine is not looked at. */
  async check(plan: FrozenPlan, planned: PlannedStage, stage: Stage): Promise<void> {
    const paths = this.paths.get(planned) ?? namedBy(plan, planned, stage)
    this.paths.set(planned, paths)
    for (const named of paths) await this.checkPath(named)
  }

  private async checkPath({ path, digest, kind }: Named): Promise<void> {
    if (digest === undefined)
      throw new Failure('InvalidInput', `The plan is refused: it does not say what ${path} contains`)
    // Which files of a folder count depends on what it is.
    const ways = kind ? [inputContents[kind]] : [undefined, ...Object.values(inputContents)]
    for (const contents of ways) {
      try {
        if ((await digestPath(path, contents, this.digestOf)).digest === digest) return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
        if (kind) throw error
      }
    }
    throw new Failure('InvalidInput', `${path} has changed since the plan was made`, {
      file: path,
      remedy: 'Run the same command again: it plans with the current contents, and reuses what they do not affect.',
    })
  }

  private readonly digestOf = async (file: string): Promise<Digest> => {
    const stamp = await stampOf(file)
    const found = this.known.get(file)
    if (found?.stamp === stamp) return found.digest
    const digest = await digestFile(file)
    this.known.set(file, { stamp, digest })
    return digest
  }
}

/** Every path that a stage reads, of its parameters and of the inputs. */
function namedBy(plan: FrozenPlan, planned: PlannedStage, stage: Stage): Named[] {
  const reads = [...stage.reads, ...('taskReads' in stage ? (stage.taskReads ?? []) : [])]
  const inputs = pick(plan.inputs, reads)
  const { inputDigests } = plan
  const paths = (schema: object, data: JsonObject, prefix: readonly string[]): Named[] =>
    checkValue(schema, data).paths.flatMap(({ at, kind }) => {
      const path = getValue(data, at)
      const digest = inputDigests[[...prefix, ...at.split('/').slice(1)].join('.')]
      return typeof path === 'string' ? [{ path, digest, kind }] : []
    })
  // A stage of a plugin may be of a pipeline whose inputs are others.
  const ofInputs = planned.plugin === undefined ? paths(puzzleInputs(), inputs, []) : []
  const seen = new Set(ofInputs.map(({ path }) => path))
  const others = Object.entries(digestsOf(plan, reads)).flatMap(([name, digest]): Named[] => {
    const path = valueAt(inputs, name)
    return path === undefined || seen.has(path) ? [] : [{ path, digest }]
  })
  return [...paths(stage.parameters, planned.params, ['stages', planned.name]), ...ofInputs, ...others]
}

/** The text with this name, as inputs are named in `inputDigests`. */
function valueAt(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, item] of Object.entries(value)) {
    if (key === name) return typeof item === 'string' ? item : undefined
    const found = name.startsWith(`${key}.`) ? valueAt(item, name.slice(key.length + 1)) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

let schema: object | undefined
/** JSON Schema of the inputs of pipeline `puzzle`, which the built-in stages read. */
function puzzleInputs(): object {
  if (schema) return schema
  const { text, file } = builtInPipeline('puzzle')!
  const { $defs, ...properties } = readDocument(file, text).data.inputs as JsonObject
  return (schema = { type: 'object', properties, $defs })
}
