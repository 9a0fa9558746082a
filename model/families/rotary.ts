import type { Family, JsonObject, RotaryConfig } from '../../api/index.js'
import type { Fields } from './fields.js'
import { entryOf, shown } from '../../errors/foreign.js'
import { isObject } from '../../api/json-object.js'

type Scaling = RotaryConfig['scaling']

/** How each kind of scaling is spelled. */
const kinds: Readonly<Record<string, (f: Fields, from: JsonObject) => Scaling>> = {
  default: () => undefined,
  linear: (f, from) => ({ kind: 'linear', factor: f.positive('factor', from.factor) }),
  dynamic: (f, from) => ({
    kind: 'dynamic',
    factor: f.positive('factor', from.factor),
    originalPositions: f.count('max_position_embeddings'),
  }),
  llama3: (f, from) => ({
    kind: 'llama3',
    factor: f.positive('factor', from.factor),
    lowFrequencyFactor: f.positive('low_freq_factor', from.low_freq_factor),
    highFrequencyFactor: f.positive('high_freq_factor', from.high_freq_factor),
    originalPositions: f.positive('original_max_position_embeddings', from.original_max_position_embeddings),
  }),
  yarn(f, from) {
    const given = f.raw('original_max_position_embeddings') ?? from.original_max_position_embeddings
    const originalPositions = f.positive(
      'original_max_position_embeddings',
      given ?? f.count('max_position_embeddings'),
    )
    const factor = f.positive('factor', from.factor ?? f.count('max_position_embeddings') / originalPositions)
    return {
      kind: 'yarn',
      factor,
      originalPositions,
      attentionFactor: attentionFactor(f, from, factor),
      betaFast: f.positive('beta_fast', from.beta_fast ?? 32),
      betaSlow: f.positive('beta_slow', from.beta_slow ?? 1),
      truncate: from.truncate !== false,
    }
  },
}

/** YaRN's factor for cosines and sines, and DeepSeek's variant of it.
 *  @source Peng et al., arXiv 2309.00071, eq. 22 */
function attentionFactor(f: Fields, from: JsonObject, factor: number): number {
  if (from.attention_factor !== undefined && from.attention_factor !== null)
    return f.positive('attention_factor', from.attention_factor)
  const scale = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1)
  if (!from.mscale || !from.mscale_all_dim) return scale(1)
  return scale(f.positive('mscale', from.mscale)) / scale(f.positive('mscale_all_dim', from.mscale_all_dim))
}

/** Reads the rotary embedding of a kind of layer, from the newer field (`rope_parameters`, which may have an entry for each
 *  layer type) or the older ones (`rope_theta`, `rope_scaling`).
 *  @throws Failure InvalidInput for a scaling that is not supported */
export function readRotary(f: Fields, { rotaries, ropeTypes }: Family, kind: string): RotaryConfig {
  if (kind === 'none') return { theta: 1, scaling: { kind: 'none' } }
  const { theta, scaled } = (rotaries && entryOf(rotaries, kind)) ?? { theta: 'rope_theta', scaled: true }
  const parameters = f.object('rope_parameters')
  const ownParameters =
    parameters && (isObject(parameters[kind]) ? parameters[kind] : isNested(parameters) ? {} : parameters)
  const from = ownParameters ?? (scaled ? f.object('rope_scaling') : undefined) ?? {}
  const type = from.rope_type ?? from.type ?? 'default'
  const read = typeof type === 'string' && (ropeTypes?.includes(type) ?? true) ? entryOf(kinds, type) : undefined
  if (!read)
    throw f.refuse(
      `rotary scaling ${shown(type)} is not supported`,
      `Supported: ${(ropeTypes ?? Object.keys(kinds)).join(', ')}.`,
    )
  const part = from.partial_rotary_factor ?? f.raw('partial_rotary_factor') ?? 1
  if (part !== 1) throw f.refuse(`"partial_rotary_factor" is ${shown(part)}: partial rotary embedding is not supported`)
  const scaling = read(f, from)
  return {
    theta: from.rope_theta === undefined ? f.real(theta) : f.positive('rope_theta', from.rope_theta),
    ...(scaling && { scaling }),
  }
}

/** Whether `rope_parameters` has an entry for each type of layer. */
const isNested = (parameters: JsonObject): boolean => Object.values(parameters).some(isObject)
