import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors, type CheckpointType, type TensorSource } from './safetensors.js'

const bytesOfElement: Readonly<Record<CheckpointType, number>> = { float32: 4, float16: 2, bfloat16: 2 }

/**
 * Writes tensors in their order as `model.safetensors` or, if they have more than `shardBytes` bytes, as
 * `model-00001-of-00003.safetensors` and so on, with `model.safetensors.index.json`.
 */
export async function writeShards(
  folder: string,
  tensors: readonly TensorSource[],
  { dtype, shardBytes = 5e9 }: { readonly dtype: CheckpointType; readonly shardBytes?: number },
): Promise<void> {
  const size = ({ shape }: TensorSource) => shape.reduce((n, d) => n * d, bytesOfElement[dtype])
  const shards: TensorSource[][] = []
  let room = 0
  for (const tensor of tensors) {
    if (shards.length === 0 || size(tensor) > room) {
      shards.push([])
      room = shardBytes
    }
    shards.at(-1)!.push(tensor)
    room -= size(tensor)
  }
  if (shards.length <= 1) return writeSafetensors(join(folder, 'model.safetensors'), tensors, dtype)

  const number = (n: number) => String(n).padStart(5, '0')
  const weightMap: Record<string, string> = {}
  for (const [i, shard] of shards.entries()) {
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
    await writeSafetensors(join(folder, file), shard, dtype)
    for (const { name } of shard) weightMap[name] = file
  }
  const total = tensors.reduce((n, tensor) => n + size(tensor), 0)
  const index = { metadata: { total_size: total }, weight_map: weightMap }
  await writeFile(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`)
}
