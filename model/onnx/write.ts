import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quantise, quantiseRows, toFloat16, type TypedArray } from '../../tensor/index.js'
import { elementType, type NodeRecord } from '../../tensor/onnx.js'
import { modelShapes } from '../build.js'
import type { Model } from '../model.js'
import { quantisedEnd } from '../quantised-head.js'
import { configText, copyCompanions } from '../folder.js'
import { checkpointConfig } from '../save.js'
import { wholeFolder } from '../whole-folder.js'
import { checkStates } from './check.js'
import { assemble, type Assembled } from './assemble.js'
import { dataFile, graphFile, writeFiles, type LateTensor } from './file.js'
import { describeStates, type OnnxDescription } from './interface.js'
import { quantisedNames, refusal } from './trace.js'
import { weightReader } from './weights.js'

/** Options of `writeOnnx`. */
export interface OnnxOptions {
  /** Type in which floats are stored; computation is in float32. @default 'float32' */
  readonly dtype?: 'float32' | 'float16'
  /** How quantised matrices are written: `keep` writes integers for onnxruntime's operator MatMulNBits, `floats` writes floats,
   *  which every runtime supports. @default 'keep' */
  readonly integers?: 'keep' | 'floats'
  /** Size of the weights in bytes up to which they are inside model.onnx; larger ones are in model.onnx.data. At most 2e9,
   *  protobuf's limit. @default 1.5e9 */
  readonly largestInline?: number
}

/** Largest size of the weights, in bytes, for which the graph still fits into the same protobuf message. */
const inlineLimit = 2e9

/**
 * Writes a model as one ONNX graph that decodes with its state as input and output, for any batch and length: `model.onnx`
 * (opset 21), config.json with a description of the inputs under `puzzleflow.onnx`, and the tokenizer's files. Memory holds
 * one layer's weights at a time.
 *
 * @param folder  must not exist, or be empty; it appears complete or not at all
 * @returns sizes of the graph's files in bytes, by name
 * @throws Failure InvalidInput for a model that cannot be one graph for every batch and length, or an existing folder
 */
export async function writeOnnx(
  model: Model,
  folder: string,
  options: OnnxOptions = {},
): Promise<Readonly<Record<string, number>>> {
  const { dtype = 'float32', integers = 'keep', largestInline = 1.5e9 } = options
  if (!(largestInline >= 0 && largestInline <= inlineLimit))
    throw refusal(model.folder, `largestInline is ${largestInline}`, `Use 0 to ${inlineLimit} bytes.`)
  const assembled = assemble(model, integers === 'keep')
  await checkStates(model)
  return wholeFolder(folder, async (temporary) => {
    const { tensors, casts } = weightTensors(model, assembled, dtype)
    const graph = { ...assembled.graph, nodes: [...casts, ...assembled.graph.nodes] }
    const contrib = [...new Set(graph.nodes.flatMap(({ op, domain }) => (domain === '' ? [] : [`${domain}.${op}`])))]
    const domains = [...new Set(graph.nodes.map(({ domain }) => domain).filter((domain) => domain !== ''))]
    const files = await writeFiles(temporary, graph, domains, tensors, largestInline)
    const description: OnnxDescription = {
      file: graphFile,
      ...(dataFile in files && { data: dataFile }),
      dtype,
      opset: 21,
      contribOperators: contrib,
      leftPadding: assembled.blindToPadding.length === 0,
      ...(assembled.blindToPadding.length > 0 && { layersBlindToPadding: assembled.blindToPadding }),
      states: describeStates(assembled.states),
    }
    await writeFile(join(temporary, 'config.json'), await configWith(model, dtype, description))
    await copyCompanions(model.folder, temporary)
    return files
  })
}

async function configWith(model: Model, dtype: 'float32' | 'float16', onnx: OnnxDescription): Promise<string> {
  const text = await configText(model.folder)
  const config = JSON.parse(checkpointConfig(text, model, dtype)) as { readonly puzzleflow?: object }
  return `${JSON.stringify({ ...config, puzzleflow: { ...config.puzzleflow, onnx } }, null, 2)}\n`
}

/** The weights in the order of the layers. Adds nodes that convert weights stored as float16 to float32. */
function weightTensors(
  model: Model,
  { floats, parts }: Assembled,
  dtype: 'float32' | 'float16',
): { readonly tensors: LateTensor[]; readonly casts: NodeRecord[] } {
  const read = weightReader(model)
  const bits = quantisedNames(model)
  const casts: NodeRecord[] = []
  const tensors = Object.entries(modelShapes(model.config, model.blocks)).flatMap(([name, shape]): LateTensor[] => {
    const integers = parts.filter(({ part }) => part.weight === name)
    if (integers.length > 0) {
      const pack = name === quantisedEnd(model.config)?.name ? quantiseRows : quantise
      const packed = async () => pack(await read(name), shape, bits.get(name)!)
      return integers.map(({ tensor, part }) => ({
        name: tensor.name,
        dtype: tensor.dtype,
        shape: tensor.shape.map(Number),
        data: async () => (await packed())[part.part],
      }))
    }
    if (!floats.has(name)) return []
    // Vectors stay float32: they are small, and norms are sensitive to rounding.
    if (dtype === 'float32' || shape.length < 2) return [{ name, dtype: 'float32', shape, data: () => read(name) }]
    const stored = `${name}.float16`
    const attributes = { to: elementType.float32 }
    casts.push({ op: 'Cast', domain: '', inputs: [stored], outputs: [name], attributes })
    const data = async (): Promise<TypedArray> => toFloat16(await read(name))
    return [{ name: stored, dtype, shape, data }]
  })
  return { tensors, casts }
}
