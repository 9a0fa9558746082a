import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { JsonObject, TaskPlan } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { Evaluation, Measured } from '../../puzzle/evaluation.js'
import { layerOptions } from '../../puzzle/selection-problem.js'
import type { ConsideredBatch, SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { SweepCurve } from '../../puzzle/sweep-curve.js'
import { measurementOf, type SweepOutputs } from '../../puzzle/sweep-point.js'
import type { Result } from '../../report/markdown.js'
import { readSchema } from '../../schemas/read.js'
import { digestBytes } from '../../store/digest.js'
import { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { anyBatch, batches, tableAt } from './batch-costs.js'
import { untrainedChild } from './children.js'
import { fakeLibrary, fakeSpace, giveScores, scoreRows } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())
const library = new Map(fakeLibrary(model, fakeSpace).map((entry) => [entry.id, entry]))

/** A search with made-up costs at each batch, and scores. */
async function searchOf(limits: JsonObject, solve: JsonObject = {}, scenario = anyBatch): Promise<Search> {
  const stages = { solve: { solutions: 1, margin: 0, ...solve } }
  const spec = tinySpec({ space: { ...fakeSpace }, target: { scenario, limits }, tasks: null, stages })
  const search = await Search.open(world.folder, spec, { store })
  await giveScores(search, model)
  const [first, ...others] = batches.map(tableAt)
  search.give('profile', {
    files: { costs: await store.putJson('costs', first), otherCosts: await store.putJson('costs', others) },
  })
  return search
}
const outcomeOf = async (search: Search) => search.json<SolveOutcome>((await search.outputs('solve')).files.solutions)
const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing',
    (error: unknown) => (error as Error).message,
  )

/** Seconds, bytes and tokens/s of a model at a batch. @param ids  of options, by layer */
function uses(batch: number, ids: readonly string[]) {
  const { floor, attention, ffn } = tableAt(batch)
  const seconds = (own: CostTable['floor']) => own.prefillSeconds + own.decodeSeconds
  const sum = (of: (own: CostTable['floor']) => number) =>
    ids.reduce((n, id) => {
      const [a, f] = id.split('+') as [string, string]
      return n + of(attention[a]!) + of(ffn[f]!)
    }, of(floor))
  const time = sum(seconds)
  return { seconds: time, prefill: time / 4, bytes: sum((own) => own.memoryBytes), speed: (4 * batch) / time }
}
const parent = Array<string>(3).fill('parent+parent')

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
      return search.logged.filter((line) => line === 'this block has been timed on this machine before').length
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
    // The first of the list is no better than the last.
    const turned = await searchOf({}, {}, { ...anyBatch, batch: [...batches] })
    expect((await outcomeOf(turned)).batches!.child).toBe(8)
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
      "the parent's memory meets the limit at no batch: the child is compared with the parent at batch 8, the fastest",
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
          'throughput >= 15.5 tokens/s cannot be met: the best any choice reaches is 8, the limit is 15.5 (it lacks 93.8 % of runtime)',
      },
      { batch: 4, reason: 'The limits are met only without the margin of 5 %' },
    ])
    const { batches: dropped } = await outcomeOf(await searchOf({ throughput: '>= 31.5 tokens/s' }, { margin: '5%' }))
    expect(dropped!.child).toBe(8)
  })

  test('is infeasible only if no batch can meet the limits, and names the nearest, as does check-limits', async () => {
    const expected =
      'The limits cannot be met at any of the batches 2, 4 and 8; batch 8 comes nearest: throughput >= 40 tokens/s cannot be met: the best any choice reaches is 32, the limit is 40 (it lacks 25 % of runtime)'
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

describe('a child', () => {
  test('is measured at its batch beside the parent at the parent’s, and keeps both with its passes', async () => {
    const search = await searchOf({})
    const prepared = await (await Search.open(world.folder, tinySpec({ tasks: null }), { store })).outputs('prepare')
    const { fillings, inputs } = await untrainedChild(search, await search.parent())
    const measure = async (scenario: JsonObject) => {
      const plan: TaskPlan = {
        ...{ id: 'solution-1', label: '' },
        params: { fillings, repetitions: 1, items: 1, sequences: 2, retime: 0, threads: 1, scenarios: [scenario] },
        inputs: { ...inputs, validate: prepared.files.validate!, tasks: prepared.files.tasks! },
      } as never
      return (await search.run('evaluate', plan)).values as unknown as Evaluation<Measured>
    }
    const scenario = { prefill: 4, generate: 4 }
    const own = await measure({ ...scenario, batch: 4, parentBatch: 2 })
    const [two, four] = [await measure({ ...scenario, batch: 2 }), await measure({ ...scenario, batch: 4 })]
    expect(own.timing.batches).toEqual({ child: 4, parent: 2 })
    expect(two.timing).not.toHaveProperty('batches')
    expect(own.parent.memoryBytes).toBe(two.parent.memoryBytes)
    expect(own.child.memoryBytes).toBe(four.child.memoryBytes)
    expect(own.ratios.memory).toBe(four.child.memoryBytes / two.parent.memoryBytes)
    const { parent: before, child: after } = own.timing
    // Of one pair, or of an odd number, the median is one of the pairs.
    const ratios = before.map((seconds, i) => (4 * seconds) / (2 * after[i]!)).sort((a, b) => a - b)
    const middle = ratios.length >> 1
    const median = ratios.length % 2 === 1 ? ratios[middle]! : (ratios[middle - 1]! + ratios[middle]!) / 2
    expect(own.ratios.throughput).toBeCloseTo(median, 9)
  })
})

describe('a sweep', () => {
  const sweep = async (limit: JsonObject, values: readonly number[], limits: JsonObject = {}) => {
    const points = { limit, values: [...values] }
    const spec = tinySpec({
      space: fakeSpace,
      target: { scenario: anyBatch, limits },
      stages: {
        sweep: { uses: 'sweep', needs: ['score', 'profile', 'distill', 'depth'], with: points },
        measure: {
          uses: 'evaluate',
          needs: ['sweep', 'distill', 'profile', 'prepare'],
          with: { of: 'points', repetitions: 1, retime: 0, items: 4, sequences: 4, threads: 1 },
        },
        curve: { uses: 'curve', needs: ['sweep'], with: points },
      },
    })
    const opened = await Search.open(world.folder, spec, { store })
    await giveScores(opened, model)
    const [first, ...others] = batches.map(tableAt)
    opened.give('profile', {
      files: { costs: await store.putJson('costs', first), otherCosts: await store.putJson('costs', others) },
    })
    return opened
  }

  test('chooses the batch at each of its points, as a search does, and its curve says which', async () => {
    const values = [250, 320, 420, 500]
    const search = await sweep({ name: 'memory', bound: 'max', unit: 'bytes' }, values, { throughput: '>= 1.5x' })
    const { files } = await search.outputs('curve')
    const curve = await search.json<SweepCurve>(files.result)
    for (const point of curve.points) {
      if (!('predicted' in point)) throw new Error(`${point.limit} is ${point.status}`)
      const alone = await searchOf({ throughput: '>= 1.5x', memory: `<= ${point.value} B` })
      const { solutions, batches: chosen } = await outcomeOf(alone)
      expect(point.batches).toEqual({ child: chosen!.child, parent: chosen!.parent })
      expect(point.predicted.kl).toBeCloseTo(solutions[0]!.objective, 9)
      const reference = uses(chosen!.parent, parent)
      expect(point.predicted.ratios.throughput).toBeCloseTo(point.predicted.throughput / reference.speed, 9)
      expect(point.predicted.ratios.memory).toBeCloseTo(point.predicted.memoryBytes / reference.bytes, 9)
      expect(point.predicted.reaches).toBeCloseTo(point.predicted.memoryBytes, 9)
    }
    // The parent serves 2, 4 and 8 as its memory allows.
    expect(curve.points.map((point) => 'batches' in point && point.batches!.parent)).toEqual([2, 4, 4, 8])
    const validate = new Ajv2020({ allErrors: true, strict: false }).compile(readSchema('curve'))
    validate(curve)
    expect(validate.errors).toBeNull()
    const table = await readFile(await store.path(files['curve.csv']!), 'utf8')
    const [names, ...rows] = table.trim().split('\n')
    expect(names).toMatch(/,batch,parent_batch$/)
    expect(rows.map((row) => row.split(',').at(-1))).toEqual(['2', '4', '4', '8'])
  })

  test('says of a value that no batch meets which one comes nearest', async () => {
    const search = await sweep({ name: 'throughput', bound: 'min', unit: 'parent' }, [1, 29])
    const points = (await search.outputs('sweep')).values.points as unknown as SweepOutputs['values']['points']
    expect(points[0]).toMatchObject({ batches: { child: 8, parent: 8 } })
    // Without blocks, 32 tokens take a second: 28 times the parent's speed.
    expect(points[1]).toMatchObject({
      status: 'infeasible',
      reason: expect.stringContaining('batch 8 comes nearest') as string,
    })
  })

  test('measures a child once at the same batches, and again at others', () => {
    const solutionDigest = `sha256:${'a'.repeat(64)}`
    const names = [undefined, { child: 8, parent: 4 }, { child: 8, parent: 2 }, { child: 4, parent: 4 }].map((own) =>
      measurementOf({ solutionDigest, ...(own && { batches: own }) }),
    )
    expect(new Set(names).size).toBe(4)
    expect(names[0]).toBe('child-aaaaaaaaaaaaaaaa')
  })
})

describe('a search of the batch', () => {
  const stages = {
    ...brief({ sequences: 6, distill: 400, uptrain: 2000 }),
    solve: { solutions: 2 },
    refine: { evaluations: 2 },
  }
  const spec = (batch: readonly number[], limits: JsonObject): JsonObject =>
    tinySpec({
      space: { attention: ['parent', { block: 'linear' }, 'no-op'], ffn: [{ block: 'swiglu', width: [16] }, 'no-op'] },
      target: { scenario: { batch: [...batch], prefill: 4, generate: 4 }, limits },
      stages,
    })

  test('runs from end to end, and its result says at which batches and why', async () => {
    // The parent has 72,480 bytes of weights and 3,072 of keys and values for each sequence: 16 do not fit, but those of a child may.
    const bytes = 80_000
    const search = await Search.open(world.folder, spec([1, 2, 16], { memory: `<= ${bytes} B`, parameters: '<= 70%' }))
    for (const { name } of search.plan.stages) await search.outputs(name)
    const { files, values } = await search.outputs('report')
    const result = await search.json<Result & JsonObject>(files.result)
    const {
      batches: chosen,
      timing,
      scenario,
    } = result as unknown as {
      batches: NonNullable<SolveOutcome['batches']>
      timing: Evaluation['timing']
      scenario: JsonObject
    }
    expect(values.verdict).toBe('accepted')
    expect(chosen.considered.map(({ batch }) => batch)).toEqual([1, 2, 16])
    expect(timing.batches).toEqual({ child: chosen.child, parent: chosen.parent })
    expect(scenario).toEqual({ batch: chosen.child, prefill: 4, generate: 4 })
    expect(chosen.parentFits).toBe(true)
    expect(result.child.memoryBytes).toBeLessThanOrEqual(bytes)
    expect(result.parent.memoryBytes).toBe(72_480 + 3072 * chosen.parent)
    expect([1, 2]).toContain(chosen.parent)
    expect(result.ratios.memory).toBe(result.child.memoryBytes / result.parent.memoryBytes)
    const validate = new Ajv2020({ allErrors: true, strict: false }).compile(readSchema('result'))
    validate({ run: 'tiny', specDigest: digestBytes('spec'), ...result })
    expect(validate.errors).toBeNull()
    const page = await readFile(await search.store.path(files['report.md']!), 'utf8')
    expect(page).toContain('## Batches')
    expect(page).toContain(`| ${chosen.child}, chosen | `)
  })
})
