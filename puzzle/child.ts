import type { ArtifactRef, Environment } from '../api/index.js'
import {
  cacheWeights,
  SafetensorsFile,
  slotShapes,
  weightName,
  withHead,
  type HeadWeights,
  type Model,
} from '../model/index.js'

/** Returns a child as it is served: with the weights that it was trained to, if it was, and with its head. */
export const servedChild = async (
  assembled: Model,
  trained: ArtifactRef | undefined,
  head: HeadWeights | undefined,
  context: Pick<Environment, 'open'>,
): Promise<Model> => withHead(trained ? await readChild(assembled, await context.open(trained)) : assembled, head)

/** Returns the model with all weights of its slots from a file, by the names of `modelShapes`, read when needed, some
 *  of them kept in memory. Embedding, norm and head come from the model unless the file has them. */
export async function readChild(model: Model, path: string): Promise<Model> {
  const file = await SafetensorsFile.open(path)
  const end = (name: 'embedding' | 'norm' | 'head') => () => (file.tensors.has(name) ? file.read(name) : model[name]())
  return cacheWeights({
    ...model,
    embedding: end('embedding'),
    norm: end('norm'),
    head: end('head'),
    async weights(layer, slot) {
      const names = Object.entries(slotShapes(model.config, layer, slot, model.blocks))
      const weights = names.map(async ([name, shape]) => {
        return [name, { shape, data: await file.read(weightName(layer, slot, name)) }] as const
      })
      return Object.fromEntries(await Promise.all(weights))
    },
  })
}
