/** A run that has ended, and not with what it was to find: of any pipeline whose stage says so. */
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'

vi.setConfig({ testTimeout: 240_000 })

const outcome = { ok: false, status: 'no bridge', text: 'No bridge holds: the best one carries 3 of 4 tonnes.' }
const spec = (file: string) => `apiVersion: puzzleflow/v1
name: bridge
pipeline:
  stages:
    judge: { uses: command, with: { command: [./judge.sh], sources: [./judge.sh], files: { said: ./${file} } } }
`
let place: Place
beforeAll(async () => {
  await testServer()
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-bridge-'))
  place = new Place(folder, inject('stateHome'))
  const write = (name: string, text: string, mode = 0o644) => writeFileSync(join(folder, name), text, { mode })
  write('said.json', JSON.stringify({ outcome }))
  write('broken.json', JSON.stringify({ outcome: { ok: false, status: 'No Bridge!' } }))
  write('judge.sh', '#!/bin/sh\nset -e\ncp inputs/said outputs/values.json\n', 0o755)
  write('said.yaml', spec('said.json'))
  write('broken.yaml', spec('broken.json').replace('judge:', 'judge:'))
}, serverTimeout)
afterAll(() => place.close())

const command = (file: string) => ['run', file, '--run', 'bridge', '--allow-plugin', '.'] as const

test('it has an exit code of its own, again as soon as it is asked for again, and says so wherever it is shown', async () => {
  const first = await place.run(...command('said.yaml'))
  expect(first.code, first.stderr).toBe(7)
  expect(first.stderr).toContain(`${outcome.text}\nWhat was found instead: ${place.folder}/runs/bridge\n`)
  expect(first.stderr).not.toContain('Done')
  const again = await place.run(...command('said.yaml'), '--json')
  expect(again.code, again.stderr).toBe(7)
  expect(JSON.parse(again.stdout)).toMatchObject({ run: 'bridge', stages: { judge: { outcome } } })
  expect(again.stderr).toContain(outcome.text)

  for (const asked of [
    ['result', 'bridge'],
    ['result', 'bridge', '--json'],
  ])
    expect((await place.run(...asked)).code, asked.join(' ')).toBe(7)
  const list = await place.run('list')
  expect({ code: list.code, words: list.stdout.split('\t').slice(0, 2) }).toEqual({
    code: 0,
    words: ['bridge', 'NO BRIDGE'],
  })
  expect((await place.run('status', 'bridge')).stdout).toMatch(/^bridge\tNO BRIDGE\t.*\n {2}No bridge holds: /)
  const watched = await place.run('watch', 'bridge', '--json')
  expect(watched.code).toBe(7)
  expect(JSON.parse(watched.stdout)).toMatchObject({ run: 'bridge', state: 'COMPLETED', outcome })
})

test('a later attempt that fails leaves nothing of the earlier one in its place', async () => {
  const failed = await place.run(...command('broken.yaml'))
  expect(failed.code, failed.stderr).toBe(4)
  const [, aside] = /The result of an earlier attempt is now in (.*)\.\n/.exec(failed.stderr) ?? []
  expect(aside).toMatch(/runs\/bridge\/earlier\/[0-9a-f]{12}$/)
  const said = await place.run('result', 'bridge', '--json')
  expect(said.code).toBe(4)
  const { error } = JSON.parse(said.stdout) as { error: { message: string } }
  expect(error.message).toBe(
    'The latest attempt of the run "bridge" failed: judge: The stage’s output values.outcome is not a valid outcome',
  )
  expect(readFileSync(join(aside!, 'result.json'), 'utf8')).toContain(outcome.text)
  expect(readdirSync(join(place.folder, 'runs/bridge'))).toEqual(['earlier'])
})
