import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../../api/index.js'
import { ChatTemplate } from '../../../model/chat.js'
import type { ModelConfig } from '../../../model/config.js'
import { readGenerationConfig } from '../../../model/generation-config.js'
import { parseConfig } from '../../../model/hf/read-config.js'
import { packageRoot } from '../../../store/paths.js'
import type { Choices } from '../choices.js'
import { jsonText, mutateJson } from '../mutate-json.js'
import { changedText } from '../mutate-text.js'
import { agree, holds, type Files, type Reader } from '../reader.js'

export const parent = join(packageRoot(), 'examples/quickstart/parent')
export const json = (name: string): JsonObject => JSON.parse(readFileSync(join(parent, name), 'utf8')) as JsonObject

const llama: JsonObject = { ...json('config.json'), hidden_act: 'silu', head_dim: 32 }
const layers = Number(llama.num_hidden_layers)
const eachLayer = (of: (layer: number) => unknown) => Array.from({ length: layers }, (_, layer) => of(layer))
const scaled = (rope: object): object => ({ ...llama, rope_scaling: rope })
const configs: readonly object[] = [
  llama,
  scaled({
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 128,
  }),
  scaled({ rope_type: 'linear', factor: 2 }),
  scaled({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, beta_fast: 32, beta_slow: 1 }),
  scaled({
    rope_type: 'longrope',
    short_factor: Array(16).fill(1),
    long_factor: Array(16).fill(2),
    original_max_position_embeddings: 64,
  }),
  scaled({ rope_type: 'dynamic', factor: 2 }),
  {
    ...{ ...llama, model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] },
    ...{ use_sliding_window: true, sliding_window: 16, max_window_layers: 4 },
  },
  { ...llama, model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] },
  { ...llama, model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 8 },
  { ...llama, model_type: 'phi3', architectures: ['Phi3ForCausalLM'] },
  { ...llama, model_type: 'smollm3', architectures: ['SmolLM3ForCausalLM'], no_rope_layers: eachLayer((i) => i % 2) },
  {
    ...{ ...llama, model_type: 'granite', architectures: ['GraniteForCausalLM'] },
    ...{ residual_multiplier: 0.2, embedding_multiplier: 12, attention_multiplier: 0.1, logits_scaling: 8 },
  },
  {
    ...{
      ...llama,
      model_type: 'gemma3_text',
      architectures: ['Gemma3ForCausalLM'],
      hidden_activation: 'gelu_pytorch_tanh',
    },
    ...{ sliding_window: 8, query_pre_attn_scalar: 32, rope_local_base_freq: 1e4 },
    layer_types: eachLayer((i) => (Number(i) % 2 ? 'full_attention' : 'sliding_attention')),
  },
  {
    ...{ ...llama, model_type: 'gemma2', architectures: ['Gemma2ForCausalLM'], hidden_activation: 'gelu_pytorch_tanh' },
    ...{ sliding_window: 8, query_pre_attn_scalar: 32, attn_logit_softcapping: 50, final_logit_softcapping: 30 },
  },
  {
    ...llama,
    puzzleflow: { layers: eachLayer(() => ({ attention: { block: 'no-op' }, ffn: { block: 'swiglu', width: 64 } })) },
  },
  {
    ...{ ...llama, model_type: 'nemotron-nas', architectures: ['DeciLMForCausalLM'] },
    block_configs: eachLayer(() => ({ attention: { n_heads_in_group: 1 }, ffn: { ffn_mult: 2 } })),
  },
]

/** What holds for the architecture of any model. */
function checkConfig(config: ModelConfig): void {
  const { hidden, heads, kvHeads, headDim, intermediate, vocabulary, maxPositions, bos, eos } = config
  for (const [name, size] of Object.entries({
    hidden,
    heads,
    kvHeads,
    headDim,
    intermediate,
    vocabulary,
    maxPositions,
  }))
    holds(Number.isSafeInteger(size) && size > 0, `${name} is ${size}`)
  const lists = [config.blocks, config.ownBlocks, config.layerRotary]
  holds(
    lists.every((list) => list.length === config.layers),
    'a list has an entry for each layer',
  )
  for (const id of [...eos, ...(bos === undefined ? [] : [bos])])
    holds(Number.isSafeInteger(id) && id >= 0, `the token ${id}`)
  const { normEps, embeddingScale, residualScale, logitsScale, attentionScale } = config
  for (const real of [normEps, embeddingScale, residualScale, logitsScale, attentionScale])
    holds(Number.isFinite(real) && real > 0, `a scale of ${real}`)
  holds(
    config.layerRotary.every((index) => config.rotaries[index] !== undefined),
    'each layer has a rotary embedding',
  )
  for (const { ffn, attention } of config.ownBlocks) {
    for (const [name, value] of Object.entries({ ...ffn.params, ...attention.params }))
      if (typeof value === 'number') holds(Number.isSafeInteger(value) && value > 0, `${name} is ${value}`)
    const groups = Number(attention.params.kvHeads ?? 1)
    holds(heads % groups === 0 || 'heads' in attention.params, `${groups} groups of ${heads}`)
  }
}

const templates = [
  "{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'] | trim }}{% endfor %}{% if add_generation_prompt %}{{ '<|a|>' }}{% endif %}",
  '{%- set ns = namespace(a=0) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{{ "%s-%d" % ("a", ns.a) }}{% endfor %}{{ messages | tojson(indent=2) }}',
  '{% macro f(x, y=2) %}{{ x * y }}{% endmacro %}{{ f("ab") }}{{ {"a": [1, 2.5, none]}.items() | list }}{{ "a,b".split(",")[0:1] | join("-") | upper }}{{ raise_exception("no") if false }}',
  "{%- macro r(a) %}{{ r(a) if a else '' }}{{ caller() if caller }}{% endmacro %}{% call r(0) %}x{% endcall %}{{ strftime_now('%Y-%m-%d') }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }}",
  "{% for a in range(3) recursive %}{{ loop.index0 ~ loop.cycle('x', 'y') }}{% break %}{% endfor %}{{ 'a' * 10 | replace('a', 'bb') | indent(2) }}{{ [3, 1, 2] | sort(reverse=true) | batch(2) | list }}{{ 7 // 2 ** 3 % -2 }}",
  "{% set x = {'a': {'b': [1, 2, 3]}} %}{{ x.a.b[::-1] | sum }}{{ x | dictsort | string | length }}{{ x['__class__'] | default('no') }}{{ 'é😀' | urlencode ~ '{:>10}'.format('a') }}{% filter upper %}a{% endfilter %}",
]

/** Pieces of templates are put together, too: what one binds, another uses. */
const templateText = (c: Choices): string => {
  const text = c.chance(0.3) ? c.of(templates) + c.of(templates) : c.of(templates)
  return c.chance(0.97) ? changedText(text, c) : text
}

/** Readers of config.json, generation_config.json and chat templates. */
export const modelReaders = (files: Files): readonly Reader[] => [
  {
    name: 'config.json',
    make(c) {
      const text = jsonText(c.of(configs), c)
      return {
        bytes: Buffer.byteLength(text),
        read() {
          const config = parseConfig(text, 'config.json')
          checkConfig(config)
          agree(parseConfig(JSON.stringify(JSON.parse(text)), 'config.json'), config, 'the same JSON, written again')
        },
      }
    },
  },
  {
    name: 'generation_config.json',
    make(c) {
      const usual = {
        do_sample: true,
        temperature: 0.7,
        top_k: 20,
        top_p: 0.9,
        repetition_penalty: 1.1,
        eos_token_id: [1, 2],
      }
      const { bytes } = files.write('generation/generation_config.json', jsonText(usual, c))
      return {
        bytes,
        async read() {
          const {
            temperature = 1,
            topK = 1,
            topP = 1,
            repetitionPenalty = 1,
          } = await readGenerationConfig(files.path('generation'))
          holds(
            [temperature, repetitionPenalty].every((x) => x > 0 && Number.isFinite(x)),
            'a positive number',
          )
          holds(Number.isInteger(topK) && topK > 0 && topP > 0 && topP <= 1, 'how tokens are sampled')
        },
      }
    },
  },
  {
    name: 'chat templates',
    make(c) {
      const isFile = c.chance(0.3)
      const text = templateText(c)
      const config = {
        chat_template: isFile ? null : text,
        bos_token: c.chance(0.9) ? '<s>' : mutateJson({ content: '<s>' }, c),
      }
      const folder = isFile ? 'chat-file' : 'chat'
      if (isFile) files.write(`${folder}/chat_template.jinja`, text)
      const { bytes } = files.write(`${folder}/tokenizer_config.json`, JSON.stringify(config))
      const messages = [
        { role: 'user', content: 'hello' },
        ...(c.chance(0.5) ? [{ role: 'assistant', content: 'é😀' }] : []),
      ]
      return {
        bytes: bytes + text.length,
        read() {
          const template = ChatTemplate.open(files.path(folder))
          const render = () => template.render(messages, { addGenerationPrompt: true })
          const rendered = render()
          holds(typeof rendered === 'string', 'the rendered text is a text')
          // A template of many steps takes its time once.
          if (rendered.length < 10_000) holds(render() === rendered, 'a template renders the same text again')
        },
      }
    },
  },
]
