import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { JsonObject, TaskPlan } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { Evaluation, Measured } from '../../puzzle/evaluation.js'
import { decided, judgeLimits } from '../../puzzle/judge-limits.js'
import type { Limit } from '../../puzzle/limit.js'
import { timer, type PairedPasses } from '../../puzzle/speed.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import { readSchema } from '../../schemas/read.js'
import { digestBytes } from '../../store/digest.js'
import { FileStore } from '../../store/index.js'
import { openModel } from '../../model/index.js'
import { blocks, openTiny } from '../model/tiny.js'
import { untrainedChild } from './children.js'
import { cost, costTable, fakeRef, fakeSpace, giveScores } from './fakes.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const model = await openTiny()
const store = new FileStore(temporaryFolder())
const chat = { batch: 2, prefill: 4, generate: 4 }
const offline = { batch: 4, prefill: 2, generate: 8 }
const scenarios = (limits: { readonly chat?: JsonObject; readonly offline?: JsonObject } = {}): JsonObject => ({
  // Not in the order of the names.
  offline: { ...offline, limits: limits.offline ?? {} },
  chat: { ...chat, limits: limits.chat ?? {} },
})
/** In the other scenario attention is dear and FFNs are cheap: 2 + 3 x (6 + 1) = 23 seconds, 100 + 3 x (90 + 20) = 430 bytes. */
const otherTable: CostTable = {
  ...costTable,
  scenario: offline,
  floor: cost(2, 100, 10),
  attention: { parent: cost(6, 90, 300), linear: cost(5, 10, 50), 'no-op': cost(0) },
  ffn: { parent: cost(1, 20, 200), 'swiglu-16': cost(0.5, 8, 80), 'no-op': cost(0) },
}

async function searchOf(target: JsonObject, stages: JsonObject = {}): Promise<Search> {
  const solve = { solutions: 1, margin: 0 }
  const spec = tinySpec({ space: { ...fakeSpace }, target, tasks: null, stages: { solve, ...stages } })
  const search = await Search.open(world.folder, spec, { store })
  await giveScores(search, model)
  search.give('profile', {
    files: { costs: await store.putJson('costs', costTable), otherCosts: await store.putJson('costs', [otherTable]) },
  })
  return search
}
const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing',
    (error: unknown) => (error as Error).message,
  )

describe('several scenarios', () => {
  test('are each profiled; one without a name is profiled as ever', async () => {
    const open = async (target: JsonObject) => {
      const search = await Search.open(world.folder, tinySpec({ space: { ...fakeSpace }, target }), { store })
      search.give('prepare', {})
      return { search, tasks: await search.tasks('profile') }
    }
    const single = await open({ scenario: chat })
    const several = await open({ scenarios: scenarios() })
    const ids = single.tasks.map(({ id }) => id)
    expect(several.tasks.map(({ id }) => id)).toEqual([...ids, ...ids.map((id) => `offline:${id}`)])
    expect(single.tasks.every(({ params }) => !('scenario' in params))).toBe(true)
    expect(several.tasks.map(({ params }) => params.scenario)).toEqual([
      ...ids.map(() => chat),
      ...ids.map(() => offline),
    ])

    const seconds = (index: number) => ({ prefillSeconds: 1 + index, decodeSeconds: 2 + index })
    const gathered = await several.search.gather(
      'profile',
      several.tasks.map((plan) => {
        const first = seconds(plan.id.startsWith('offline:') ? 1 : 0)
        return { plan, outputs: { values: { fingerprint: {}, first, second: first, error: 0, passes: 8 }, files: {} } }
      }),
    )
    const one = await several.search.json<CostTable>(gathered.files.costs)
    const [other] = await several.search.json<readonly CostTable[]>(gathered.files.otherCosts)
    expect([one.scenario, other!.scenario]).toEqual([chat, offline])
    expect(one.floor.prefillSeconds).toBeLessThan(other!.floor.prefillSeconds)
    // Keys and values of twice as many sequences of 10 tokens instead of 8, in float32.
    const cache = 2 * 2 * 8 * 4
    expect(other!.attention.parent!.memoryBytes - one.attention.parent!.memoryBytes).toBe(cache * (4 * 10 - 2 * 8))
  })

  test('are each bounded: the best choice meets the limits of all', async () => {
    const limits = { chat: { throughput: '>= 1.2x' }, offline: { memory: '<= 60%', latency: '<= 70%' } }
    const search = await searchOf({ scenarios: scenarios(limits) })
    const { files } = await search.outputs('solve')
    const [solution] = (await search.json<SolveOutcome>(files.solutions)).solutions
    const use = (table: CostTable, of: (own: CostTable['floor']) => number) =>
      solution!.choice.reduce(
        (sum, own) =>
          (['attention', 'ffn'] as const).reduce((n, slot) => {
            const variant = own[slot].split('/')[2]!.split('+')[0]!
            return n + of(table[slot][variant]!)
          }, sum),
        of(table.floor),
      )
    const seconds = (own: CostTable['floor']) => own.prefillSeconds + own.decodeSeconds
    expect(use(costTable, seconds)).toBeLessThanOrEqual(16 / 1.2)
    expect(use(otherTable, seconds)).toBeLessThanOrEqual(0.7 * 23)
    expect(use(otherTable, (own) => own.memoryBytes)).toBeLessThanOrEqual(0.6 * 430)
    // The first scenario alone would be content with less.
    const alone = await searchOf({ scenarios: scenarios({ chat: limits.chat }) })
    const [free] = (await alone.json<SolveOutcome>((await alone.outputs('solve')).files.solutions)).solutions
    expect(free!.objective).toBeLessThan(solution!.objective)
    const problem = await search.json<{ limits: { cost: string }[] }>(files.problem)
    expect(problem.limits.map((own) => own.cost)).toEqual(['runtime', 'offline.memory', 'offline.runtime'])
  })

  test('have their names in what cannot be met', async () => {
    const impossible = { chat: { latency: '<= 1 h' }, offline: { memory: '<= 99 B', throughput: '>= 20 tokens/s' } }
    const search = await searchOf({ scenarios: scenarios(impossible) })
    const expected =
      'offline: memory <= 99 bytes cannot be met: the best any choice reaches is 100, the limit is 99 (over by 1.01 % in memory); ' +
      'offline: throughput >= 20 tokens/s cannot be met: the best any choice reaches is 16, the limit is 20 (over by 25 % in runtime)'
    expect(await message(search.outputs('check-limits'))).toBe(expected)
    expect(await message(search.outputs('solve'))).toBe(expected)
  })
})

describe('what stands beside scenarios', () => {
  test.each<[JsonObject, RegExp]>([
    [{ scenarios: scenarios(), scenario: chat }, /beside-scenarios The target has both scenario and scenarios/],
    [{ scenarios: scenarios(), limits: { memory: '<= 70%' } }, /beside-scenarios With several scenarios, each has/],
    [{ limits: {} }, /missing-key target lacks the key "scenario"/],
    [{ scenarios: { '1 st': chat } }, /"1 st" is not a valid name/],
    [{ scenarios: scenarios({ chat: { memory: '70' } }) }, /target.scenarios.chat.limits.memory: "70" is not a valid/],
    [{ scenarios: { chat: { ...chat, cache: 'int8' } } }, /no-such-cache/],
    [{ scenarios: { chat: { ...chat, batches: 3 } } }, /target.scenarios.chat has no key "batches"/],
    [
      { scenarios: { one: { ...chat, generate: 1, limits: { tokenLatency: '<= 1 s' } } } },
      /nothing-decoded The scenario generates one token/,
    ],
  ])('%j is refused', async (target, expected) => {
    expect(await message(Search.open(world.folder, tinySpec({ target })))).toMatch(expected)
  })
})

/** A search whose child has been measured in both scenarios by this machine. */
const measuring = { repetitions: 1, items: 1, sequences: 2, retime: 0 }
const target = (limits: Parameters<typeof scenarios>[0]): JsonObject => ({ scenarios: scenarios(limits) })

describe('a child', () => {
  const measured = async () => {
    const search = await searchOf(target({}))
    const prepared = await (await Search.open(world.folder, tinySpec({ tasks: null }), { store })).outputs('prepare')
    search.give('prepare', prepared)
    const { fillings, inputs } = await untrainedChild(search, await search.parent())
    const plan: TaskPlan = {
      ...{ id: 'solution-1', label: '' },
      params: { fillings, ...measuring, threads: 1, scenarios: [chat, offline] },
      inputs: { ...inputs, validate: prepared.files.validate!, tasks: prepared.files.tasks! },
    }
    return (await search.run('evaluate', plan)).values as unknown as Evaluation<Measured>
  }
  const evaluation = measured()

  test('is measured in each scenario beside its parent', async () => {
    const { others, timing, ratios, child, parent } = await evaluation
    expect(others).toHaveLength(1)
    const [other] = others!
    expect(other!.timing.child.length).toBe(timing.child.length)
    expect(other!.timing.child).not.toEqual(timing.child)
    // Twice the sequences, and 10 tokens instead of 8.
    const cache = 4 * 2 * 2 * 8 * (4 * 10 - 2 * 8)
    expect(other!.parent.memoryBytes - parent.memoryBytes).toBe(3 * cache)
    expect(other!.child.memoryBytes - child.memoryBytes).toBe(2 * cache)
    expect(other!.ratios.memory).toBe(other!.child.memoryBytes / other!.parent.memoryBytes)
    expect(other!.ratios.memory).not.toBe(ratios.memory)
    expect(other!.child.throughput.measured).toBeGreaterThan(0)
  })

  test('is timed again only in the scenario whose limit is open', async () => {
    const seconds = (of: (i: number) => number) => Array.from({ length: 16 }, (_, i) => of(i))
    const passes = (child: (i: number) => number): PairedPasses => {
      const prefill = { parent: seconds(() => 1), child: seconds(() => 1) }
      return { parent: seconds(() => 4), child: seconds(child), prefill, error: 0.025, sessions: 1 }
    }
    const own = await evaluation
    const before = {
      ...{ ...own, timing: passes(() => 2) },
      others: [{ ...own.others![0]!, timing: passes((i) => (i % 2 === 0 ? 1.8 : 2.2)) }],
    }
    const limit = (index: number, name: string): Limit => ({
      ...{ name: 'throughput', bound: 'min', value: index === 0 ? 1.9 : 2, unit: 'parent', scenario: { name, index } },
    })
    const limits = [limit(0, 'chat'), limit(1, 'offline')]
    const parent = await openModel(world.parent, blocks)
    const deciding = { limits, retime: 1, repetitions: 1 }
    const after = await decided(
      before,
      timer(() => [parent, parent], 1),
      [chat, offline],
      deciding,
    )
    expect([after.timing.sessions, after.others[0]!.timing.sessions]).toEqual([1, 2])
    expect(after.others[0]!.timing.child).toHaveLength(32)
    expect(judgeLimits(limits, [chat, offline], after).map(({ limit: text, held }) => [text, held])).toEqual([
      ['chat: throughput >= 1.9x of the parent', true],
      ['offline: throughput >= 2x of the parent', false],
    ])
  })

  test('is selected and judged by the limits of every scenario, and the result has all of them', async () => {
    const own = await evaluation
    const share = own.others![0]!.ratios.memory
    // Met by the first scenario's memory, and missed by the other's; no limit on time, which this machine would decide.
    const search = await searchOf(
      target({ chat: { memory: '<= 100%' }, offline: { memory: `<= ${100 * share * 0.9}%`, parameters: '<= 99%' } }),
      { select: { ...measuring, rounds: 0 }, uptrain: false, 'evaluate-child': false, export: false },
    )
    const choice = [0, 1, 2].map((layer) => ({
      attention: `layer0${layer}/attention/parent`,
      ffn: `layer0${layer}/ffn/no-op`,
    }))
    const predicted = { throughput: 1, runtime: 1, memoryBytes: 1, parameters: 1 }
    const proof = { objective: 0.04, bound: 0.04, gap: 0, seconds: 0.5 }
    const outcome = {
      ...{ status: 'optimal', composition: 'sum', proofs: [proof], baselines: {}, secondOpinion: { verdict: 'none' } },
      solutions: [{ choice, objective: 0.1, predicted }],
    }
    search.give('solve', { files: { solutions: await store.putJson('solutions', outcome) } })
    search.give('prepare', { files: { train: fakeRef('train'), validate: fakeRef('v'), tasks: fakeRef('t') } })
    const gathered = await search.gather('evaluate', [
      {
        plan: { id: 'solution-1', label: '', params: {}, inputs: {} },
        outputs: { values: { ...own } as never, files: {} },
      },
    ])
    const [predictedToo] = gathered.values.evaluations as unknown as Evaluation[]
    // The floor and 3 attentions: 4 x 8 tokens in 2 + 18 seconds; a quarter of these is prefill.
    expect(predictedToo!.others![0]!.child.throughput.predicted).toBeCloseTo(32 / 20, 12)
    expect(predictedToo!.others![0]!.child.prefill.predicted).toBeCloseTo(5, 12)
    search.give('evaluate', gathered)
    const { values } = await search.outputs('select')
    expect(values.limitsHeld).toBe(false)
    search.give('improve', { values: { attempts: [] } })
    search.give('depth', { values: { removed: [], evidence: [] } })
    const { files, values: verdict } = await search.outputs('report')
    expect(verdict.reasons).toEqual([
      expect.stringMatching(/^offline: memory <= \S+x of the parent is not met: the actual value is /),
    ])
    const result = await search.json<JsonObject & { scenarios: Record<string, JsonObject> }>(files.result)
    expect(Object.keys(result.scenarios)).toEqual(['chat', 'offline'])
    expect(result.scenario).toEqual(chat)
    expect(result.scenarios.offline).toMatchObject({
      scenario: offline,
      ratios: { memory: share },
      limits: [{ held: false }, { held: true }],
    })
    const validate = new Ajv2020({ allErrors: true, strict: false }).compile(readSchema('result'))
    validate({ run: 'tiny', specDigest: digestBytes('spec'), ...result })
    expect(validate.errors).toBeNull()
    const page = await readFile(await store.path(files['report.md']!), 'utf8')
    expect(page).toContain('- offline: 4 sequences of 2 prompt tokens and 8 generated ones')
    expect(page).toMatch(/\| offline \| throughput, tokens\/s \| \S+ \| \S+ \| \S+ \|/)
  })
})
