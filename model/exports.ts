import type { Model } from './model.js'
import { configText } from './folder.js'
import { writeGgufFolder, type GgufType } from './gguf/write.js'
import { writeOnnx } from './onnx/write.js'
import type { CheckpointType } from './safetensors.js'
import { writeModel } from './save.js'

/** How numbers can be stored in some format. */
export type ExportType = CheckpointType | GgufType

export interface ExportOptions {
  /** Token ids only, for a model whose tokenizer the format cannot say. Folders with the tokenizer's own files have no
   *  need of it. */
  readonly tokenIds?: boolean
}

/** A format that other tools read. */
export interface ExportFormat {
  readonly summary: string
  /** How numbers can be stored there. */
  readonly dtypes: readonly ExportType[]
  /** Writes a folder, which must not exist or be empty. */
  readonly write: (model: Model, folder: string, dtype: ExportType, options?: ExportOptions) => Promise<unknown>
}

/** Formats that a model can be written in, by name. */
export const exportFormats: Readonly<Record<string, ExportFormat>> = {
  hf: {
    summary: 'a Hugging Face folder: config.json, safetensors, tokenizer',
    dtypes: ['float32', 'float16', 'bfloat16'],
    write: (model, folder, dtype) => writeModel(model, folder, { dtype: dtype as CheckpointType }),
  },
  onnx: {
    summary: 'one ONNX graph with its cache as inputs and outputs',
    dtypes: ['float32', 'float16'],
    write: (model, folder, dtype) => writeOnnx(model, folder, { dtype: dtype as 'float32' | 'float16' }),
  },
  gguf: {
    summary: 'one GGUF file for llama.cpp and what is built on it',
    dtypes: ['float32', 'float16', 'bfloat16', 'q8_0'],
    write: (model, folder, dtype, { tokenIds } = {}) =>
      writeGgufFolder(model, folder, { dtype, ...(tokenIds === true && { tokenizer: 'ids' }) }),
  },
}

/** What the model's own config.json says that its numbers are stored as; undefined where it does not. */
export async function storedType({ folder }: Model): Promise<ExportType | undefined> {
  const fields = JSON.parse(await configText(folder)) as Record<string, unknown>
  const said = fields.dtype ?? fields.torch_dtype
  return exportFormats.hf!.dtypes.find((dtype) => dtype === said)
}
