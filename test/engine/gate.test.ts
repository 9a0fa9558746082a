/** A stage that waits for a person. */
import { expect, inject, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { commandLine, ensureServer } from '../../server/index.js'
import { Place } from '../cli/puzzleflow.js'
import { serverTimeout } from '../temporal.js'
import { rejection, type Handle } from './rig.js'
import { withOwnServer } from './own-server.js'
import { sharedRig } from './shared-rig.js'

const rig = await sharedRig()
await rig.startWorker()

/** A step, a gate that shows its value, and a stage behind it. */
const spec = (note: string, question = 'Good enough?') => `
pipeline:
  stages:
    first: { uses: step, with: { note: ${note} } }
    check:
      uses: approve
      needs: [first]
      with: { question: '${question}', show: { value: '\${{ stages.first.outputs.value }}' } }
    behind: { uses: echo, needs: [check] }
`
const asks = (run: Handle, on = rig) => on.until(run, ({ stages }) => stages[1]!.state === 'asking')
const approve = (run: Handle, answer: object = {}) =>
  run.executeUpdate('approve', { args: [{ stage: 'check', approved: true, by: 'ann', ...answer }] })

test('it waits, and shows its question with what it is about, until it is approved', async () => {
  const run = await rig.run('approved', spec('approved'))
  ;(await rig.steps.nextCall()).finish(7)
  const { stages } = await asks(run)
  expect(stages.map(({ state }) => state)).toEqual(['done', 'asking', 'waiting'])
  expect(await rig.status(run)).toBe('needs approval')
  expect(await rig.attribute(run, 'PuzzleStage')).toBe('check')
  expect(await rig.details(run)).toContain(
    '**check waits for approval**: Good enough? value: 7. Answer: `npx puzzleflow approve approved check`.',
  )
  const { stdout } = await new Place(rig.folder, inject('stateHome')).run('status', 'approved')
  expect(stdout).toContain('    Good enough? value: 7. Answer: npx puzzleflow approve approved check\n')
  expect(await approve(run)).toBe('check is approved.')
  expect((await rig.outputs(run)).behind!.values).toEqual({ params: {}, needs: ['check'] })
})

test('the answer holds for another run with the same inputs, whoever gave it and when', async () => {
  const run = await rig.run('another', spec('approved'))
  expect((await rig.outputs(run)).check!.values).toEqual({ approved: true })
  expect(await rig.progress(run)).toMatchObject({ behind: '1 done, 1 reused' })
})

test('it is asked again when the question is another, or what it depends on has changed', async () => {
  const asked = await rig.run('asked', spec('approved', 'And now?'))
  await asks(asked)
  await asked.cancel()
  const changed = await rig.run('changed', spec('changed'))
  ;(await rig.steps.nextCall()).finish(8)
  expect((await asks(changed)).stages[1]!.question).toBe('Good enough? value: 8.')
  await changed.cancel()
})

test('a refusal ends the run with the comment, and the next run asks again', async () => {
  const run = await rig.run('refused', spec('refused'))
  await rig.steps.finish(1)
  await asks(run)
  expect(await approve(run, { approved: false, comment: 'Too slow.' })).toBe('check is refused.')
  expect(explain(await rejection(run.result())).json).toEqual({
    kind: 'TaskFailed',
    exitCode: 4,
    message: 'Stage check was not approved: Too slow.',
    remedy: 'Change the spec, or run the same command to be asked again.',
  })
  const again = await rig.run('refused', spec('refused'))
  await asks(again)
  await approve(again)
  await again.result()
})

test(
  'the question outlasts the worker and the server',
  () =>
    withOwnServer(async (rig, { address, pid }) => {
      const worker = await rig.startWorker()
      const run = await rig.run('outlasts', spec('outlasts'))
      await rig.steps.finish(1)
      await asks(run, rig)
      await worker.kill()
      process.kill(pid, 'SIGKILL')
      while (commandLine(pid) !== '') await new Promise(setImmediate)
      expect((await ensureServer({ log: () => undefined })).address).toBe(address)
      await rig.startWorker()
      expect((await asks(run, rig)).stages[1]!.question).toBe('Good enough? value: 1.')
      await approve(run)
      await run.result()
    }),
  serverTimeout,
)
