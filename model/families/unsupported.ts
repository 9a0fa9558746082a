import type { JsonObject } from '../../api/index.js'

const experts = 'its FFNs are mixtures of experts (MoE), for which there is no block type'

/** Unsupported features of other families, each with a test for it in config.json. */
const signs: readonly (readonly [shows: (fields: JsonObject) => boolean, missing: string])[] = [
  [
    (fields) =>
      ['num_local_experts', 'num_experts', 'n_routed_experts', 'moe_num_experts'].some(
        (key) => Number(fields[key]) > 1,
      ),
    experts,
  ],
  [({ model_type: type }) => typeof type === 'string' && /moe|mixtral/i.test(type), experts],
  [({ kv_lora_rank: rank }) => typeof rank === 'number', 'it has multi-head latent attention (MLA)'],
  [
    ({ vision_config: vision }) => vision !== undefined && vision !== null,
    'it also reads images. Its text model, saved as a separate checkpoint, may be supported',
  ],
  [
    ({ model_type: type }) => typeof type === 'string' && /mamba|rwkv|jamba|nemotron_h/i.test(type),
    'its layers are recurrent',
  ],
  [({ is_encoder_decoder: both }) => both === true, 'it has an encoder'],
]

/** Returns an unsupported feature of a model, as the end of a sentence; undefined if config.json shows none. */
export const missingOf = (fields: JsonObject): string | undefined => signs.find(([shows]) => shows(fields))?.[1]
