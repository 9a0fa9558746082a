import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine } from '../../server/index.js'
import type { JsonObject } from '../../api/index.js'
import { onlyTask } from '../../lineage/keys.js'
import { addFiles, bundles, compile, folderWith } from '../plugins/folders.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { FileStore } from '../../store/index.js'
import { userSettingsFile } from '../../store/paths.js'

/** A search of one command, with its program. */
async function open(files: Record<string, string>, parameters: JsonObject, store = new FileStore(temporaryFolder())) {
  const folder = folderWith(files)
  return { folder, store, search: await searchIn(folder, parameters, store) }
}

const searchIn = (folder: string, parameters: JsonObject, store: FileStore) =>
  Search.open(
    folder,
    {
      apiVersion: 'puzzleflow/v1',
      name: 'test',
      seed: 5,
      pipeline: { stages: { own: { uses: 'command', with: parameters } } },
    },
    { commands: true, store },
  )

const shell = (script: string, more: JsonObject = {}) =>
  open({ 'run.sh': script }, { command: ['sh', 'run.sh'], sources: ['./run.sh'], ...more })
const own = onlyTask('own')

const python = `
import json, pathlib, shutil
task = json.loads(pathlib.Path('task.json').read_text())
assert task['contract'] == 1
text = pathlib.Path(task['inputs']['text']['path']).read_text()
print(json.dumps({'progress': 0.5, 'message': 'half way'}), flush=True)
print('not for the machine', flush=True)
outputs = pathlib.Path(task['outputs'])
(outputs / 'values.json').write_text(json.dumps({'letters': len(text) * task['parameters']['factor'], 'seed': task['seed']}))
(outputs / 'more').mkdir()
(outputs / 'more' / 'upper.txt').write_text(text.upper())
`

test('a program in Python gets parameters and inputs, tells of its progress, and leaves values and files', async () => {
  const { search } = await open(
    { 'count.py': python, 'text.txt': 'abc' },
    {
      command: ['python3', 'count.py'],
      sources: ['count.py'],
      files: { text: './text.txt' },
      parameters: { factor: 2 },
    },
  )
  const told: unknown[] = []
  const { values, files } = await search.run('own', own, { progress: (...news) => void told.push(news) })
  expect(values).toEqual({ letters: 6, seed: 5 })
  expect(Object.keys(files)).toEqual(['more/upper.txt'])
  expect(readFileSync(await search.store.path(files['more/upper.txt']!), 'utf8')).toBe('ABC')
  expect(told).toEqual([[0.5, 'half way']])
  expect(search.logged).toEqual(['not for the machine'])
})

test('a command gets the outputs of the stages that it needs: all of them, or those that it names', async () => {
  const folder = folderWith({
    'make.sh': 'echo one > outputs/a.txt; echo two > outputs/b; echo \'{"n": 3}\' > outputs/values.json',
    'list.sh': 'ls -R inputs > outputs/seen; cat inputs/* > outputs/text 2>/dev/null; cp task.json outputs/task',
  })
  const list = { uses: 'command', needs: ['make'] }
  const command = { command: ['sh', 'list.sh'], sources: ['list.sh'] }
  const search = await Search.open(
    folder,
    {
      apiVersion: 'puzzleflow/v1',
      name: 'test',
      pipeline: {
        stages: {
          make: { uses: 'command', with: { command: ['sh', 'make.sh'], sources: ['make.sh'] } },
          all: { ...list, with: command },
          one: { ...list, with: { ...command, inputs: { first: '${{ stages.make.outputs.files.a.txt }}' } } },
        },
      },
    },
    { commands: true },
  )
  const text = async (stage: string, name: string) =>
    readFileSync(await search.store.path((await search.outputs(stage)).files[name]!), 'utf8')
  const task = JSON.parse(await text('all', 'task')) as { inputs: object; values: object }
  expect(Object.keys(task.inputs)).toEqual(['make/a.txt', 'make/b'])
  expect(task.values).toEqual({ make: { n: 3 } })
  expect(await text('one', 'text')).toBe('one\n')
})

test('a program sees no more of the environment than it is given, and lives in a folder of its own', async () => {
  process.env.TEST_SECRET = 'secret'
  process.env.TEST_GIVEN = 'given'
  const { search } = await shell(
    'env | cut -d= -f1 | sort > outputs/names; test "$HOME" = "$PWD" && ls > outputs/here',
    {
      environment: ['TEST_GIVEN', 'TEST_ABSENT'],
    },
  )
  const { files } = await search.run('own', own)
  const lines = async (name: string) =>
    readFileSync(await search.store.path(files[name]!), 'utf8')
      .trim()
      .split('\n')
  const names = await lines('names')
  expect(names).toEqual(expect.arrayContaining(['HOME', 'LANG', 'OMP_NUM_THREADS', 'PATH', 'TEST_GIVEN', 'TMPDIR']))
  expect(names).not.toContain('TEST_SECRET')
  expect(await lines('here')).toEqual(['checkpoint', 'inputs', 'outputs', 'run.sh', 'task.json'])
})

test.each([
  [2, 'InvalidInput', 'The program sh ended with exit code 2: it hurts'],
  [65, 'InvalidInput', 'The program sh ended with exit code 65: it hurts'],
  [75, 'TryAgain', 'The program sh ended with exit code 75: it hurts'],
  [1, undefined, 'The program sh ended with exit code 1: it hurts'],
])('exit code %i is a failure of kind %s with the last words', async (code, kind, message) => {
  const { search } = await shell(`echo it hurts >&2; exit ${code}`)
  const failure = await search.run('own', own).catch((error: unknown) => error)
  expect(failure).toMatchObject({ message })
  expect((failure as { kind?: string }).kind).toBe(kind)
})

test('a program says itself what is wrong and what to do', async () => {
  const { search } = await shell(`echo '{"error": "No GPU", "remedy": "Plug one in."}'; exit 65`)
  await expect(search.run('own', own)).rejects.toMatchObject({
    message: 'The program sh ended with exit code 65: No GPU',
    remedy: 'Plug one in.',
  })
})

test('a program that is not on this machine is a mistake that no other attempt repairs', async () => {
  const { search } = await open({}, { command: ['no-such-program'] })
  await expect(search.run('own', own)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: 'The program no-such-program cannot be started: ENOENT',
  })
})

test('what a killed program has checkpointed, the next attempt finds', async () => {
  const script = `if test -f checkpoint/half; then cat checkpoint/half > outputs/whole; else echo half > checkpoint/half; kill -9 $$; fi`
  const { search } = await shell(script)
  await expect(search.run('own', own)).rejects.toThrow('The program sh ended with SIGKILL')
  const { files } = await search.run('own', own)
  expect(readFileSync(await search.store.path(files.whole!), 'utf8')).toBe('half\n')
})

test('a task that is cancelled ends its program politely, and all that the program has started', async () => {
  const abort = new AbortController()
  const { search } = await shell(`
    trap 'echo saved > checkpoint/state; exit 0' TERM
    setsid sh -c 'echo $$ > '"$0"'.daemon; while :; do sleep 1; done' "$0" &
    while ! test -s "$0".daemon; do :; done
    echo '{"progress": 0, "message": "'$(cat "$0".daemon)'"}'
    while :; do sleep 0.1; done`)
  let daemon = 0
  const running = search.run('own', own, {
    signal: abort.signal,
    progress(_, message) {
      daemon = Number(message)
      abort.abort(new Error('Enough'))
    },
  })
  await expect(running).rejects.toThrow('Enough')
  expect(daemon).toBeGreaterThan(1)
  expect(commandLine(daemon)).toBe('')
  const checkpoint = await search.store.checkpoint(await search.key('own', own))
  expect(readdirSync(checkpoint)).toEqual(['state'])
})

test('nothing is left running behind a program that has ended', async () => {
  const { search } = await shell('sleep 1000 & echo $! > outputs/pid')
  const { files } = await search.run('own', own)
  const pid = Number(readFileSync(await search.store.path(files.pid!), 'utf8'))
  expect(commandLine(pid)).toBe('')
})

test.each([
  ['a link', 'ln -s /etc/passwd outputs/own', 'The program left a link among its outputs: own'],
  ['a folder that is a link', 'ln -s /etc outputs/own', 'The program left a link among its outputs: own'],
  [
    'a link in place of the folder',
    'rm -r outputs; ln -s /etc outputs',
    'The program removed or replaced its folder `outputs',
  ],
  ['a pipe', 'mkfifo outputs/own', 'The program left something among its outputs that is not a file: own'],
  ['NaN', `echo '{"loss": NaN}' > outputs/values.json`, 'The program left a values.json that is not JSON: '],
  ['a list', `echo '[]' > outputs/values.json`, 'The program left a values.json that is not an object'],
])('%s among the outputs is refused', async (_, script, message) => {
  const { search } = await shell(script)
  await expect(search.run('own', own)).rejects.toMatchObject({
    kind: 'PluginBug',
    message: expect.stringContaining(message) as string,
  })
})

test('a file with a second name is copied: whoever has the other name cannot change the artifact', async () => {
  const { search } = await shell('echo before > "$HOME"/kept; ln kept outputs/own; ln kept ../../../kept')
  const { files } = await search.run('own', own)
  writeFileSync(join(search.store.root, 'kept'), 'after')
  expect(readFileSync(await search.store.path(files.own!), 'utf8')).toBe('before\n')
})

test('the key follows the program and not its folder', async () => {
  const { folder, store, search } = await shell('echo 1 > outputs/n')
  const key = await search.key('own', own)
  const parameters = { command: ['sh', 'run.sh'], sources: ['./run.sh'] }
  const again = async (folder: string) => (await searchIn(folder, parameters, store)).key('own', own)
  renameSync(folder, `${folder}-moved`)
  expect(await again(`${folder}-moved`)).toBe(key)
  writeFileSync(join(`${folder}-moved`, 'run.sh'), 'echo 2 > outputs/n')
  expect(await again(`${folder}-moved`)).not.toBe(key)
})

test('what runs is what was planned, whatever becomes of the sources', async () => {
  const { folder, search } = await shell('echo planned > outputs/own')
  writeFileSync(join(folder, 'run.sh'), 'echo changed > outputs/own')
  const { files } = await search.run('own', own)
  expect(readFileSync(await search.store.path(files.own!), 'utf8')).toBe('planned\n')
})

const spec = (command: string) => `apiVersion: puzzleflow/v1
name: test
pipeline:
  stages:
    own: { uses: command, with: ${command} }
`

test('a command is refused until the user allows the folder of the spec', async () => {
  const folder = folderWith({ 'spec.yaml': spec('{ command: [sh, run.sh], sources: [run.sh] }'), 'run.sh': '' })
  const { plan, diagnostics } = await compile(folder, [])
  expect(plan).toBeUndefined()
  expect(diagnostics).toEqual([
    'spec.yaml:5:44 command-not-allowed The command "sh" would run here, but the commands of this folder are not allowed. ' +
      `(if you trust it: --allow-plugin ${folder}, or the line \`allowPlugins: ['${folder}']\` in ${userSettingsFile()})`,
  ])
  expect((await compile(folder, ['./'])).diagnostics).toEqual([])
})

test('a machine on which nobody has allowed a command does not run it', async () => {
  const { search } = await shell('true')
  renameSync(join(dirname(bundles), 'programs'), join(dirname(bundles), `programs-${Date.now()}`))
  await expect(search.run('own', own)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: expect.stringMatching(
      /^The program [0-9a-f]{12} of the command is not allowed on this machine$/,
    ) as string,
  })
})

test.each([
  ['is not there', 'absent.sh', 'bad-sources ENOENT'],
  ['lies outside the folder', '../outside.sh', 'bad-sources The source "../outside.sh" '],
  ['leads outside the folder', 'link', 'bad-sources The source "link" lies outside the spec’s folder.'],
  ['has a name that is taken', 'outputs', 'bad-sources The source "outputs" has a name'],
])('a source that %s is a mistake', async (_, source, message) => {
  const folder = folderWith()
  addFiles(folder, { 'in/spec.yaml': spec(`{ command: [sh], sources: [${source}] }`), 'outside.sh': '' })
  mkdirSync(join(folder, 'in/outputs'))
  addFiles(folder, { 'in/outputs/x': '' })
  symlinkSync('../outside.sh', join(folder, 'in/link'))
  const { diagnostics } = await compile(join(folder, 'in'), ['./'])
  expect(diagnostics).toEqual([expect.stringContaining(message)])
})

test('a file that may be executed is the program itself', async () => {
  const folder = folderWith({ 'bin/run': '#!/bin/sh\necho "$1" > outputs/own' })
  chmodSync(join(folder, 'bin/run'), 0o755)
  const search = await searchIn(
    folder,
    { command: ['./bin/run', 'x'], sources: ['bin'] },
    new FileStore(temporaryFolder()),
  )
  expect(existsSync(await search.store.path((await search.run('own', own)).files.own!))).toBe(true)
})

test('what was allowed is a command with its sources: another command under its digest does not run', async () => {
  const { folder, search } = await shell('true')
  const pwned = join(folder, 'pwned')
  const { params } = search.plan.stages[0]!
  Object.assign(params, { command: ['sh', '-c', `touch ${pwned}`] })
  await expect(search.run('own', own)).rejects.toMatchObject({ kind: 'InvalidInput' })
  expect(existsSync(pwned)).toBe(false)
})
