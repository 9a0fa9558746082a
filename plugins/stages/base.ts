import { join } from 'node:path'
import { SafetensorsFile, slotShapes, weightName } from '../../model/index.js'
import { writeTensors } from '../../tensor/index.js'
import { tensorsOf } from '../../tensor/tensors-of.js'
import { Failure, type ArtifactRef, type JsonObject, type SingleStage } from '../../api/index.js'
import type { BaseOutputs, DistillOutputs, UptrainOutputs } from '../../puzzle/hand-over.js'
import type { ModelInput } from '../../puzzle/inputs.js'
import { assemble, asTask, chosenEntries, entryId, type LibraryEntry } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { openParent } from '../../puzzle/parent.js'
import { chosenSolution, type ChoosingStages } from '../../puzzle/chosen-solution.js'

interface BaseNeeds extends ChoosingStages {
  readonly distill: DistillOutputs
  readonly uptrain?: UptrainOutputs
}

/**
 * Makes the child of a round the base of the next one: the model whose blocks that one replaces. Its blocks become entries of a
 * library, which the next round's children share with it; embedding, last norm and head stay the parent's.
 */
export const base: SingleStage<JsonObject, BaseNeeds, BaseOutputs, ModelInput> = {
  name: 'base',
  version: 1,
  reads: ['model'],
  about: { summary: 'Makes the trained child of a round the model whose blocks the next round replaces.' },
  parameters: { type: 'object', additionalProperties: false, properties: {} },

  async run(context) {
    const { stages } = context
    const { choice } = await chosenSolution(context)
    const chosen = chosenEntries(await readLibrary(context), choice)
    const { fillings, inputs } = asTask(chosen)
    const { config, blocks } = assemble(await openParent(context), fillings, inputs, context)
    const trained = stages.uptrain && (await SafetensorsFile.open(await context.open(stages.uptrain.files.child)))
    const other = ['embedding', 'norm', 'head'].find((name) => trained?.tensors.has(name))
    if (other !== undefined)
      throw new Failure(
        'InvalidInput',
        `The child of this round has a ${other} of its own, which later rounds cannot keep`,
        {
          remedy: 'Set `freezeNorm: true` for the stage that trains it.',
        },
      )
    const files: Record<string, ArtifactRef> = {}
    const entries: LibraryEntry[] = []
    for (const entry of chosen) {
      const { layer, slot, variant } = entry
      // It was trained beside the others: that is how the next round uses it.
      const id = entryId(layer, slot, variant, 'parent')
      const shapes = Object.entries(slotShapes(config, layer, slot, blocks))
      let { weights } = entry
      if (trained && shapes.length > 0) {
        const path = join(context.scratch, 'weights')
        const own = shapes.map(async ([name, shape]) => {
          return [name, { shape, data: await trained.read(weightName(layer, slot, name)) }] as const
        })
        await writeTensors(path, tensorsOf(Object.fromEntries(await Promise.all(own))))
        weights = await context.putFile('weights', path)
      }
      if (weights) files[id] = weights
      entries.push({ ...entry, id, beside: 'parent', weights })
    }
    const layers = config.blocks.map((_, layer) => ({
      attention: entries[2 * layer]!.variant,
      ffn: entries[2 * layer + 1]!.variant,
    }))
    return {
      values: { layers },
      files: { ...files, base: await context.put('library', entries), library: stages.distill.files.library },
    }
  },
}
