import type { Model } from './model.js'
import { configText } from './folder.js'
import { writeGgufFolder, type GgufType } from './gguf/write.js'
import { writeOnnx } from './onnx/write.js'
import type { CheckpointType } from './safetensors.js'
import { writeModel } from './save.js'

/** A type of numbers that at least one export format supports. */
export type ExportType = CheckpointType | GgufType

/** Options of `ExportFormat.write`. */
export interface ExportOptions {
  /** Whether to leave the tokenizer out of a GGUF file, for a tokenizer that GGUF cannot represent. @default false */
  readonly tokenIds?: boolean
}

/** A format for other tools. */
export interface ExportFormat {
  /** Description for people, shown by `puzzleflow export --help`. */
  readonly summary: string
  /** Types of numbers that the format supports. */
  readonly dtypes: readonly ExportType[]
  /** Writes a model into a folder that does not exist or is empty.
   *  @throws Failure InvalidInput for a model that the format cannot represent */
  readonly write: (model: Model, folder: string, dtype: ExportType, options?: ExportOptions) => Promise<unknown>
}

/** Export formats by name. */
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

/** Returns the type of numbers that a model's config.json states; undefined if it states none. */
export async function storedType({ folder }: Model): Promise<ExportType | undefined> {
  const fields = JSON.parse(await configText(folder)) as Record<string, unknown>
  const said = fields.dtype ?? fields.torch_dtype
  return exportFormats.hf!.dtypes.find((dtype) => dtype === said)
}
