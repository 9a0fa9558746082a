import { Failure, slots, type Blocks, type Weight } from '../api/index.js'
import { elements } from '../tensor/index.js'
import type { Model } from './model.js'
import { parseConfig } from './hf/read-config.js'
import type { ModelConfig } from './config.js'
import { Disagreements, refuseQuantised, type Disagreement } from './disagreement.js'
import { parseFields } from './families/fields.js'
import { familiesOf } from './families/index.js'
import { configText } from './folder.js'
import { ggufOf, openGguf } from './gguf/read.js'
import { generationEnds } from './generation-config.js'
import { modelFile } from './model-files.js'
import { quantisationOf, rounded } from './quantisation.js'
import { withHead } from './quantised-head.js'
import { endsOf } from './tied-head.js'
import { openWeightFiles } from './weight-files.js'
import { besideOthers, endTensors, slotTensors, transposed } from './names.js'

/** A file with tensors of a checkpoint, named as in the family. */
export interface TensorFile {
  readonly path: string
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>
  /** Returns why a tensor cannot be read; undefined if it can. */
  refusal(name: string): { readonly message: string; readonly remedy: string } | undefined
  /** Reads a tensor as float32. @throws Failure InvalidInput if it is truncated, or contains NaN or infinity */
  read(name: string): Promise<Float32Array>
}

/**
 * Opens a Hugging Face checkpoint of a supported family, a child that puzzleflow wrote, or a GGUF file. Checks the names,
 * types and shapes of all tensors, but reads no weights (except a stored head that should be tied to the embedding).
 *
 * @param folder  a folder with config.json, a GGUF file, or a folder with one GGUF file and no config.json
 * @throws Failure InvalidInput naming file, tensor and remedy
 */
export async function openModel(folder: string, blocks: Blocks): Promise<Model> {
  const gguf = ggufOf(folder)
  const checkpoint = gguf === undefined ? undefined : await openGguf(gguf)
  const configFile = gguf ?? modelFile(folder, 'config.json')
  const text = checkpoint?.config ?? (await configText(folder))
  const eos = await generationEnds(folder)
  const families = familiesOf(blocks)
  const said = { ...parseConfig(text, configFile, families), ...(eos && { eos }) }
  const fileOf = locate(checkpoint ? [checkpoint] : await openWeightFiles(folder))
  const names = endTensors(said, blocks)
  const ends = await endsOf(said, names, fileOf, configFile)
  const config = { ...said, tied: ends.tied }
  const expected = expectedTensors(config, blocks, configFile)
  if (ends.embedding !== names.embedding) {
    expected.set(ends.embedding, expected.get(names.embedding)!)
    expected.delete(names.embedding)
  }
  const stored = olderNames(fileOf, expected)
  if (!checkpoint) refuseQuantised(folder, fileOf.keys())
  const expectedWith = (field: string, value: boolean) => {
    const other = JSON.stringify({ ...parseFields(text, configFile), [field]: value })
    return expectedTensors(parseConfig(other, configFile, families), blocks, configFile)
  }
  const words = new Disagreements(config, blocks, fileOf.keys(), checkpoint ? undefined : expectedWith)
  const bad = (file: string, tensor: string, { message, remedy }: Disagreement) =>
    new Failure('InvalidInput', `${file}: tensor ${tensor} ${message}`, { file, remedy })

  for (const [name, shape] of expected) {
    const file = fileOf.get(name)
    if (!file) throw bad(folder, name, words.missing(name))
    const entry = file.tensors.get(stored.get(name) ?? name)!
    if (entry.shape.join() !== shape.join()) throw bad(file.path, name, words.shape(name, entry.shape, shape))
    const refusal = file.refusal(stored.get(name) ?? name)
    if (refusal) throw bad(file.path, name, refusal)
  }
  for (const [name, file] of fileOf)
    if (!expected.has(name) && !name.endsWith('rotary_emb.inv_freq') && !(config.tied && name === names.head))
      throw bad(file.path, name, words.unexpected(name))

  const read = (name: string) => fileOf.get(name)!.read(stored.get(name) ?? name)
  const embedding = shared(() => read(ends.embedding))
  const model: Model = {
    folder,
    config,
    blocks,
    ...(ends.warning !== undefined && { warnings: [ends.warning] }),
    embedding,
    norm: () => read(names.norm),
    head: config.tied ? embedding : shared(() => read(names.head)),
    async weights(layer, slot) {
      const tensors = slotTensors(config, blocks, layer, slot).map(async ({ name, transpose, parts }) => {
        const all = await read(name)
        return parts.map(({ weight, shape, start }): [string, Weight] => {
          const data = parts.length === 1 ? all : all.slice(start, start + elements(shape))
          return [weight, { shape, data: transpose ? transposed(data, shape[1]!, shape[0]!) : data }]
        })
      })
      const weights = Object.fromEntries((await Promise.all(tensors)).flat())
      // Quantised weights were written dequantised, in the checkpoint's precision.
      return rounded(weights, quantisationOf({ config, blocks }, layer, slot))
    },
  }
  return withHead(model, config.headWeights)
}

/** Shares one copy of a matrix among all its users. The copy is released when nobody uses it. */
function shared(read: () => Promise<Float32Array>): () => Promise<Float32Array> {
  let reading: Promise<Float32Array> | undefined
  let known: WeakRef<Float32Array> | undefined
  return () => {
    const data = known?.deref()
    if (data) return Promise.resolve(data)
    reading ??= read()
      .then((values) => {
        known = new WeakRef(values)
        return values
      })
      .finally(() => (reading = undefined))
    return reading
  }
}

/** Maps tensors to their files. */
function locate(files: readonly TensorFile[]): Map<string, TensorFile> {
  const fileOf = new Map<string, TensorFile>()
  for (const file of files)
    for (const name of file.tensors.keys()) {
      const other = fileOf.get(name)
      if (other)
        throw new Failure('InvalidInput', `tensor ${name} is both in ${other.path} and in ${file.path}`, {
          file: file.path,
          remedy: 'Copy all shards of one checkpoint.',
        })
      fileOf.set(name, file)
    }
  return fileOf
}

/** Finds tensors that have the names of older versions of puzzleflow, and gives them their current names in `fileOf`.
 *  @returns the older names by the current ones */
function olderNames(fileOf: Map<string, TensorFile>, expected: ReadonlyMap<string, unknown>): Map<string, string> {
  const names = new Map<string, string>()
  for (const name of expected.keys()) {
    const older = name.endsWith(besideOthers) ? name.slice(0, -besideOthers.length) : name
    const file = fileOf.get(older)
    if (fileOf.has(name) || !file || expected.has(older)) continue
    names.set(name, older)
    fileOf.set(name, file)
    fileOf.delete(older)
  }
  return names
}

/** Shapes that a checkpoint's tensors must have, by their names there. */
function expectedTensors(config: ModelConfig, blocks: Blocks, file: string): Map<string, readonly number[]> {
  const { vocabulary, hidden } = config
  const ends = endTensors(config, blocks)
  const expected = new Map<string, readonly number[]>([
    [ends.embedding, [vocabulary, hidden]],
    [ends.norm, [hidden]],
  ])
  if (!config.tied) expected.set(ends.head, [vocabulary, hidden])
  for (let layer = 0; layer < config.layers; layer++)
    for (const slot of slots)
      for (const { name, shape, parts } of slotTensors(config, blocks, layer, slot)) {
        const wrong = parts.find(({ shape }) => !shape.every((d) => Number.isSafeInteger(d) && d > 0))
        if (wrong)
          throw new Failure(
            'InvalidInput',
            `${file}: layer ${layer}, ${slot}: ${wrong.weight} has the shape [${wrong.shape.join(', ')}]`,
            {
              file,
              remedy: 'Correct the parameters of the block in "puzzleflow.layers".',
            },
          )
        expected.set(name, shape)
      }
  return expected
}
