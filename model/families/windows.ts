import type { ConfigFields } from '../../api/index.js'
import { shown } from '../../errors/foreign.js'

const kinds = ['full_attention', 'sliding_attention']

/** Returns a layer's type from `layer_types`, or `usual` if the field is missing.
 *  @throws Failure InvalidInput for an unknown type */
export function layerType(f: ConfigFields, layer: number, usual: string): string {
  const kind = f.perLayer('layer_types')?.[layer] ?? usual
  if (typeof kind === 'string' && kinds.includes(kind)) return kind
  throw f.refuse(`layer ${layer} has the type ${shown(kind)} in "layer_types"`, `Supported: ${kinds.join(', ')}.`)
}

/** Returns the window of a layer of Qwen: those from `max_window_layers` on have one if `use_sliding_window` is true. */
export function upperWindow(f: ConfigFields, layer: number): number | undefined {
  if (!f.flag('use_sliding_window')) return undefined
  const usual = layer >= f.count('max_window_layers') ? 'sliding_attention' : 'full_attention'
  return layerType(f, layer, usual) === 'sliding_attention' ? f.realOrNone('sliding_window') : undefined
}
