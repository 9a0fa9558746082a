/** Runs of a part of a pipeline: `--from`, `--until`, `--only`. */
import { expect, test } from 'vitest'
import { selectStages, type Selection } from '../../cli/selection.js'
import { Failure } from '../../api/index.js'
import { loadPlugins } from './registry.js'
import { compile, rejection } from './rig.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker()

/** A chain with a branch: first -> middle -> last, and aside of first. */
const spec = (note = 'parts') => `
pipeline:
  stages:
    first: { uses: step, with: { note: ${note} } }
    middle: { uses: echo, needs: [first], with: { value: '\${{ stages.first.outputs.value }}' } }
    aside: { uses: echo, needs: [first], with: { aside: true } }
    last: { uses: echo, needs: [middle], with: { last: true } }
`
const select = async (selection: Selection, note?: string) =>
  selectStages(await compile(spec(note)), selection, rig.store, loadPlugins())
const chosen = async (selection: Selection) => {
  const { plan, given } = await select(selection)
  return { runs: plan.stages.map(({ name }) => name), given: Object.keys(given) }
}
const refused = async (selection: Selection, note?: string) => {
  const error = await rejection(select(selection, note))
  expect(error).toBeInstanceOf(Failure)
  const { kind, message, remedy } = error as Failure
  expect(kind).toBe('InvalidInput') // exit code 2
  return `${message}. ${remedy}`.replace(/run \S+ --until/, 'run SPEC --until')
}

test('what is needed and was never run is named, with what to run first', async () => {
  expect(await refused({ only: 'middle' })).toBe(
    'The store does not have the outputs of first. Run it first: `npx puzzleflow run SPEC --until first`.',
  )
  expect(await refused({ from: 'last' })).toBe(
    'The store does not have the outputs of middle. Run it first: `npx puzzleflow run SPEC --until middle`.',
  )
})

test('--until runs a stage and what it needs, the rest takes that from the store', async () => {
  const { plan, given } = await select({ until: 'middle' })
  expect({ runs: plan.stages.map(({ name }) => name), given }).toEqual({ runs: ['first', 'middle'], given: {} })
  const run = await rig.start('until', plan, { given })
  ;(await rig.steps.nextCall()).finish(7)
  expect(Object.keys(await rig.outputs(run))).toEqual(['first', 'middle'])

  const rest = await select({ only: 'last' })
  expect(rest.plan.digest).not.toBe(plan.digest)
  const outputs = await rig.outputs(await rig.start('only', rest.plan, { given: rest.given }))
  expect(outputs.middle!.values).toEqual({ params: { value: 7 }, needs: ['first'] })
  expect(outputs.last!.values).toEqual({ params: { last: true }, needs: ['middle'] })
  expect(rig.steps.waiting).toBe(0)
})

test('the parts are what their names say', async () => {
  expect(await chosen({})).toEqual({ runs: ['first', 'middle', 'aside', 'last'], given: [] })
  expect(await chosen({ from: 'middle' })).toEqual({ runs: ['middle', 'last'], given: ['first'] })
  expect(await chosen({ from: 'middle', until: 'middle' })).toEqual({ runs: ['middle'], given: ['first'] })
  expect(await chosen({ only: 'aside' })).toEqual({ runs: ['aside'], given: ['first'] })
  expect(await chosen({ until: 'first' })).toEqual({ runs: ['first'], given: [] })
})

test('what the store has of another spec does not count', async () => {
  expect(await refused({ only: 'middle' }, 'another')).toMatch(/^The store does not have the outputs of first\./)
})

test('parts that cannot be are refused', async () => {
  expect(await refused({ from: 'last', until: 'first' })).toBe(
    'No stage comes after last and before first. The order is first, middle, aside, last.',
  )
  expect(await refused({ from: 'aside', until: 'last' })).toMatch(/^No stage comes after aside and before last\./)
  expect(await refused({ only: 'last', from: 'first' })).toBe(
    '--only cannot be combined with --from or --until. Give one or the other.',
  )
  expect(await refused({ only: 'lst' })).toBe('There is no stage "lst". Stages: first, middle, aside, last.')
})
