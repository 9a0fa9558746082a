import { expect, test } from 'vitest'
import { Decoder, embed, Forward, parseConfig, rotaryOf, rotaryTables } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { openTiny, someIds, tinyConfig } from './tiny.js'

const config = (fields: JsonObject) =>
  parseConfig(JSON.stringify({ ...tinyConfig, head_dim: 16, max_position_embeddings: 128, ...fields }), 'config.json')

/** Radians per position of each pair, and what tables are multiplied by, for a sequence of `length`: read off the tables. */
function frequencies(fields: JsonObject, length = 2) {
  const { cos, sin } = rotaryTables(rotaryOf(config(fields), 0), 16, 0, length)
  const at = 16
  return {
    factor: cos[0]!,
    // Of position 1: none turns further than a radian a token.
    inv: Array.from({ length: 8 }, (_, i) => Math.atan2(sin[at + i]!, cos[at + i]!)),
  }
}

// Computed with transformers 5.23's own functions (modeling_rope_utils.py) in float32.
const references: readonly (readonly [string, JsonObject, number, { factor: number; inv: readonly number[] }])[] = [
  [
    'yarn with its defaults',
    { rope_parameters: { rope_type: 'yarn', rope_theta: 10000, factor: 8, original_max_position_embeddings: 16 } },
    2,
    {
      factor: 1.2079441541679836,
      inv: [1, 0.0395284705, 0.0125000002, 0.00395284733, 0.00124999997, 0.000395284733, 0.000125000006, 3.95284733e-5],
    },
  ],
  [
    'yarn with bounds of its own that are not rounded',
    {
      rope_parameters: {
        rope_type: 'yarn',
        rope_theta: 500000,
        factor: 4,
        original_max_position_embeddings: 4096,
        beta_fast: 16,
        beta_slow: 2,
        truncate: false,
        attention_factor: 1.5,
      },
    },
    2,
    {
      factor: 1.5,
      inv: [1, 0.193922758, 0.0376060307, 0.00410060259, 0.000353553361, 6.85620471e-5, 1.32957412e-5, 2.57834631e-6],
    },
  ],
  [
    'yarn with mscale, in the older spelling',
    {
      rope_theta: 10000,
      rope_scaling: {
        type: 'yarn',
        factor: 40,
        original_max_position_embeddings: 4096,
        mscale: 0.707,
        mscale_all_dim: 1,
      },
    },
    2,
    {
      factor: 0.9210423553163399,
      inv: [1, 0.316227764, 0.100000001, 0.0239147246, 0.00512499968, 0.000849862176, 2.49999994e-5, 7.90569447e-6],
    },
  ],
  [
    'dynamic within the positions that were learned',
    { rope_parameters: { rope_type: 'dynamic', rope_theta: 10000, factor: 2 } },
    100,
    {
      factor: 1,
      inv: [1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786],
    },
  ],
  [
    'dynamic beyond them',
    { rope_parameters: { rope_type: 'dynamic', rope_theta: 10000, factor: 2 } },
    300,
    {
      factor: 1,
      inv: [1, 0.262445003, 0.0688773692, 0.0180765204, 0.004744092, 0.00124506326, 0.000326760579, 8.57566774e-5],
    },
  ],
]
test.each(references)('frequencies of %s are those of transformers', (_, fields, length, expected) => {
  const found = frequencies(fields, length)
  expect(found.factor).toBeCloseTo(expected.factor, 6)
  for (const [i, value] of expected.inv.entries()) expect(Math.abs(found.inv[i]! / value - 1)).toBeLessThan(1e-5)
})

test('a layer without rotary embedding has tables that change nothing', () => {
  const { cos, sin } = rotaryTables({ theta: 1, scaling: { kind: 'none' } }, 8, 5, 3)
  expect([...cos].every((value) => value === 1)).toBe(true)
  expect([...sin].every((value) => value === 0)).toBe(true)
})

test.each<[string, JsonObject, RegExp]>([
  ['an unknown kind', { rope_scaling: { type: 'longrope' } }, /rotary scaling "longrope" is not supported/],
  ['no factor', { rope_scaling: { type: 'linear' } }, /"factor" is undefined, not a positive number/],
  ['a negative factor', { rope_scaling: { type: 'yarn', factor: -1 } }, /"factor" is -1, not a positive number/],
  ['a text as theta', { rope_theta: 'large' }, /"rope_theta" is "large", not a positive number/],
  ['a list in place of parameters', { rope_parameters: [] }, /"rope_parameters" is \[\], not an object/],
  ['heads rotated in part', { partial_rotary_factor: 0.5 }, /"partial_rotary_factor" is 0.5/],
])('a rotary embedding with %s is refused by name', (_, fields, message) => {
  expect(() => config(fields)).toThrow(message)
})

test.each<[string, JsonObject]>([
  ['yarn', { rope_parameters: { rope_type: 'yarn', rope_theta: 100, factor: 4, original_max_position_embeddings: 8 } }],
  ['dynamic', { rope_parameters: { rope_type: 'dynamic', rope_theta: 100, factor: 4 }, max_position_embeddings: 64 }],
])('a model with %s decodes to what it computes at once', async (_, fields) => {
  const model = await openTiny(fields)
  const ids = someIds(40)
  const decoder = await Decoder.create(model, { batch: 1, logits: true })
  const expected = (await decoder.prefill(ids)).logits!
  await decoder.prefill(ids.slice(0, 3))
  let found: Float32Array = new Float32Array(0)
  for (const id of ids.slice(3)) found = (await decoder.step(Int32Array.of(id))).logits!
  await decoder.release()
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-4)
})

test('with dynamic scaling a chunk has the frequencies of the sequence up to its end, keys of earlier chunks keep theirs', async () => {
  const fields = { rope_parameters: { rope_type: 'dynamic', rope_theta: 100, factor: 4 }, max_position_embeddings: 8 }
  const model = await openTiny(fields)
  const [dynamic, length] = [rotaryOf(model.config, 0), 12]
  const whole = rotaryTables(dynamic, 8, 0, length)
  expect(rotaryTables(dynamic, 8, 9, 3).cos).toEqual(whole.cos.slice(9 * 8))
  expect(rotaryTables(dynamic, 8, 0, 8).cos).not.toEqual(whole.cos.slice(0, 8 * 8))

  const forward = new Forward(1, length)
  const x = embed(await model.embedding(), model.config, someIds(length))
  const y = await forward.layers(model, x, 0, 3)
  await forward.release()
  const plain = await openTiny({ rope_parameters: { rope_theta: 100 } })
  const short = new Forward(1, 8)
  const [a, b] = await Promise.all([model, plain].map((own) => short.layers(own, x.slice(0, 8 * 24), 0, 3)))
  await short.release()
  expect(a).toEqual(b)
  expect(y.slice(0, 8 * 24)).not.toEqual(a)
})
