import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openModel, writeGguf, writeModel, type CheckpointType, type GgufType } from '../../model/index.js'
import type { ArtifactRef, SingleStage } from '../../api/index.js'
import type {
  DistillOutputs,
  ExportOutputs,
  ImproveOutputs,
  SelectOutputs,
  UptrainOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { servedChild } from '../../puzzle/child.js'
import { parameterCount } from '../../puzzle/costs.js'
import { chosenModel, readJson } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { openParent } from '../../puzzle/parent.js'

interface ExportParams {
  readonly dtype: CheckpointType
  /** Type of the matrices in the GGUF file. @default `dtype` */
  readonly ggufDtype?: GgufType
}

/** Bytes per number in a file. For q8_0, this includes a scale of two bytes for 32 numbers. */
const bytesOf: Readonly<Record<GgufType, number>> = { float32: 4, float16: 2, bfloat16: 2, q8_0: 34 / 32 }

/** Name of the child's GGUF file among the outputs of the stage. */
const ggufName = 'child.gguf'

/** Writes the child as a Hugging Face folder, with one artifact per file, and, if the target's format is GGUF, as a GGUF file. */
export const exportChild: SingleStage<
  ExportParams,
  {
    readonly distill: DistillOutputs
    readonly select: SelectOutputs
    readonly uptrain?: UptrainOutputs
    readonly improve?: ImproveOutputs
  },
  ExportOutputs,
  ModelInput & TargetInput
> = {
  name: 'export',
  version: 4,
  reads: ['model', 'target'],
  about: { summary: 'Writes the child as a Hugging Face folder and, if the target asks for it, as a GGUF file.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      dtype: {
        description: 'Number format of the stored weights.',
        enum: ['float16', 'bfloat16', 'float32'],
        default: 'float16',
      },
      ggufDtype: {
        description:
          'Number format of the matrices in the GGUF file, if `target.format` is gguf; q8_0: 8-bit integers with a scale per 32. Default: dtype.',
        enum: ['float16', 'bfloat16', 'float32', 'q8_0'],
      },
    },
  },

  /** Estimates disk space by assuming that the child has half of the parent's size. */
  async resources({ params: { dtype, ggufDtype = dtype }, ...context }) {
    const child = parameterCount(await openParent(context)) / 2
    const inGguf = context.spec.target.format === 'gguf'
    return { disk: child * (bytesOf[dtype] + (inGguf ? bytesOf[ggufDtype] : 0)), work: {} }
  },

  async run(context) {
    const { params, spec, stages, scratch, blocks } = context
    const parent = await openParent(context)
    const improved = stages.improve?.files
    const solution = await readJson(context, improved?.selected ?? stages.select.files.selected)
    const { child: assembled } = chosenModel(parent, await readLibrary(context), solution.choice, context)
    // Without uptraining, this is the child as selected.
    const trained = improved?.child ?? stages.uptrain?.files.child
    const child = await servedChild(assembled, trained, solution.head, context)
    const folder = join(scratch, 'child')
    // The evidence in the parent's model card is about the parent.
    await writeModel(child, folder, { dtype: params.dtype, sameEvidence: false })
    const inGguf = spec.target.format === 'gguf'
    const gguf = join(scratch, ggufName)
    // Written from the exported folder, so that both contain the same numbers.
    if (inGguf) await writeGguf(await openModel(folder, blocks), gguf, { dtype: params.ggufDtype ?? params.dtype })
    // `putFile` moves the files into the store.
    const files: Record<string, ArtifactRef> = {}
    for (const name of (await readdir(folder)).sort())
      files[name] = await context.putFile('checkpoint-file', join(folder, name))
    if (inGguf) files[ggufName] = await context.putFile('gguf', gguf)
    return { values: { files: Object.keys(files), dtype: params.dtype }, files }
  },
}
