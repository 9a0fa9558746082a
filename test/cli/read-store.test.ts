import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Command } from 'commander'
import { addCommands } from '../../cli/command-list.js'
import { openStore, readStore } from '../../cli/open-store.js'
import { noteGiven } from '../../cli/typed.js'
import { fileFailure } from '../../store/files.js'
import { FileStore } from '../../store/index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-read-'))
  vi.stubEnv('PUZZLEFLOW_STORE', undefined)
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'))
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  noteGiven({})
  process.exitCode = 0
  rmSync(folder, { recursive: true })
})

/** What a command says, and its exit code. */
async function says(...args: readonly string[]): Promise<string> {
  const program = new Command().exitOverride()
  const lines: string[] = []
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => lines.push(String(text)) > 0),
  )
  await addCommands(program, args[0])
  process.exitCode = 0
  await program.parseAsync(['node', 'puzzleflow', ...args])
  for (const spy of spies) spy.mockRestore()
  return `${process.exitCode}: ${lines.join('').replaceAll(folder, 'FOLDER')}`
}

const readers: readonly (readonly string[])[] = [
  ['list'],
  ['status'],
  ['status', 'mine'],
  ['watch', 'mine'],
  ['result', 'mine'],
  ['scores', 'mine'],
  ['profile', 'mine', '-o', 'out'],
  ['explain', 'mine', 'a/b'],
  ['pause', 'mine'],
  ['artifacts', 'ls'],
  ['artifacts', 'get', 'abcdef', '-o', 'out'],
  ['artifacts', 'verify'],
  ['artifacts', 'gc'],
]

test.each(readers)('%s %s of a store that is not there says so, and makes nothing', async (...args) => {
  const words = args.filter((word) => typeof word === 'string')
  expect(await says(...words, '--store', './typo')).toMatch(
    /^5: .*There is no store at .*\/typo.*\nRemedy: Correct --store, or start a search there: npx puzzleflow run SPEC --store \.\/typo\.\n$/,
  )
  expect(readdirSync(folder)).toEqual([])
})

test('measurements are forgotten or written, not both', async () => {
  expect(await says('profile', 'mine', '--again', '-o', 'costs.json')).toBe(
    '2: `--again` forgets the measurements: it writes no file\nRemedy: Write the cost table first, with --output alone.\n',
  )
})

test('of the tables of several scenarios the first is written, and it is said which that is', async () => {
  const store = new FileStore(join(folder, 'store'))
  const table = { version: 1, scenario: { batch: 2, prefill: 8, generate: 4 } }
  const files = { costs: await store.putJson('costs', table), otherCosts: await store.putJson('costs', [table]) }
  const outputs = { profile: await store.putJson('outputs', { values: {}, files }) }
  await store.putDocument('runs/mine', { run: 'mine', plan: {}, workflowId: 'w', startedAt: '2026-01-01', outputs })
  expect(await says('profile', 'mine', '-o', join(folder, 'costs.json'), '--store', './store')).toBe(
    '0: This is the table of the first scenario or batch (batch 2, prefill 8, generate 4): the others are not written, because target.profile takes one.\n',
  )
  expect(JSON.parse(readFileSync(join(folder, 'costs.json'), 'utf8'))).toEqual(table)
})

test('a folder that holds other things is not a store; an empty one is a new one, and stays empty', async () => {
  mkdirSync(join(folder, 'other/things'), { recursive: true })
  await expect(readStore({ store: join(folder, 'other') })).rejects.toMatchObject({
    kind: 'NoServer',
    message: `${folder}/other is not a store: it holds other things`,
  })
  mkdirSync(join(folder, 'empty'))
  expect(await says('artifacts', 'ls', '--store', join(folder, 'empty'))).toBe('0: 0 artifacts, 0 B\n')
  expect(readdirSync(join(folder, 'empty'))).toEqual([])
})

test('the store of the user’s state directory may not be there yet; one that a variable names must be', async () => {
  expect(await says('artifacts', 'ls')).toBe('0: 0 artifacts, 0 B\n')
  expect(await says('list')).toBe('0: ')
  expect(existsSync(join(folder, 'state'))).toBe(false)
  vi.stubEnv('PUZZLEFLOW_STORE', join(folder, 'typo'))
  await expect(readStore({})).rejects.toMatchObject({
    message: `There is no store at ${folder}/typo`,
    remedy: 'Correct PUZZLEFLOW_STORE, or start a search there: npx puzzleflow run SPEC.',
  })
  expect((await openStore({})).root).toBe(join(folder, 'typo'))
})

test('a file in the place of a store is said for what it is', async () => {
  writeFileSync(join(folder, 'file'), '')
  for (const open of [openStore, readStore])
    await expect(open({ store: join(folder, 'file') })).rejects.toMatchObject({
      kind: 'NoServer',
      message: `No store can be created at ${folder}/file: ${folder}/file is not a folder`,
    })
})

test.each([
  ['EACCES', 'scandir', '/s/records', 'The store /s cannot be read here: EACCES /s/records'],
  ['EACCES', 'open', '/s/store.json', 'The store /s cannot be read here: EACCES /s/store.json'],
  ['EACCES', 'open', '/s/scratch/1.tmp', 'The store /s cannot be written here: EACCES /s/scratch/1.tmp'],
  ['EPERM', 'rename', '/s/a', 'The store /s cannot be written here: EPERM /s/a'],
  ['EROFS', 'open', '/s/a', 'The store /s cannot be written here: EROFS /s/a'],
])('%s of %s %s is told as what it kept from', (code, syscall, path, message) => {
  expect(fileFailure(Object.assign(new Error(code), { code, syscall, path }), '/s')).toMatchObject({
    kind: 'NoServer',
    message,
    remedy: 'Make the folder readable and writable for this user, or choose another store with --store.',
  })
})
