import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JsonObject, TaskPlan } from '../../api/index.js'
import type { RefineOutputs, ScoreOutputs } from '../../puzzle/hand-over.js'
import { assemble, type Filling } from '../../puzzle/library.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import { FileStore } from '../../store/index.js'
import { compare } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { readSequences } from '../../data/sequences.js'
import { greedy, textsOf, tinySpec, tinyWorld, words } from './world.js'

const world = await tinyWorld()
const store = new FileStore(temporaryFolder())
const machineState = temporaryFolder()
const open = (score: JsonObject) =>
  Search.open(
    world.folder,
    tinySpec({
      space: { attention: ['parent', { block: 'linear' }, 'no-op'], ffn: ['parent', 'no-op'] },
      stages: {
        prepare: { testShare: '0%' },
        profile: { repetitions: 1, precision: '100%', copies: 1, children: 0 },
        capture: { validateSequences: 6 },
        distill: { tokens: 300, batch: 4 },
        score: { sequences: 6, pairs: 1, ...score },
        refine: { evaluations: 6, sequences: 6, items: 6 },
      },
    }),
    { store, machineState },
  )
const byKl = await open({})
const parent = await byKl.parent()
const { files } = await byKl.outputs('capture')
const texts = textsOf(await readSequences(byKl.environment([]), files['validate-tokens']!, 6))
const rowOf = async (search: Search, task: TaskPlan) => (await search.run('score', task)).values as unknown as ScoreRow

function child({ params, inputs }: TaskPlan) {
  const { attention, ffn } = params as unknown as { attention: Filling; ffn: Filling }
  return assemble(parent, [attention, ffn], inputs, byKl.environment([]))
}

test('by the KL, tasks and rows are as without a choice', async () => {
  for (const task of await byKl.tasks('score')) {
    expect(task.params).not.toHaveProperty('objective')
    expect(await rowOf(byKl, task)).not.toHaveProperty('judged')
  }
  const { objective } = (await byKl.outputs('score')).values as unknown as ScoreOutputs['values']
  expect(objective).toEqual({ name: 'kl', direction: 'minimise', parent: 0 })
})

test.each([
  ['loss', 'lossDelta'],
  ['hidden-state-error', 'nmse'],
] as const)('by %s, degradations are what whole forwards of child and parent say', async (objective, measure) => {
  const search = await open({ objective })
  const [task] = (await search.tasks('score')).filter(({ id }) => id === 'layer01/attention/no-op+parent')
  const { judged } = await rowOf(search, task!)
  const expected = (await compare(parent, child(task!), texts))[measure]
  expect(judged!.degradation).toBeCloseTo(expected, 3)
})

test('by accuracy, degradations are lost shares of right answers, and the solver adds those up', async () => {
  const search = await open({ objective: 'accuracy', items: 6 })
  const task = (await search.tasks('score')).find(({ id }) => id === 'layer00/attention/no-op+parent')!
  const { judged, kl } = await rowOf(search, task)
  const own = child(task)
  const shares = await Promise.all(
    ['one', 'two'].map(async (name) => {
      const items = readFileSync(join(world.folder, `tasks/${name}.jsonl`), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { prompt: string; answer: string })
      const prompts = items.map(({ prompt }) => [1, ...prompt.split(' ').map((word) => words.indexOf(word))])
      const of = async (model: typeof parent) => {
        const said = await greedy(model, prompts, 2)
        return (
          items.filter(({ answer }, i) => said[i]!.map((id) => words[id]).join(' ') === answer).length / items.length
        )
      }
      return { parent: await of(parent), child: await of(own) }
    }),
  )
  const mean = (side: 'parent' | 'child') => (shares[0]![side] + shares[1]![side]) / 2
  expect(judged!.parent).toBeCloseTo(mean('parent'), 9)
  expect(judged!.degradation).toBeCloseTo(mean('parent') - mean('child') + 1e-3 * kl, 9)
  const { objective } = (await search.outputs('score')).values as unknown as ScoreOutputs['values']
  expect(objective).toEqual({ name: 'accuracy', direction: 'maximise', parent: judged!.parent })
  const refined = (await search.outputs('refine')).values as unknown as RefineOutputs['values']
  expect(refined.after).toBeLessThanOrEqual(refined.best!)
})
