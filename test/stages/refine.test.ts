import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AssemblyMeter } from '../../puzzle/assembly-meter.js'
import type { CapturedFiles } from '../../puzzle/captured.js'
import type { RefineOutputs } from '../../puzzle/hand-over.js'
import { parameterCount } from '../../puzzle/costs.js'
import { chosenModel, type LibraryEntry } from '../../puzzle/library.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { JsonObject } from '../../api/index.js'
import { onlyTask } from '../../lineage/keys.js'
import { FileStore } from '../../store/index.js'
import { readSequences } from '../../data/sequences.js'
import { compare } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const spec = (refine: JsonObject, more: JsonObject = {}): JsonObject =>
  tinySpec({
    stages: {
      profile: { repetitions: 1, precision: '100%', copies: 1, children: 0 },
      capture: { validateSequences: 7 },
      distill: { tokens: 300, batch: 4 },
      score: { sequences: 7 },
      solve: { solutions: 2 },
      refine,
      ...more,
    },
  })
const store = new FileStore(temporaryFolder())
const machineState = temporaryFolder()
const open = (refine: JsonObject, own = store) => Search.open(world.folder, spec(refine), { store: own, machineState })
// Seven sequences by threes: the last chunk overlaps with the one before.
const search = await open({ evaluations: 20, sequences: 7, batch: 3 })
const refined = (await search.outputs('refine')) as unknown as RefineOutputs
const { solutions } = await search.json<SolveOutcome>(refined.files.solutions)
const solved = await search.json<SolveOutcome>((await search.outputs('solve')).files.solutions)
const library = new Map(
  (await search.json<LibraryEntry[]>((await search.outputs('distill')).files.library)).map((own) => [own.id, own]),
)
const parent = await search.parent()
const captured = (await search.outputs('capture')).files as CapturedFiles
const texts = textsOf(await readSequences(search.environment([]), captured['validate-tokens']!, 7))

test('the KL of a child is what whole forwards of child and parent say', async () => {
  const { choice, objective } = solutions[0]!
  const { child } = chosenModel(parent, library, choice, search.environment([]))
  const { kl } = await compare(parent, child, texts)
  // The parent's last states come from the store, in half precision.
  expect(Math.abs(objective - kl)).toBeLessThan(1e-2 * kl + 1e-6)
})

test('no solution of the solver is better than the first of the refined', () => {
  expect(refined.values.after).toBeLessThanOrEqual(refined.values.best!)
  expect(solutions[0]!.objective).toBe(refined.values.after)
  expect(refined.values.evaluations).toBeLessThanOrEqual(20)
  expect(solutions.length).toBeLessThanOrEqual(solved.solutions.length)
  for (const { predicted } of solutions) expect(predicted.parameters).toBeLessThanOrEqual(0.7 * parameterCount(parent))
})

test('a measurement that begins where children differ has the same bits as one from the start', async () => {
  const options = { sequences: 7, batch: 3, threads: 1 }
  const fresh = () => AssemblyMeter.open(search.environment([]), parent, library, captured, options)
  const base = solved.solutions[0]!.choice
  const other = base.map((own, i) =>
    i === 2 ? { attention: 'layer02/attention/no-op', ffn: 'layer02/ffn/no-op' } : own,
  )
  const meter = await fresh()
  await meter.measure(base)
  expect(await meter.measure(other)).toEqual(await (await fresh()).measure(other))
})

test('the memory that hidden states may take does not change what is measured', async () => {
  const options = { sequences: 7, batch: 3, threads: 1 }
  const of = async (memory?: number) => {
    const meter = await AssemblyMeter.open(search.environment([]), parent, library, captured, {
      ...options,
      ...(memory !== undefined && { memory }),
    })
    await meter.measure(solved.solutions[0]!.choice)
    return meter.measure(solved.solutions[0]!.choice)
  }
  expect(await of(0)).toEqual(await of())
})

test('with no evaluations the solutions stay as they were solved', async () => {
  const none = await open({ evaluations: 0 })
  expect(await none.outputs('refine')).toEqual({ values: { evaluations: 0 }, files: {} })
  const [task] = await none.tasks('evaluate')
  expect(JSON.stringify(task!.params)).toContain(solved.solutions[0]!.choice[0]!.attention)
})

test('an interrupted search goes on with what it has measured, to the same end', async () => {
  const other = await open({ evaluations: 20, sequences: 7, batch: 3 }, new FileStore(temporaryFolder()))
  const task = onlyTask('refine')
  const stop = new AbortController()
  let reported = 0
  const progress = () => {
    reported++
    if (reported === 5) stop.abort(new Error('stopped'))
  }
  await expect(other.run('refine', task, { signal: stop.signal, progress })).rejects.toThrow('stopped')
  const file = join(await other.store.checkpoint(await other.key('refine', task)), 'measured.json')
  expect(existsSync(file)).toBe(true)
  const measured = (JSON.parse(readFileSync(file, 'utf8')) as unknown[]).length
  expect(measured).toBeGreaterThan(4)
  const outputs = await other.run('refine', task)
  expect(outputs.values).toEqual(refined.values)
  expect(outputs.files.scores).toEqual(refined.files.scores)
  // Times that were measured again may differ.
  const found = (await other.json<SolveOutcome>(outputs.files.solutions)).solutions
  expect(found.map(({ choice, objective }) => ({ choice, objective }))).toEqual(
    solutions.map(({ choice, objective }) => ({ choice, objective })),
  )
})

test('later stages measure and select refined solutions', async () => {
  const tasks = await search.tasks('evaluate')
  expect(tasks).toHaveLength(solutions.length)
})
