import type { ConfigFields } from '../../api/index.js'

const kinds = ['full_attention', 'sliding_attention']

/** What `layer_types` calls a layer, or what the family takes where the field is missing. @throws Failure */
export function layerType(f: ConfigFields, layer: number, usual: string): string {
  const kind = f.perLayer('layer_types')?.[layer] ?? usual
  if (typeof kind === 'string' && kinds.includes(kind)) return kind
  throw f.refuse(
    `layer ${layer} has the type ${JSON.stringify(kind)} in "layer_types"`,
    `Supported: ${kinds.join(', ')}.`,
  )
}

/** Qwen's windows: on the layers from `max_window_layers` on, if `use_sliding_window` says so. */
export function upperWindow(f: ConfigFields, layer: number): number | undefined {
  if (!f.flag('use_sliding_window')) return undefined
  const usual = layer >= f.count('max_window_layers') ? 'sliding_attention' : 'full_attention'
  return layerType(f, layer, usual) === 'sliding_attention' ? f.realOrNone('sliding_window') : undefined
}
