import { slotShapes, weightName, type Model } from '../model/index.js'
import { readTensors } from '../tensor/index.js'

/** Returns the model with all weights of its slots from a file, by the names of `modelShapes`. Embedding, norm and head come
 *  from the model unless the file has them. */
export async function readChild(model: Model, path: string): Promise<Model> {
  const { tensors } = await readTensors(path)
  const data = (name: string) => tensors[name]?.data as Float32Array | undefined
  return {
    ...model,
    embedding: async () => data('embedding') ?? model.embedding(),
    norm: async () => data('norm') ?? model.norm(),
    head: async () => data('head') ?? model.head(),
    async weights(layer, slot) {
      const names = Object.entries(slotShapes(model.config, layer, slot, model.blocks))
      return Object.fromEntries(
        names.map(([name, shape]) => [name, { shape, data: data(weightName(layer, slot, name))! }]),
      )
    },
  }
}
