import { expect, test } from 'vitest'
import { Forward, Head, openModel, replaceBlocks } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import type { DepthStep } from '../../puzzle/depth-step.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { readSequences } from '../../data/sequences.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import { FileStore } from '../../store/index.js'
import { blocks, openTiny } from '../model/tiny.js'
import { costTable, giveScores, scoreRow } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld({ num_hidden_layers: 4 })
const store = new FileStore(temporaryFolder())
const space = (...runs: JsonObject[]): JsonObject => ({ attention: ['parent'], ffn: ['parent'], runs })
const open = async (own: JsonObject, depth: JsonObject = {}, folder = world.folder, target?: JsonObject) => {
  const stages = { capture: { validateSequences: 6 }, depth, solve: { solutions: 1 } }
  return Search.open(folder, tinySpec({ space: own, stages, ...(target && { target }) }), { store })
}
const withoutGate = (search: Search) => {
  search.give('check-limits', {})
  return search
}

test('each removal is the one that does least after those before it, and its KL is that of all of them together', async () => {
  const search = withoutGate(await open(space({ run: 'drop' }), { maximum: '75%' }))
  const { files, values } = await search.outputs('depth')
  const order = await search.json<DepthStep[]>(files.depth)
  expect(order).toHaveLength(3)

  const model = await openModel(world.parent, blocks)
  const { files: captured } = await search.outputs('capture')
  const context = search.environment(['model'])
  const text = await readSequences(context, captured['validate-tokens']!)
  const states = async (name: string) =>
    (await HiddenStates.read(await context.open(captured[name]!))).rows(0, text.count * text.length)
  const [input, final] = [await states('validate-hidden00'), await states('validate-hidden04')]
  const head = await Head.create(model, 1)
  const kl = async (layers: readonly number[]) => {
    const slots = ['attention', 'ffn'] as const
    const view = replaceBlocks(
      model,
      layers.flatMap((layer) => slots.map((slot) => ({ layer, slot, block: 'no-op', params: {}, weights: {} }))),
    )
    const forward = new Forward(text.count, text.length)
    const out = await forward.layers(view, input, 0, 4)
    await forward.release()
    const found = await head.compare(final, out, text.ids, text.mask, text.length)
    return found.kl / found.tokens
  }
  const removed: number[] = []
  for (const { layer, cumulative, alone } of order) {
    for (const other of [0, 1, 2, 3].filter((n) => !removed.includes(n)))
      expect(await kl([...removed, other])).toBeGreaterThanOrEqual(cumulative * 0.99)
    removed.push(layer)
    expect(cumulative / (await kl(removed))).toBeCloseTo(1, 2)
    expect(alone / (await kl([layer]))).toBeCloseTo(1, 2)
  }
  await head.release()
  expect(values.removed).toEqual(removed)
  expect(values.evidence).toMatchObject([
    { removed: 1, measured: order[0]!.alone, additive: order[0]!.alone },
    { removed: 2, measured: order[1]!.cumulative, additive: order[0]!.alone + order[1]!.alone },
    { removed: 3 },
  ])
})

test('a stopped attempt goes on after its last round, and ends with the same', async () => {
  const search = withoutGate(await open(space({ run: 'drop' }), { maximum: '50%', sequences: 3 }))
  const [task] = await search.tasks('depth')
  const controller = new AbortController()
  const messages: string[] = []
  await expect(
    search.run('depth', task!, {
      signal: controller.signal,
      progress: (_, message) => {
        messages.push(message)
        if (message.startsWith('round 2')) controller.abort(new Error('stopped'))
      },
    }),
  ).rejects.toThrow('stopped')
  const again: string[] = []
  const { values } = await search.run('depth', task!, { progress: (_, message) => void again.push(message) })
  expect(messages.some((message) => message.startsWith('round 1'))).toBe(true)
  expect(again.every((message) => message.startsWith('round 2'))).toBe(true)

  const other = await Search.open(
    world.folder,
    tinySpec({
      space: space({ run: 'drop' }),
      stages: { capture: { validateSequences: 6 }, depth: { maximum: '50%', sequences: 3 } },
    }),
  )
  expect((await withoutGate(other).outputs('depth')).values.removed).toEqual(
    (values.order as unknown as DepthStep[]).map(({ layer }) => layer),
  )
})

test('without single layers to remove there is nothing to do', async () => {
  for (const runs of [[{ run: 'drop', span: 2 }], [{ run: 'merge' }]]) {
    const search = withoutGate(await open(space(...runs)))
    expect(await search.tasks('depth')).toEqual([])
    expect((await search.outputs('depth')).files).toEqual({})
  }
})

test('where sums of scores choose the wrong layers, removals measured after each other choose the right ones', async () => {
  // Layers 0 and 1 do the same: either may go, not both. Layer 2 does most alone.
  const together: Readonly<Record<string, number>> = {
    '0': 0.1,
    '1': 0.11,
    '2': 0.15,
    '0,1': 1,
    '0,2': 0.26,
    '1,2': 0.3,
  }
  const order: DepthStep[] = [
    { layer: 0, cumulative: together['0']!, alone: 0.1 },
    { layer: 2, cumulative: together['0,2']!, alone: 0.15 },
  ]
  const rows = [0, 1, 2].map((layer) => ({
    ...scoreRow(layer, 'block', 'no-op', 'no-op', together[String(layer)]!),
    run: 'drop-1',
    span: 1,
  }))
  const chosen = async (steps?: readonly DepthStep[]) => {
    const tiny = await tinyWorld()
    const target = { scenario: { ...costTable.scenario }, limits: { parameters: '<= 40%' } }
    const search = await open(space({ run: 'drop' }), {}, tiny.folder, target)
    await giveScores(search, await openTiny(), rows)
    if (steps) search.give('depth', { files: { depth: await store.putJson('depth', steps) } })
    const { solutions } = await search.json<SolveOutcome>((await search.outputs('solve')).files.solutions)
    const { choice, objective } = solutions[0]!
    const gone = choice.flatMap(({ ffn }, layer) => (ffn.endsWith('/no-op') ? [layer] : []))
    return { objective, measured: together[gone.join()]! }
  }
  const additive = await chosen()
  expect(additive.objective).toBeCloseTo(0.21, 9)
  expect(additive.measured).toBe(1)
  const conditional = await chosen(order)
  expect(conditional.objective).toBeCloseTo(0.26, 9)
  expect(conditional.measured).toBe(0.26)
})
