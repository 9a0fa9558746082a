import type { Slot } from '../../api/index.js'

/** The layer and slot that a part's weights come from. */
export interface Place {
  readonly layer: number
  readonly slot: Slot
}

/** A sub-block in the terms of GGUF's architectures. Empty sub-blocks have no part. */
export type Part = Place &
  (
    | {
        readonly kind: 'softmax'
        readonly heads: number
        readonly kvHeads: number
        /** Number of tokens that a token sees, including itself; absent if it sees all earlier ones. */
        readonly window?: number
      }
    | { readonly kind: 'linear'; readonly bias: boolean }
    | { readonly kind: 'ffn'; readonly width: number }
  )

/** A layer of llama.cpp's architecture `deci`. */
export interface PackedLayer {
  /** `none`: no attention; `zero`: attention that returns zeros, for a graph that requires attention here. */
  readonly attention: Extract<Part, { kind: 'softmax' | 'linear' }> | 'none' | 'zero'
  /** `zero`: an FFN with one channel that returns only its bias: the bias of the linear part before it, or zeros. */
  readonly ffn: Extract<Part, { kind: 'ffn' }> | 'zero'
}

/**
 * Packs sub-blocks, in the order of a forward pass, into layers that the graph of `deci` computes exactly. In that graph, a
 * matrix can only replace attention, layers without an FFN lose their attention, and layer 0 determines the head size.
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
      // The bias of a matrix goes into an FFN of zeros.
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
