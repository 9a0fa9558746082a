import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { runHere } from '../cli/here.js'
import { Place } from '../cli/puzzleflow.js'

const root = join(packageRoot(), 'examples')
const place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-examples-')))
afterAll(() => place.close())

test.each(readdirSync(root))('example %s has a README that names what it is', (name) => {
  const readme = join(root, name, 'README.md')
  expect(existsSync(readme)).toBe(true)
  expect(readFileSync(readme, 'utf8')).toMatch(/^# \w.*\n\n\S/)
})

const specs = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => /^[^/]+\/[^/]+\.yaml$/.test(path))
  .sort()

/** What is not in the repository, or not installed everywhere. */
const absent: Readonly<Record<string, readonly string[]>> = {
  'gemma-3-270m/decode.yaml': ['missing-file'],
  'gemma-3-270m/search.yaml': ['missing-file'],
  'llama-cpp/search.yaml': ['no-engine'],
  'quickstart/train.yaml': ['missing-file'],
}

test.each(specs)('spec %s is valid', async (path) => {
  const folder = join(root, dirname(path))
  const allowed = [folder, join(folder, 'plugin')].flatMap((own) => ['--allow-plugin', own])
  const { stdout } = await runHere(place, 'validate', join(root, path), ...allowed, '--json')
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; severity?: string }[] }
  const mistakes = diagnostics.filter(({ severity }) => severity === undefined)
  expect(mistakes.filter(({ code }) => !absent[path]?.includes(code))).toEqual([])
})
