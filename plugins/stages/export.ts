import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeModel, type CheckpointType } from '../../model/index.js'
import type { ArtifactRef, SingleStage } from '../api/index.js'
import { readChild } from './child.js'
import { asTask, assemble, chosenEntries, readJson, readLibrary } from './library.js'
import { openParent } from './sequences.js'
import type { Solution } from './solving.js'

interface ExportParams {
  readonly dtype: CheckpointType
}

/** The child as a Hugging Face folder: one artifact a file. */
export const exportChild: SingleStage<ExportParams> = {
  name: 'export',
  version: 3,
  reads: ['model'],
  about: { summary: 'Writes the child as a Hugging Face folder.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      dtype: { description: 'How weights are stored.', enum: ['float16', 'bfloat16', 'float32'], default: 'float16' },
    },
  },

  async run(context) {
    const { params, stages, scratch } = context
    const parent = await openParent(context)
    const solution = await readJson<Solution>(context, stages.select!.files.selected!)
    const { fillings, inputs } = asTask(chosenEntries(await readLibrary(context), solution.choice))
    const assembled = assemble(parent, fillings, inputs, context)
    // Without uptraining the child as it was selected.
    const trained = stages.uptrain?.files.child
    const child = trained ? await readChild(assembled, await context.open(trained)) : assembled
    const folder = join(scratch, 'child')
    await writeModel(child, folder, { dtype: params.dtype })
    const files: Record<string, ArtifactRef> = {}
    for (const name of (await readdir(folder)).sort())
      files[name] = await context.putFile('checkpoint-file', join(folder, name))
    return { values: { files: Object.keys(files), dtype: params.dtype }, files }
  },
}
