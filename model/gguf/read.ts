import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { partName } from '../../files/gguf-parts.js'
import { Failure } from '../../api/index.js'
import { describeGguf } from './read-config.js'
import { namedTensors } from './read-tensors.js'
import { typeName, supported } from './container.js'
import { openWhole, refuseOther } from './split.js'

/** A GGUF file, presented as a checkpoint of its family. */
export interface GgufCheckpoint {
  readonly path: string
  /** Text of the equivalent config.json. */
  readonly config: string
  /** By Hugging Face's names. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: string }>
  /** Returns why a tensor cannot be read; undefined if it can. */
  refusal(name: string): { readonly message: string; readonly remedy: string } | undefined
  /** Reads a tensor as in the family, float32.
   *  @throws Failure InvalidInput if it is truncated, or contains NaN or infinity */
  read(name: string): Promise<Float32Array>
}

/** Returns the path of a model's GGUF file: the path itself, or the only one in a folder without config.json. Undefined if
 *  there is none.
 *  @throws Failure InvalidInput if a folder has several */
export function ggufOf(path: string): string | undefined {
  if (path.endsWith('.gguf'))
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? undefined : path
  if (existsSync(join(path, 'config.json')) || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
    return undefined
  const all = readdirSync(path).filter((name) => name.endsWith('.gguf'))
  // Files that often accompany a model: its image encoder, and statistics of its activations.
  const models = all.filter((name) => !/mmproj|imatrix/i.test(name))
  const files = firstParts(models.length > 0 ? models : all)
  if (files.length > 1)
    throw new Failure('InvalidInput', `${path} has several GGUF files: ${files.sort().join(', ')}`, {
      file: path,
      remedy: 'Give the path of one of them.',
    })
  return files[0] === undefined ? undefined : join(path, files[0])
}

/** Keeps only the first existing part of each split file. */
function firstParts(names: readonly string[]): string[] {
  const kept = new Map<string, string>()
  for (const name of [...names].sort()) {
    const whole = partName(name)?.all[0] ?? name
    if (!kept.has(whole)) kept.set(whole, name)
  }
  return [...kept.values()]
}

/** Opens a GGUF file as a model. Reads only its header, and the few numbers of `rope_freqs.weight`.
 *  @throws Failure InvalidInput naming file, key or tensor, and remedy */
export async function openGguf(path: string): Promise<GgufCheckpoint> {
  const file = openWhole(path)
  refuseOther(file)
  const divisors = file.tensors.has('rope_freqs.weight') ? await file.read('rope_freqs.weight') : undefined
  const description = describeGguf(file, divisors)
  const named = namedTensors(file, description)
  const entryOf = (name: string) => {
    const { from } = named.get(name)!
    return from === undefined ? undefined : file.tensors.get(from)!
  }
  return {
    path,
    config: `${JSON.stringify(description.fields, null, 2)}\n`,
    tensors: new Map([...named].map(([name, { shape }]) => [name, { shape, dtype: entryOf(name)?.type ?? 'F32' }])),
    refusal(name) {
      const entry = entryOf(name)
      if (!entry || entry.type) return undefined
      return { message: `(${entry.name} there) has the type ${typeName(entry)}`, remedy: supported }
    },
    async read(name) {
      const { from, made } = named.get(name)!
      return made(from === undefined ? new Float32Array(0) : await file.read(from))
    },
  }
}
