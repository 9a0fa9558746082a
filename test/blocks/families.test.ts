import { expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { builtInBlocks } from '../../plugins/blocks/index.js'
import { checkBlockType } from '../../plugins/testing/index.js'
import type { ParentSizes } from '../../plugins/testing/tiny-parent.js'
import { facts } from './cases.js'

/** Parents that differ from Llama in everything that block types know about. The second of their two layers is replaced. */
const parents: Readonly<Record<string, Partial<ParentSizes>>> = {
  'qwen2, with biases of queries, keys and values only': { kvHeads: 2, config: { model_type: 'qwen2' } },
  'qwen3, with norms of queries and keys': { kvHeads: 2, config: { model_type: 'qwen3' } },
  'mistral, with a window of 4': { kvHeads: 2, config: { model_type: 'mistral', sliding_window: 4 } },
  'smollm3, in a layer without rotary embedding': {
    kvHeads: 2,
    config: { model_type: 'smollm3', no_rope_layers: [1, 0] },
  },
  'phi3, with joined tensors': { kvHeads: 2, config: { model_type: 'phi3' } },
  'granite, with all its factors': {
    kvHeads: 2,
    config: {
      model_type: 'granite',
      embedding_multiplier: 3,
      attention_multiplier: 0.3,
      residual_multiplier: 0.5,
      logits_scaling: 2,
    },
  },
  'gemma2, with softcaps and a window': {
    kvHeads: 2,
    config: {
      model_type: 'gemma2',
      layer_types: ['full_attention', 'sliding_attention'],
      sliding_window: 4,
      query_pre_attn_scalar: 9,
      attn_logit_softcapping: 2,
      final_logit_softcapping: 3,
    },
  },
  'gemma3, in a layer with full attention': {
    kvHeads: 2,
    config: { model_type: 'gemma3_text', sliding_window: 4, sliding_window_pattern: 2, query_pre_attn_scalar: 9 },
  },
}

const entries: Readonly<Record<string, JsonObject>> = {
  'attention/grouped-query': { kvHeads: [1] },
  'attention/fewer-heads': { heads: [2] },
  'attention/sliding-window': { window: [5], kvHeads: [1] },
  'attention/linear-attention': { features: 4, kvHeads: 1 },
  'attention/linear': {},
  'ffn/swiglu': { width: [9] },
  'ffn/low-rank': { rank: [6] },
  'ffn/no-op': {},
}

const cases = Object.keys(parents).flatMap((parent) => Object.keys(entries).map((block) => [block, parent] as const))

test.each(cases)('%s passes the test kit for a parent like %s', async (name, parent) => {
  const type = builtInBlocks.find((block) => `${block.slot}/${block.name}` === name)!
  const report = await checkBlockType(type, {
    entries: [entries[name]!],
    facts: [parents[parent]!],
    atLeastNoOp: false,
  })
  report.throwIfFailed()
  expect(new Set(report.findings.map(({ check }) => check)).size).toBe(type.empty ? 6 : 14)
})

test('latent attention is rejected, with the reason, for a parent that normalises keys', () => {
  const type = builtInBlocks.find(({ name }) => name === 'latent-attention')!
  expect(() => [...type.variants({ ...facts, qkNorm: true }, { rank: 3 })]).toThrow(
    'latent-attention cannot reproduce keys that are normalised per head',
  )
})

test('sliding-window defaults to the parent’s window, and does not repeat the parent as a variant', () => {
  const type = builtInBlocks.find(({ name }) => name === 'sliding-window')!
  const local = { ...facts, window: 5 }
  expect([...type.variants(local, { kvHeads: [4, 2] })]).toEqual([{ window: 5, kvHeads: 2 }])
  expect([...type.variants(local, { window: [5, 3] })]).toEqual([{ window: 3, kvHeads: 4 }])
  expect(() => [...type.variants(facts, { kvHeads: 2 })]).toThrow('layer 1 of the parent does not have a window')
})
