import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { JsonObject, TaskPlan } from '../../api/index.js'
import type { Evaluation, Measured } from '../../puzzle/evaluation.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { SweepCurve } from '../../puzzle/sweep-curve.js'
import { measurementOf, type SweepOutputs } from '../../puzzle/sweep-point.js'
import type { Result } from '../../report/markdown.js'
import { readSchema } from '../../schemas/read.js'
import { digestBytes } from '../../store/digest.js'
import { FileStore } from '../../store/index.js'
import { anyBatch, openSearch, outcomeOf, parent, uses } from './batch-costs.js'
import { untrainedChild } from './children.js'
import { sweepStages } from './sweep-stages.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const store = new FileStore(temporaryFolder())

describe('a child', () => {
  test('is measured at its batch beside the parent at the parent’s, and keeps both with its passes', async () => {
    const search = await openSearch(world, store, { target: { scenario: anyBatch } })
    const prepared = await (await Search.open(world.folder, tinySpec({ tasks: null }), { store })).outputs('prepare')
    const { fillings, inputs } = await untrainedChild(search, await search.parent())
    const measure = async (scenario: JsonObject) => {
      const plan: TaskPlan = {
        ...{ id: 'solution-1', label: '' },
        params: { fillings, repetitions: 1, items: 1, sequences: 2, retime: 0, threads: 1, scenarios: [scenario] },
        inputs: { ...inputs, validate: prepared.files.validate!, tasks: prepared.files.tasks! },
      }
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
  const sweep = (limit: JsonObject, values: readonly number[], limits: JsonObject = {}) => {
    return openSearch(world, store, { target: { scenario: anyBatch, limits }, stages: sweepStages(limit, values) })
  }

  test('chooses the batch at each of its points, as a search does, and its curve says which', async () => {
    const values = [250, 320, 420, 500]
    const search = await sweep({ name: 'memory', bound: 'max', unit: 'bytes' }, values, { throughput: '>= 1.5x' })
    const { files } = await search.outputs('curve')
    const curve = await search.json<SweepCurve>(files.result)
    for (const point of curve.points) {
      if (!('predicted' in point)) throw new Error(`${point.limit} is ${point.status}`)
      const alone = await openSearch(world, store, {
        target: { scenario: anyBatch, limits: { throughput: '>= 1.5x', memory: `<= ${point.value} B` } },
        stages: { solve: { solutions: 1, margin: 0 } },
      })
      const { solutions, batches: chosen } = await outcomeOf(alone)
      expect(point.batches).toEqual({ child: chosen!.child, parent: chosen!.parent })
      expect(point.predicted.kl).toBeCloseTo(solutions[0]!.objective, 9)
      const reference = uses(chosen!.parent, parent)
      expect(point.predicted.ratios.throughput).toBeCloseTo(point.predicted.throughput / reference.speed, 9)
      expect(point.predicted.ratios.memory).toBeCloseTo(point.predicted.memoryBytes / reference.bytes, 9)
      expect(point.predicted.reaches).toBeCloseTo(point.predicted.memoryBytes, 9)
    }
    // The parent serves 2, 4 and 8 as its memory allows.
    expect(curve.points.map((point) => 'batches' in point && point.batches?.parent)).toEqual([2, 4, 4, 8])
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
