import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure } from '../api/index.js'
import { refuseStandIn, unfinishedOf } from '../files/stand-in.js'
import { SafetensorsFile } from './safetensors.js'
import { shown } from '../errors/foreign.js'
import { isFileName } from '../errors/inner-path.js'

const usual =
  'The model must be a folder with config.json and model.safetensors, or shards with model.safetensors.index.json.'

export const weightsFile = 'model.safetensors'
export const indexFile = 'model.safetensors.index.json'

/** Largest index that is read: half a million tensors. */
const mostIndexBytes = 2 ** 26

/** Opens the files with a folder's weights. @throws Failure InvalidInput */
export const openWeightFiles = (folder: string): Promise<SafetensorsFile[]> =>
  Promise.all(shardNames(folder).map((name) => SafetensorsFile.open(join(folder, name))))

/** Names of the files with a folder's weights: model.safetensors, or the shards that its index names.
 *  @throws Failure InvalidInput */
export function shardNames(folder: string): readonly string[] {
  const single = join(folder, weightsFile)
  if (existsSync(single)) return [weightsFile]
  const index = join(folder, indexFile)
  if (existsSync(index)) return shardsOf(folder, index)
  const unfinished = unfinishedOf(single) ?? unfinishedOf(index)
  if (unfinished !== undefined)
    throw new Failure('InvalidInput', `${folder} has no model.safetensors: ${unfinished}`, {
      file: folder,
      remedy: 'Finish the download, or start it again.',
    })
  throw instead(folder, weights) ?? bad(folder, 'has neither model.safetensors nor model.safetensors.index.json')
}

const bad = (file: string, message: string, remedy = usual) =>
  new Failure('InvalidInput', `${file} ${message}`, { file, remedy })

/** Names of the shards that an index names, all of which must exist. */
function shardsOf(folder: string, index: string): readonly string[] {
  refuseStandIn(index, mostIndexBytes)
  let map: Record<string, unknown>
  try {
    map = (JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, unknown> }).weight_map
  } catch {
    throw bad(index, 'is not JSON')
  }
  if (typeof map !== 'object' || map === null) throw bad(index, 'has no weight_map')
  const names = [...new Set(Object.values(map))]
  for (const name of names)
    if (!isFileName(name) || name.startsWith('.'))
      throw bad(index, `names the file ${shown(name)}, which is not in the folder`)
  const shards = names as string[]
  const missing = shards.filter((name) => !existsSync(join(folder, name)))
  if (missing.length === 0) return shards
  const unfinished = missing.map((name) => unfinishedOf(join(folder, name))).find((own) => own !== undefined)
  throw bad(
    folder,
    `lacks ${missing.length} of ${shards.length} shards that ${basename(index)} names: ${someOf(missing)}${unfinished === undefined ? '' : `; ${unfinished}`}`,
    'Fetch the missing files from the source of the others.',
  )
}

/** Names for a message: a few of many, and none longer than a line. */
const someOf = (names: readonly string[]): string =>
  names.slice(0, mostNames).map(inLine).join(', ') + (names.length > mostNames ? ', …' : '')
const mostNames = 20
const inLine = (name: string): string => (name.length > 100 ? shown(name) : name)

/** A kind of folder that can be recognised by its files. */
interface Kind {
  readonly shows: RegExp
  readonly what: string
  readonly remedy: string
}

/** Contents of folders that are not checkpoints. */
const kinds: readonly Kind[] = [
  {
    shows: /^adapter_(config\.json|model\.(safetensors|bin))$/,
    what: 'is an adapter (LoRA), not a whole model',
    remedy:
      "Merge it into its base model first, with peft: `AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().save_pretrained('merged')`.",
  },
  {
    shows: /^pytorch_model.*\.bin$|\.(pt|pth|ckpt)$/,
    what: 'holds weights as Python pickles, which can run code and are never read',
    remedy:
      "Take the safetensors of this model, or convert it where you trust it: `AutoModelForCausalLM.from_pretrained(folder).save_pretrained('converted')` in transformers.",
  },
  {
    shows: /^consolidated.*\.safetensors$|^params\.json$/,
    what: "has the layout of the model's makers, not that of Hugging Face",
    remedy: 'Use the version of the model that has config.json and model.safetensors.',
  },
  {
    shows: /^(flax_model.*\.msgpack|tf_model.*\.h5)$/,
    what: 'holds weights for JAX or TensorFlow',
    remedy: 'Take the safetensors of this model.',
  },
]

/** Contents of folders that have a config.json, but no weights that can be read. */
const weights: readonly Kind[] = [
  ...kinds,
  {
    shows: /\.gguf$/,
    what: 'holds a GGUF file and no safetensors',
    remedy: 'Give the path of the GGUF file itself as the model.',
  },
  {
    shows: /-\d{5}-of-\d{5}\.safetensors$/,
    what: 'holds shards without model.safetensors.index.json, which lists their tensors',
    remedy: 'Fetch model.safetensors.index.json from the source of the shards.',
  },
  {
    shows: /\.safetensors$/,
    what: 'holds safetensors under another name than model.safetensors',
    remedy: 'Rename the file to model.safetensors if it has all the weights of the model.',
  },
]

/** Returns why a folder without config.json or weights is not a checkpoint, if its files show it. */
export function instead(folder: string, among = kinds): Failure | undefined {
  let names: string[]
  try {
    names = readdirSync(folder).sort()
  } catch {
    return undefined
  }
  for (const { shows, what, remedy } of among) {
    const found = names.find((name) => shows.test(name))
    if (found !== undefined) return bad(folder, `${what} (${found})`, remedy)
  }
  // The cache of Hugging Face has one folder for each version.
  const snapshots = join(folder, 'snapshots')
  const version =
    existsSync(snapshots) && readdirSync(snapshots).find((name) => existsSync(join(snapshots, name, 'config.json')))
  return version
    ? bad(folder, "is a folder of Hugging Face's cache", `Give the snapshot inside it: ${join(snapshots, version)}.`)
    : undefined
}
