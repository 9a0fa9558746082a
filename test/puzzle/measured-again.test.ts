import { existsSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { becomesQuiet, measuredAgain, type Disturbable } from '../../puzzle/measured-again.js'
import { calibrationNote, profileNote } from '../../report/measurement-notes.js'
import { temporaryFolder } from '../temporary-folder.js'

const measured = (error: number, load: number, precise = false): Disturbable => ({ error, load, precise })

/** Measures these one after the other. @returns what counts, and how often it was waited for quiet */
async function measuring(results: readonly Disturbable[], quiet: boolean) {
  let [at, waits] = [0, 0]
  const value = await measuredAgain(
    async () => results[at++]!,
    async () => (waits++, quiet),
  )
  return { value, measurements: at, waits }
}

test('an imprecise measurement beside other programs is repeated when they are quiet, and the more precise one counts', async () => {
  const [disturbed, better, worse] = [measured(0.02, 0.6), measured(0.01, 0.05), measured(0.03, 0.05)]
  expect(await measuring([disturbed, better], true)).toEqual({
    value: { ...better, again: true },
    ...{ measurements: 2, waits: 1 },
  })
  expect((await measuring([disturbed, worse], true)).value).toEqual(disturbed)
  const precise = measured(0.03, 0.05, true)
  expect((await measuring([disturbed, precise], true)).value).toEqual({ ...precise, again: true })
})

test.each([
  ['that is precise', measured(0.02, 0.6, true), 0],
  ['in peace', measured(0.02, 0.1), 0],
  ['beside programs that do not become quiet', measured(0.02, 0.6), 1],
  ['in too short a time to see others', { error: 0.02, precise: false }, 0],
])('a measurement %s is not repeated', async (_, first, waits) => {
  expect(await measuring([first], false)).toEqual({ value: first, measurements: 1, waits })
})

/** Looks at a machine whose other programs use these shares, one after the other. */
async function waiting(machineState: string, loads: readonly number[], signal = new AbortController().signal) {
  let looks = 0
  const said: string[] = []
  const quiet = await becomesQuiet(
    0.62,
    { machineState, signal, progress: (_, text) => void said.push(text) },
    { others: () => () => loads[looks++] ?? loads.at(-1)!, pause: async () => signal.throwIfAborted() },
  )
  return { quiet, looks, said }
}

test('a task waits until other programs are quiet, and says so', async () => {
  const { said, ...found } = await waiting(temporaryFolder(), [0.62, 0.3, 0.04])
  expect(found).toEqual({ quiet: true, looks: 3 })
  expect(said.at(-1)).toBe('other programs use 30 % of the processors: waiting up to half a minute')
})

test('where they go on, it waits for a bounded time, and the next tasks do not wait for a while', async () => {
  const folder = temporaryFolder()
  expect(await waiting(folder, [0.62])).toMatchObject({ quiet: false, looks: 15 })
  expect(await waiting(folder, [0.04])).toMatchObject({ quiet: false, looks: 0 })
  const longAgo = new Date(Date.now() - 601_000)
  utimesSync(join(folder, 'profiles/waited-in-vain'), longAgo, longAgo)
  expect(await waiting(folder, [0.04])).toMatchObject({ quiet: true, looks: 1 })
})

test('a task that is cancelled does not wait on', async () => {
  const folder = temporaryFolder()
  await expect(waiting(folder, [0.62], AbortSignal.abort())).rejects.toThrow('aborted')
  expect(existsSync(join(folder, 'profiles/waited-in-vain'))).toBe(false)
})

test('the notes say what was measured again, and what was lost all the same', () => {
  expect(profileNote({ load: 0.12, again: 3 })).toEqual({
    text: 'Other programs used 12 % of the processors while the costs of blocks were measured. 3 measurements were repeated when they used less.',
    disturbed: false,
  })
  const { text, disturbed } = profileNote({ load: 0.12, again: 1, lost: ['ffn/linear'] })
  expect(disturbed).toBe(true)
  expect(text).toContain(
    'One measurement was repeated when they used less. The times of ffn/linear were lost in noise.',
  )
  expect(profileNote({ imprecise: { count: 3, of: 10 } })).toEqual({
    text: 'The costs of blocks were measured in too short a time to say what other programs used of the processors. 3 of 10 measurements are less precise than `stages.profile.precision` asks for.',
    disturbed: false,
  })
})

test('predictions that are far from whole models are said not to be relied on', () => {
  expect(calibrationNote({ children: 3, after: { largest: 0.05 } })).toMatch(/is within 5 % of the measured one\.$/)
  expect(calibrationNote({ children: 3, after: { largest: 4.2 } })).toMatch(
    /is within 420 % of the measured one, too far to rely on: `npx puzzleflow profile RUN --again` measures costs anew, best on a quiet machine\.$/,
  )
})
