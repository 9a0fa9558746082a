/** Control commands on a search that runs. */
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

// A worker begins and loads the model, beside other tests.
vi.setConfig({ testTimeout: 300_000 })

let place: Place
beforeAll(async () => {
  await testServer()
  place = new Place(await writeTinySearch(), inject('stateHome'))
}, serverTimeout)
afterAll(() => place.close())

const says = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await place.run(...args)
  return { code, text: (code === 0 ? stdout : stderr).trimEnd() }
}

test('a run is paused, shown as paused, and cancelled; what makes no sense is refused with exit code 2 and what to do', async () => {
  await place.run('run', 'search.yaml', '--set', 'stages.distill.tokens=100M', '--detach')
  expect(await says('pause', 'tiny')).toEqual({ code: 0, text: 'Paused: running tasks save a checkpoint and stop.' })
  const remedy = 'Remedy: See where it stands: `npx puzzleflow status tiny`.'
  expect(await says('pause', 'tiny')).toEqual({ code: 2, text: `tiny: It is already paused.\n${remedy}` })
  expect((await says('status', 'tiny')).text).toMatch(/^tiny\tPAUSED\t/)
  expect(await says('concurrency', 'tiny', '2000')).toEqual({
    code: 2,
    text: `tiny: It must be a whole number from 1 to 1000.\n${remedy}`,
  })
  expect((await says('concurrency', 'tiny', '0')).code).toBe(2)
  expect(await says('skip', 'tiny', 'nothing/at-all')).toEqual({
    code: 2,
    text: `tiny: No stage has the task "nothing/at-all": task names look like prepare/TASK.\n${remedy}`,
  })
  expect(await says('approve', 'tiny', 'solve')).toEqual({
    code: 2,
    text: `tiny: Stage solve does not wait for approval.\n${remedy}`,
  })
  const { stdout } = await place.run('concurrency', 'tiny', '5', '--json')
  expect(JSON.parse(stdout)).toEqual({ run: 'tiny', concurrency: 5, answer: 'At most 5 tasks in flight.' })
  expect(await says('cancel', 'tiny')).toEqual({ code: 0, text: 'Cancelling: finished work is kept.' })
  const { code, stderr } = await place.run('watch', 'tiny')
  expect({ code, stderr }, stderr).toMatchObject({ code: 130 })
  expect(await says('resume', 'tiny')).toEqual({
    code: 2,
    text: `The run "tiny" was cancelled\nRemedy: Start it with \`npx puzzleflow run ${place.folder}/search.yaml --set stages.distill.tokens=100M --run tiny\`.`,
  })
  expect((await says('status', 'tiny')).text).toMatch(/^tiny\tCANCELLED\t/)
})

test('a run that has ended takes no answer: it says so, and where its result is', async () => {
  await place.run('run', 'search.yaml', '--until', 'prepare', '--run', 'ended')
  const { code, text } = await says('approve', 'ended', 'solve')
  expect(code).toBe(2)
  expect(text).toMatch(
    /^The run "ended" has ended, and takes no more messages\nRemedy: See what it found with `npx puzzleflow result ended`, or run it again with `npx puzzleflow run .*`\.$/,
  )
})
