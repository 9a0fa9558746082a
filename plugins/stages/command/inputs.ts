import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure, type ArtifactRef, type Environment, type JsonObject, type StageContext } from '../../../api/index.js'
import { isInnerPath } from '../../../errors/inner-path.js'

/** An artifact of a stage, or several by name. */
export type CommandInput = ArtifactRef | { readonly [name: string]: ArtifactRef }

/** An input's entry in `task.json`. */
interface PlacedInput {
  /** Path relative to the working folder. */
  readonly path: string
  readonly kind: string
  readonly bytes?: number
}

/**
 * Links a task's inputs into its working folder: `inputs/NAME`, or `inputs/NAME/FILE` if a name stands for several.
 * @returns their entries in `task.json`, by name (`NAME/FILE`)
 * @throws Failure InvalidInput for a wrong name, or an input that is not an output of a stage
 */
export async function placeInputs(
  context: Pick<StageContext, 'stages'> & Pick<Environment, 'open'>,
  params: {
    readonly inputs?: Readonly<Record<string, CommandInput>>
    readonly files: Readonly<Record<string, string>>
  },
  folder: string,
): Promise<Record<string, PlacedInput>> {
  const { stages } = context
  const given: Readonly<Record<string, unknown>> =
    params.inputs ?? Object.fromEntries(Object.entries(stages).map(([name, { files }]) => [name, files]))
  const placed: Record<string, PlacedInput> = {}
  const place = (name: string, target: string, more: Omit<PlacedInput, 'path'>) => {
    if (Object.hasOwn(placed, name) || !isInnerPath(name))
      throw new Failure('InvalidInput', `"${name}" cannot be the name of an input`)
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync(target, path)
    placed[name] = { path: `inputs/${name}`, ...more }
  }
  for (const [name, value] of Object.entries(given)) {
    for (const [file, ref] of isRef(value) ? [['', value] as const] : Object.entries(mapOf(name, value)))
      place(file === '' ? name : `${name}/${file}`, await context.open(ref), { kind: ref.kind, bytes: ref.bytes })
  }
  for (const [name, path] of Object.entries(params.files))
    if (name in given) throw new Failure('InvalidInput', `"${name}" names both an input and one of \`files\``)
    else place(name, path, { kind: 'file' })
  return placed
}

function mapOf(name: string, value: unknown): Readonly<Record<string, ArtifactRef>> {
  const entries = typeof value === 'object' && value !== null ? Object.values(value as JsonObject) : [undefined]
  if (entries.every(isRef)) return value as Readonly<Record<string, ArtifactRef>>
  throw new Failure('InvalidInput', `The input "${name}" is not an output of a stage`, {
    remedy:
      'Write ${{ stages.NAME.outputs.files.FILE }}, or ${{ stages.NAME.outputs.files }} for all of them; values belong under `parameters:`.',
  })
}

const isRef = (value: unknown): value is ArtifactRef =>
  typeof value === 'object' && value !== null && typeof (value as Partial<ArtifactRef>).digest === 'string'
