import { open } from 'node:fs/promises'
import type { ModelConfig } from './config.js'
import { SafetensorsFile } from './safetensors.js'

/** What follows from `tie_word_embeddings` and the stored tensors. */
export interface Ends {
  readonly tied: boolean
  /** Name of the tensor to read the embedding from. */
  readonly embedding: string
  /** A note for the user. */
  readonly warning?: string
}

/**
 * Decides which tensors are the embedding and the head, as transformers does: a stored head that differs from the embedding is
 * the head, whatever config.json says; if they are tied, either of them may be stored.
 * @param file  config.json, for messages
 */
export async function endsOf(
  { tied, vocabulary, hidden }: ModelConfig,
  names: { readonly embedding: string; readonly head: string },
  tensors: ReadonlyMap<string, unknown>,
  file: string,
): Promise<Ends> {
  const [embedding, head] = [tensors.get(names.embedding), tensors.get(names.head)]
  if (!tied || !(head instanceof SafetensorsFile)) return { tied, embedding: names.embedding }
  if (!(embedding instanceof SafetensorsFile)) return { tied, embedding: names.head }
  const shape = [vocabulary, hidden].join()
  // A tensor of another shape is refused later, with its name.
  const comparable = [embedding.tensors.get(names.embedding), head.tensors.get(names.head)].every(
    (entry) => entry?.shape.join() === shape,
  )
  if (comparable && (await isSame(embedding, names.embedding, head, names.head)))
    return { tied, embedding: names.embedding }
  return {
    tied: false,
    embedding: names.embedding,
    warning: `${file} says that the head is the embedding ("tie_word_embeddings"), but another head is stored (${names.head}): the stored one is used. Write "tie_word_embeddings": false there`,
  }
}

const chunk = 4 * 2 ** 20

/** Whether two tensors of one shape hold the same numbers. Reading stops at the first difference. */
async function isSame(a: SafetensorsFile, nameA: string, b: SafetensorsFile, nameB: string): Promise<boolean> {
  const [first, second] = [a.tensors.get(nameA)!, b.tensors.get(nameB)!]
  if (first.dtype !== second.dtype) {
    const [x, y] = [await a.read(nameA), await b.read(nameB)]
    return x.every((value, i) => value === y[i])
  }
  const files = [await open(a.path, 'r'), await open(b.path, 'r')] as const
  try {
    for (let at = 0; at < first.end - first.start; at += chunk) {
      const size = Math.min(chunk, first.end - first.start - at)
      const [x, y] = await Promise.all([
        files[0].read(Buffer.alloc(size), 0, size, first.start + at),
        files[1].read(Buffer.alloc(size), 0, size, second.start + at),
      ])
      if (!x.buffer.equals(y.buffer)) return false
    }
    return true
  } finally {
    for (const file of files) await file.close()
  }
}
