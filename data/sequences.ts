import type { ArtifactRef, Environment } from '../api/index.js'
import { readTensors, writeTensors } from '../tensor/index.js'

/** Token sequences of equal length. */
export interface Sequences {
  readonly count: number
  readonly length: number
  /** [count * length] */
  readonly ids: Int32Array
  /** 1 for tokens, 0 for padding, [count * length] */
  readonly mask: Float32Array
}

/** Sequences of these tokens, padded to one length; where there are fewer than `count`, the rest is padding. */
export function padded(rows: readonly (readonly number[])[], count: number, length: number): Sequences {
  const [ids, mask] = [new Int32Array(count * length), new Float32Array(count * length)]
  for (const [row, own] of rows.entries()) {
    ids.set(own, row * length)
    mask.fill(1, row * length, row * length + own.length)
  }
  return { count, length, ids, mask }
}

/** Reads the first sequences of an artifact of `prepare`. */
export async function readSequences(
  context: Pick<Environment, 'open'>,
  ref: ArtifactRef,
  count = Infinity,
): Promise<Sequences> {
  const { tensors } = await readTensors(await context.open(ref))
  const [rows, length] = tensors.input_ids!.dims as [number, number]
  const n = Math.min(count, rows)
  return {
    count: n,
    length,
    ids: (tensors.input_ids!.data as Int32Array).subarray(0, n * length),
    mask: (tensors.mask!.data as Float32Array).subarray(0, n * length),
  }
}

/** Number of tokens, without padding. */
export const tokensOf = ({ mask }: Pick<Sequences, 'mask'>): number => mask.reduce((n, own) => n + own, 0)

/** Number of steps for about this many tokens, without padding, if sequences have the mean length. */
export const stepsFor = (tokens: number, batch: number, sequences: number, tokensOfAll: number): number =>
  Math.max(1, Math.round((tokens * sequences) / (batch * tokensOfAll)))

/** Divides sequences into chunks of exactly `batch`, beginning at `first`. The last chunk overlaps the one before: its first
 *  `again` sequences are in both. */
export const chunksOf = (count: number, batch: number): { readonly first: number; readonly again: number }[] =>
  Array.from({ length: Math.ceil(count / batch) }, (_, i) => {
    const first = Math.min(i * batch, count - batch)
    return { first, again: i * batch - first }
  })

/** Stores token sequences as an artifact. */
export async function putSequences(
  context: Pick<Environment, 'putFile'>,
  path: string,
  { count, length, ids, mask }: Sequences,
): Promise<ArtifactRef> {
  const dims = [count, length]
  await writeTensors(path, {
    input_ids: { dtype: 'int32', dims, data: ids },
    mask: { dtype: 'float32', dims, data: mask },
  })
  return context.putFile('tokens', path)
}
