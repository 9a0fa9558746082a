import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { writeOutcome } from '../../cli/outcome.js'
import { setAside } from '../../cli/set-aside.js'
import type { RunDocument } from '../../cli/runs.js'
import { FileStore, type ArtifactRef } from '../../store/index.js'

const place = mkdtempSync(join(tmpdir(), 'puzzleflow-outcome-'))
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(place, { recursive: true, force: true })
})

test('a child in shards is laid out as one in a single file is, its GGUF file beside it', async () => {
  vi.spyOn(process, 'cwd').mockReturnValue(place)
  const store = new FileStore(join(place, 'store'))
  const files: Record<string, ArtifactRef> = {}
  const names = ['README.md', 'config.json', 'model-00001-of-00001.safetensors', 'model.safetensors.index.json']
  const put = (name: string, kind: string) => store.putBytes(kind, new TextEncoder().encode(name))
  for (const name of names) files[name] = await put(name, 'checkpoint-file')
  files['child.gguf'] = await put('child.gguf', 'gguf')
  const outputs = {
    export: await store.putJson('outputs', { values: {}, files }),
    report: await store.putJson('outputs', { values: {}, files: { 'report.md': await put('# Found', 'markdown') } }),
  }
  const { child } = await writeOutcome(store, { run: 'large', specDigest: 'd', outputs } as unknown as RunDocument)
  expect(child).toBe(join(place, 'runs/large/child'))
  expect(readdirSync(child!).sort()).toEqual(names)
  expect(readdirSync(join(place, 'runs/large')).sort()).toEqual(['child', 'child.gguf', 'report.md', 'result.json'])
  const card = readFileSync(join(child!, 'README.md'), 'utf8')
  for (const name of ['child.gguf', 'model-00001-of-00001.safetensors'])
    expect(card).toContain(`| ${name} | \`${files[name]!.digest}\` |`)
})

test.each(['..', '../../escaped', '.', '.hidden', 'a/b', 'a..b', '', 'a'.repeat(101), 'a\n'])(
  'nothing is written for a run that is called %j',
  async (run) => {
    const store = new FileStore(join(place, 'store'))
    const document = { run, specDigest: 'd', outputs: {} } as unknown as RunDocument
    await expect(writeOutcome(store, document)).rejects.toMatchObject({ kind: 'InvalidInput' })
  },
)

test('the result of another spec of the same name is set aside whole, that of the same spec is replaced', async () => {
  vi.spyOn(process, 'cwd').mockReturnValue(place)
  const store = new FileStore(join(place, 'store'))
  const write = async (specDigest: string, values: object, files: Record<string, ArtifactRef> = {}) => {
    const outputs = { stage: await store.putJson('outputs', { values, files }) }
    return writeOutcome(store, { run: 'named', specDigest, outputs } as unknown as RunDocument)
  }
  const [first, second] = ['a'.repeat(64), 'b'.repeat(64)]
  await write(first, { n: 1 }, { 'report.md': await store.putBytes('markdown', new TextEncoder().encode('# One')) })
  expect((await write(first, { n: 2 })).aside).toBeUndefined()
  const { aside, folder } = await write(second, { n: 3 })
  expect(aside).toBe(join(folder, 'earlier', first.slice(0, 12)))
  expect(readdirSync(aside!).sort()).toEqual(['report.md', 'result.json'])
  expect(readFileSync(join(aside!, 'result.json'), 'utf8')).toContain('"n": 2')
  expect(readdirSync(folder).sort()).toEqual(['earlier', 'result.json'])
  expect(readFileSync(join(folder, 'result.json'), 'utf8')).toContain('"n": 3')
})

test('a result that cannot be read is set aside, too, and a move that was interrupted goes on', () => {
  const folder = join(place, 'run')
  mkdirSync(join(folder, 'earlier/unknown'), { recursive: true })
  // Its page was moved, and the rest was not.
  writeFileSync(join(folder, 'earlier/unknown/report.md'), 'moved')
  writeFileSync(join(folder, 'result.json'), '{"specDigest": "../../..')
  mkdirSync(join(folder, 'child'))
  expect(setAside(folder)).toBe(join(folder, 'earlier/unknown'))
  expect(readdirSync(join(folder, 'earlier/unknown')).sort()).toEqual(['child', 'report.md', 'result.json'])
  expect(setAside(folder)).toBeUndefined()
})
