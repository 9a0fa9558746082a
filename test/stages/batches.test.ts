import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import { layerOptions } from '../../puzzle/selection-problem.js'
import type { ConsideredBatch } from '../../puzzle/solve-outcome.js'
import { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { anyBatch, batches, openSearch, outcomeOf, parent, tableAt, uses } from './batch-costs.js'
import { fakeLibrary, fakeSpace, giveScores, scoreRows } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())
const library = new Map(fakeLibrary(model, fakeSpace).map((entry) => [entry.id, entry]))

/** A search with made-up costs at each batch, and scores. */
const searchOf = (limits: JsonObject, solve: JsonObject = {}, scenario = anyBatch) =>
  openSearch(world, store, { target: { scenario, limits }, stages: { solve: { solutions: 1, margin: 0, ...solve } } })
const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing',
    (error: unknown) => (error as Error).message,
  )

/** Every choice of options of the three layers, with its score. */
const choices = (() => {
  const table = tableAt(2)
  const parts = { rows: scoreRows, composition: 'sum' as const, library, table, scenario: table.scenario, limits: [] }
  const layers = layerOptions({ ...parts, parent: parent.map(() => ({ attention: 'parent', ffn: 'parent' })) })
  return layers.reduce<readonly { readonly ids: readonly string[]; readonly score: number }[]>(
    (all, options) =>
      all.flatMap(({ ids, score }) => options.map((own) => ({ ids: [...ids, own.id], score: score + own.score }))),
    [{ ids: [], score: 0 }],
  )
})()

describe('a list of batches', () => {
  test('has its blocks profiled at each; the first keeps the ids of a search with it alone', async () => {
    const open = async (batch: number | readonly number[]) => {
      const scenario = { ...anyBatch, batch } as JsonObject
      const search = await Search.open(world.folder, tinySpec({ space: { ...fakeSpace }, target: { scenario } }), {
        store,
      })
      search.give('prepare', {})
      return { search, tasks: await search.tasks('profile') }
    }
    const [single, several] = [await open(2), await open([2, 8])]
    const ids = single.tasks.map(({ id }) => id)
    expect(several.tasks.map(({ id }) => id)).toEqual([...ids, ...ids.map((id) => `batch-8:${id}`)])
    expect(single.tasks.every(({ params }) => !('scenario' in params))).toBe(true)
    expect(several.tasks.map(({ params }) => (params.scenario as JsonObject).batch)).toEqual([
      ...ids.map(() => 2),
      ...ids.map(() => 8),
    ])
    const gathered = await several.search.gather(
      'profile',
      several.tasks.map((plan) => {
        const first = { prefillSeconds: 1, decodeSeconds: plan.id.startsWith('batch-8:') ? 3 : 2 }
        return { plan, outputs: { values: { fingerprint: {}, first, second: first, error: 0, passes: 8 }, files: {} } }
      }),
    )
    const one = await several.search.json<CostTable>(gathered.files.costs)
    const [other] = await several.search.json<readonly CostTable[]>(gathered.files.otherCosts)
    expect([one, other!].map(({ scenario, floor }) => [scenario.batch, floor.decodeSeconds])).toEqual([
      [2, 2],
      [8, 3],
    ])
    // Keys and values of 8 tokens in float32 for 6 sequences more.
    expect(other!.attention.parent!.memoryBytes - one.attention.parent!.memoryBytes).toBe(6 * 8 * 2 * 2 * 8 * 4)
  })

  test('what was measured at one of them alone is not measured again', async () => {
    const machineState = temporaryFolder()
    const profiled = async (batch: number | readonly number[]) => {
      const scenario = { batch, prefill: 2, generate: 2 } as JsonObject
      const space = { attention: ['parent'], ffn: ['parent', 'no-op'] }
      const stages = { profile: { repetitions: 3, precision: '100%', copies: 1, children: 0 } }
      const spec = tinySpec({ space, target: { scenario }, stages })
      const search = await Search.open(world.folder, spec, { machineState })
      await search.outputs('profile')
      return search.logged.filter((line) => line.endsWith('has been timed on this machine before')).length
    }
    expect(await profiled(2)).toBe(0)
    // The floor, and the blocks of both slots.
    expect(await profiled([1, 2])).toBe(3)
    expect(await profiled([2, 1])).toBe(6)
  })
})

describe('solve', () => {
  test.each<
    [
      JsonObject,
      {
        readonly throughput?: number
        readonly speed?: number
        readonly bytes?: number
        readonly share?: number
        readonly first?: number
      },
    ]
  >([
    [{ throughput: '>= 1.5x' }, { throughput: 1.5 }],
    [
      { throughput: '>= 1.5x', memory: '<= 320 B' },
      { throughput: 1.5, bytes: 320 },
    ],
    [
      { throughput: '>= 2x', memory: '<= 320 B' },
      { throughput: 2, bytes: 320 },
    ],
    [
      { throughput: '>= 1.5x', memory: '<= 60%' },
      { throughput: 1.5, share: 0.6 },
    ],
    [
      { throughput: '>= 2.2 tokens/s', memory: '<= 260 B' },
      { speed: 2.2, bytes: 260 },
    ],
    [
      { throughput: '>= 1.2x', prefill: '<= 60%', memory: '<= 320 B' },
      { throughput: 1.2, first: 0.6, bytes: 320 },
    ],
    [
      { throughput: '>= 3x', memory: '<= 200 B' },
      { throughput: 3, bytes: 200 },
    ],
  ])('finds the batch and the choice that lose least: %j', async (limits, bound) => {
    const { bytes = Infinity, throughput = 0, speed = 0, share = Infinity, first = Infinity } = bound
    const able = batches.filter((batch) => uses(batch, parent).bytes <= bytes)
    const at = (able.length > 0 ? able : batches).reduce((a, b) =>
      uses(b, parent).speed > uses(a, parent).speed ? b : a,
    )
    const reference = uses(at, parent)
    const rounding = 1 + 1e-9
    const possible = batches.flatMap((batch) =>
      choices.flatMap(({ ids, score }) => {
        const own = uses(batch, ids)
        const isIn =
          own.speed * rounding >= Math.max(speed, throughput * reference.speed) &&
          own.bytes <= Math.min(bytes, share * reference.bytes) * rounding &&
          own.prefill <= first * reference.prefill * rounding
        return isIn ? [{ batch, score, speed: own.speed }] : []
      }),
    )
    const least = Math.min(...possible.map(({ score }) => score))
    const { solutions, batches: chosen } = await outcomeOf(await searchOf(limits))
    const [solution] = solutions
    expect(solution!.objective).toBeCloseTo(least, 9)
    expect(solution!.batches).toEqual({ child: chosen!.child, parent: at })
    const equals = possible.filter(({ score }) => score < least + 1e-9)
    expect(equals.map(({ batch }) => batch)).toContain(chosen!.child)
    expect(chosen!.parentFits).toBe(able.length > 0)
    // At each batch, the best that it would have given.
    expect(chosen!.considered.map(({ batch }) => batch)).toEqual(batches)
    for (const own of chosen!.considered) {
      const best = Math.min(...possible.filter(({ batch }) => batch === own.batch).map(({ score }) => score))
      if ('reason' in own) expect(best).toBe(Infinity)
      else expect(own.objective).toBeCloseTo(best, 9)
    }
  })

  test('gives a child a batch that the parent’s memory does not allow', async () => {
    const limits = { throughput: '>= 1.5x', memory: '<= 320 B' }
    const { solutions, batches: chosen } = await outcomeOf(await searchOf(limits))
    expect(chosen).toMatchObject({ child: 8, parent: 4, parentFits: true })
    // As two layers with linear attention would: the parent's memory at 8 is 430 bytes, and 8 sequences take less than twice as
    // long as 4.
    expect(solutions[0]!.objective).toBeCloseTo(0.12, 9)
    expect(solutions[0]!.predicted.memoryBytes).toBeLessThanOrEqual(320)
    expect(solutions[0]!.predicted.throughput).toBeGreaterThanOrEqual(1.5 * uses(4, parent).speed)
    // 14.5 seconds at 2 must become 6.3: all three layers change. At 4, linear attention in two of them is enough, with no FFN in
    // the last.
    const [at2, at4] = chosen!.considered as [ConsideredBatch, ConsideredBatch]
    expect(at2).toMatchObject({ batch: 2, objective: expect.closeTo(0.3, 9) as number })
    expect(at4).toMatchObject({ batch: 4, objective: expect.closeTo(0.14, 9) as number })
  })

  test('takes the batch with most tokens per second where all lose the same', async () => {
    const { solutions, batches: chosen } = await outcomeOf(await searchOf({}))
    expect(chosen).toMatchObject({ child: 8, parent: 8, parentFits: true })
    expect(solutions[0]!.objective).toBe(0)
  })

  test('solves for further solutions at the batch that won alone', async () => {
    const { solutions } = await outcomeOf(
      await searchOf({ throughput: '>= 1.5x', memory: '<= 320 B' }, { solutions: 3, minimumDifference: '34%' }),
    )
    expect(solutions).toHaveLength(3)
    for (const own of solutions) expect(own.batches).toEqual({ child: 8, parent: 4 })
  })

  test('compares with the fastest parent where its memory meets the limit at no batch, and says so', async () => {
    const search = await searchOf({ memory: '<= 240 B' })
    expect((await outcomeOf(search)).batches).toMatchObject({ parent: 8, parentFits: false })
    expect(search.logged).toContain(
      'the parent meets the memory limit at no batch: the child is compared with the parent at batch 8, the fastest',
    )
  })

  test('keeps the margin where one batch can, and says what the others would do without it', async () => {
    // Without blocks, the child at 8 generates 32 tokens in a second, at 4 only 16: a margin of 5 % more than the limit allows.
    const { batches: chosen } = await outcomeOf(await searchOf({ throughput: '>= 15.5 tokens/s' }, { margin: '5%' }))
    expect(chosen!.child).toBe(8)
    expect(chosen!.considered.slice(0, 2)).toEqual([
      {
        batch: 2,
        reason:
          'throughput >= 15.5 tokens/s cannot be met: the best any choice reaches is 8, the limit is 15.5 (over by 93.8 % in runtime)',
      },
      { batch: 4, reason: 'The limits are met only without the margin of 5 %' },
    ])
    const { batches: dropped } = await outcomeOf(await searchOf({ throughput: '>= 31.5 tokens/s' }, { margin: '5%' }))
    expect(dropped!.child).toBe(8)
  })

  test('is infeasible only if no batch can meet the limits, and names the nearest, as does check-limits', async () => {
    const expected =
      'The limits cannot be met at any of the batches 2, 4 and 8; batch 8 comes nearest: throughput >= 40 tokens/s cannot be met: the best any choice reaches is 32, the limit is 40 (over by 25 % in runtime)'
    const search = await searchOf({ throughput: '>= 40 tokens/s' })
    expect(await message(search.outputs('check-limits'))).toBe(expected)
    expect(await message(search.outputs('solve'))).toBe(expected)
    const possible = await searchOf({ throughput: '>= 30 tokens/s' })
    expect((await possible.outputs('check-limits')).values).toEqual({})
  })

  test('at a batch alone the problem is that of a search with this batch', async () => {
    const limits = { throughput: '>= 1.5 tokens/s', memory: '<= 320 B' }
    const several = await searchOf(limits)
    const { batches: chosen } = await outcomeOf(several)
    const spec = tinySpec({
      ...{ space: { ...fakeSpace }, tasks: null, stages: { solve: { solutions: 1, margin: 0 } } },
      target: { scenario: { ...anyBatch, batch: chosen!.child }, limits },
    })
    const alone = await Search.open(world.folder, spec, { store })
    await giveScores(alone, model, scoreRows, tableAt(chosen!.child))
    const problem = async (search: Search) => (await search.outputs('solve')).files.problem
    expect(await problem(several)).toEqual(await problem(alone))
    expect((await outcomeOf(alone)).batches).toBeUndefined()
    expect((await outcomeOf(alone)).solutions[0]).not.toHaveProperty('batches')
  })
})
