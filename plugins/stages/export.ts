import { existsSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { allWeights, modelShapes, saveCheckpoint, type Model } from '../../model/index.js'
import type { ArtifactRef, SingleStage } from '../api/index.js'
import { readChild } from './child.js'
import { asTask, assemble, chosenEntries, readJson, readLibrary } from './library.js'
import { openParent } from './sequences.js'
import type { Solution } from './solving.js'

interface ExportParams {
  readonly dtype: 'float16' | 'float32'
}

/** The child as a Hugging Face folder: one artifact a file. */
export const exportChild: SingleStage<ExportParams> = {
  name: 'export',
  version: 1,
  reads: ['model'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: { dtype: { enum: ['float16', 'float32'], default: 'float16' } },
  },

  async run(context) {
    const { params, stages, spec, scratch } = context
    const folder = spec.model as string
    const parent = await openParent(context)
    const solution = await readJson<Solution>(context, stages.select!.files.selected!)
    const { fillings, inputs } = asTask(chosenEntries(await readLibrary(context), solution.choice))
    const assembled = assemble(parent, fillings, inputs, context)
    const child = stages.uptrain
      ? await readChild(assembled, await context.open(stages.uptrain.files.child!))
      : assembled
    const names = ['config.json', 'model.safetensors']
    await writeFile(
      join(scratch, 'config.json'),
      childConfig(await readFile(join(folder, 'config.json'), 'utf8'), child, params.dtype),
    )
    const shapes = modelShapes(child.config, child.blocks)
    await saveCheckpoint(
      join(scratch, 'model.safetensors'),
      child.config,
      child.blocks,
      await allWeights(child),
      shapes,
      params.dtype,
    )
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'generation_config.json'])
      if (existsSync(join(folder, name))) {
        await copyFile(join(folder, name), join(scratch, name))
        names.push(name)
      }
    const files: Record<string, ArtifactRef> = {}
    for (const name of names) files[name] = await context.putFile('checkpoint-file', join(scratch, name))
    return { values: { files: names, dtype: params.dtype }, files }
  },
}

/** The parent's config.json with the blocks of every layer, where they are not the parent's everywhere. */
function childConfig(text: string, { config }: Model, dtype: string): string {
  const fields = JSON.parse(text) as Record<string, unknown>
  for (const name of ['torch_dtype', 'dtype']) if (name in fields) fields[name] = dtype
  const own = config.blocks.map(({ attention, ffn }) => ({
    attention: { block: attention.block, ...attention.params },
    ffn: { block: ffn.block, ...ffn.params },
  }))
  return `${JSON.stringify({ ...fields, puzzleflow: { layers: own } }, null, 2)}\n`
}
