import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Decoder, replaceBlocks, writeOnnx, type Model } from '../../model/index.js'
import { Failure, type BlockType } from '../../api/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { difference, withVariant } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { describedIn, Exported } from './exported.js'

/** The tiny model with an attention of this forward, which has no weights, in its second layer. */
async function withForward(forward: BlockType['forward'], state: BlockType['state'] = () => []): Promise<Model> {
  const own: BlockType = {
    name: 'odd',
    slot: 'attention',
    version: 1,
    parameters: { type: 'object' },
    variants: () => [{}],
    id: () => 'odd',
    shapes: () => ({}),
    initialise: () => ({}),
    forward,
    state,
  }
  const model = await openTiny()
  const { norm } = await model.weights(1, 'attention')
  const known = { ...model, blocks: makeBlocks([...builtInBlocks, own]) }
  return replaceBlocks(known, [{ layer: 1, slot: 'attention', block: 'odd', params: {}, weights: { norm: norm! } }])
}

const refused = async (model: Model): Promise<Failure> => {
  const folder = join(scratch(), 'exported')
  const error: unknown = await writeOnnx(model, folder).catch((failure: unknown) => failure)
  expect(existsSync(folder)).toBe(false)
  expect(error).toBeInstanceOf(Failure)
  return error as Failure
}

test('a block type that makes a mask by hand is refused, with the way to make it', async () => {
  const model = await withForward((g, x, _, __, { length, batch, facts: { hidden } }) => {
    const own = g.constant(
      Float32Array.from({ length }, (_, i) => 1 / (i + 1)),
      [length, 1],
    )
    return { y: g.reshape(g.mul(g.reshape(x, [batch, length, hidden]), own), [batch * length, hidden]) }
  })
  const { message, remedy } = (await refused(model)) as Failure & { remedy: string }
  expect(message).toMatch(/a float32 constant \[\d+, 1\] is made for one length or batch/)
  expect(remedy).toContain('Graph.band')
})

test('a block type that does other things at other lengths is refused', async () => {
  const model = await withForward((g, x, _, __, { length }) => ({
    y: Array.from({ length: length % 3 }).reduce<typeof x>((y) => g.relu(y), x),
  }))
  expect((await refused(model)).message).toMatch(/not the same for every batch and length: the number of operators/)
})

test('a size that does not grow by steps of one kind with the length is refused', async () => {
  const model = await withForward((g, x, _, __, { length, batch, facts: { hidden } }) => {
    const half = Math.floor(length / 4)
    const tokens = g.reshape(x, [batch, length, hidden])
    const swapped = g.concat([g.slice(tokens, 1, half, length), g.slice(tokens, 1, 0, half)], 1)
    return { y: g.reshape(swapped, [batch * length, hidden]) }
  })
  expect((await refused(model)).message).toMatch(/a size is 2 at batch 5 and length 11|a size is 7 at batch 19/)
})

const rows: BlockType['state'] = ({ hidden }) => [{ name: 'last', kind: 'per-sequence', shape: [hidden] }]

test('a block type that begins with another state than zeros is refused', async () => {
  const model = await withForward((g, x, _, __, { length, batch, past, facts: { hidden } }) => {
    const tokens = g.reshape(x, [batch, length, hidden])
    const before = past?.last ?? g.add(g.zeros([batch, hidden]), g.scalar(1, 'float32'))
    const last = g.reshape(g.slice(tokens, 1, length - 1, length), [batch, hidden])
    const y = g.add(tokens, g.reshape(before, [batch, 1, hidden]))
    return { y: g.reshape(y, [batch * length, hidden]), state: { last: g.add(before, last) } }
  }, rows)
  expect((await refused(model)).message).toMatch(
    /attention block type "odd" gives different results.*chunks of 300 tokens/,
  )
})

test('a block type that does something else with long chunks is refused', async () => {
  const model = await withForward((g, x, _, __, { length, batch, facts: { hidden } }) => {
    const tokens = g.reshape(x, [batch, length, hidden])
    const last = g.reshape(g.slice(tokens, 1, length - 1, length), [batch, hidden])
    return { y: length > 100 ? g.relu(x) : x, state: { last } }
  }, rows)
  expect((await refused(model)).message).toMatch(
    /attention block type "odd" gives different results.*chunks of 300 tokens/,
  )
})

test('a rotary embedding that changes with the length of the text is refused', async () => {
  const model = await openTiny({ rope_scaling: { rope_type: 'dynamic', factor: 2 } })
  expect((await refused(model)).message).toContain('its rotary embedding changes with the length of the text')
})

test('a folder that has files is left as it is', async () => {
  const folder = join(scratch(), 'exported')
  mkdirSync(folder)
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  await expect(writeOnnx(await openTiny(), folder)).rejects.toThrow(`${folder} already exists`)
})

test('more than protobuf holds cannot be asked for within the model', async () => {
  await expect(writeOnnx(await openTiny(), join(scratch(), 'x'), { largestInline: 3e9 })).rejects.toThrow(
    'largestInline is 3000000000',
  )
})

test.each(['int8', 'int4'])(
  'matrices that are %s stay such, or become the floats that they stand for',
  async (weights) => {
    const model = await withVariant(await openTiny(), 1, 'ffn', 'swiglu', { width: 40, weights })
    const ids = someIds(9)
    const decoder = await Decoder.create(model, { batch: 1, logits: true })
    const { logits } = await decoder.prefill(ids)
    await decoder.release()
    for (const [integers, tolerance] of [
      ['keep', 1e-5],
      // The kernel for integers rounds activations to 8 bits.
      ['floats', 2e-2],
    ] as const) {
      const folder = join(scratch(), 'exported')
      await writeOnnx(model, folder, { integers })
      expect(describedIn(folder).contribOperators).toEqual(integers === 'keep' ? ['com.microsoft.MatMulNBits'] : [])
      const graph = await Exported.open(folder)
      graph.reset(1)
      const [rows] = await graph.read([[...ids]])
      expect(difference(rows!.at(-1)!, logits!)).toBeLessThan(tolerance)
      await graph.release()
    }
  },
)
