import type { Slot } from '../../api/index.js'

/** Where a part's weights come from. */
export interface Place {
  readonly layer: number
  readonly slot: Slot
}

/** What a sub-block is in the words of GGUF's architectures; a sub-block that is nothing has none. */
export type Part = Place &
  (
    | {
        readonly kind: 'softmax'
        readonly heads: number
        readonly kvHeads: number
        /** Tokens that a token sees, itself included; absent where that is all. */
        readonly window?: number
      }
    | { readonly kind: 'linear'; readonly bias: boolean }
    | { readonly kind: 'ffn'; readonly width: number }
  )

/** A layer of llama.cpp's architecture `deci`. */
export interface PackedLayer {
  /** `none`: no attention; `zero`: attention that returns zeros, where the graph needs some. */
  readonly attention: Extract<Part, { kind: 'softmax' | 'linear' }> | 'none' | 'zero'
  /** `zero`: an FFN of one channel that returns its bias, that of the linear part before it, or zeros. */
  readonly ffn: Extract<Part, { kind: 'ffn' }> | 'zero'
}

/**
 * Lays sub-blocks in the order of a forward pass into layers that the graph of `deci` computes as they are: it has matrices
 * in the place of attention only, skips the attention of layers without an FFN, and reads the head's size off layer 0.
 */
export function pack(parts: readonly Part[]): PackedLayer[] {
  const layers: PackedLayer[] = []
  let open: Exclude<PackedLayer['attention'], string> | undefined
  const close = (ffn: PackedLayer['ffn']) => {
    layers.push({ attention: open ?? (layers.length === 0 ? 'zero' : 'none'), ffn })
    open = undefined
  }
  for (const part of parts) {
    if (part.kind === 'ffn') {
      // The bias of a matrix has its place in an FFN of zeros.
      if (open?.kind === 'linear' && open.bias) close('zero')
      close(part)
      continue
    }
    if (open) close('zero')
    // Layer 0 must have softmax attention.
    if (part.kind === 'linear' && layers.length === 0) close('zero')
    open = part
  }
  if (open || layers.length === 0) close('zero')
  return layers
}
