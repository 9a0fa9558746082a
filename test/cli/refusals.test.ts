import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

let place: Place
beforeEach(async () => void (place = new Place(await writeTinySearch())))
afterEach(() => place.close())

/** What a command says, with the folder left out. */
async function says(...args: readonly string[]) {
  const { stderr, ...rest } = await runHere(place, ...args)
  return { ...rest, stderr: stderr.replaceAll(place.folder, 'FOLDER') }
}
const nothingBegan = () => expect([place.store, join(place.folder, 'runs')].filter(existsSync)).toEqual([])

/** A port of loopback where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  )
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('an address where no server answers has its own exit code', async () => {
  const address = `127.0.0.1:${await closedPort()}`
  expect(await says('run', 'search.yaml', '--address', address)).toEqual({
    code: 5,
    stdout: '',
    stderr: `No Temporal server answers at ${address}
Remedy: Start it, or omit the address: puzzleflow then starts its own server.
`,
  })
  expect(existsSync(join(place.folder, 'runs'))).toBe(false)
  const status = await runHere(place, 'status', '--address', address, '--json')
  expect({ code: status.code, json: JSON.parse(status.stdout) as unknown }).toEqual({
    code: 5,
    json: {
      error: {
        kind: 'NoServer',
        exitCode: 5,
        message: `No Temporal server answers at ${address}`,
        remedy: 'Start it, or omit the address: puzzleflow then starts its own server.',
      },
    },
  })
})

test.each(['run', 'plan'])('%s refuses a store that cannot be, with the same exit code', async (command) => {
  writeFileSync(join(place.folder, 'file'), '')
  expect(await says(command, 'search.yaml', '--store', 'file/store')).toEqual({
    code: 5,
    stdout: '',
    stderr: `No store can be created at FOLDER/file/store: FOLDER/file is not a folder
Remedy: Choose another folder: --store DIR.
`,
  })
  nothingBegan()
})

test('a disk that is too small is refused before anything begins', async (context) => {
  const disk = join(place.folder, 'disk')
  mkdirSync(disk)
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { encoding: 'utf8' })
  if (mount.status !== 0) context.skip(`a small disk cannot be mounted here: ${mount.error?.message ?? mount.stderr}`)
  try {
    expect(await says('run', 'search.yaml', '--store', 'disk/store')).toEqual({
      code: 6,
      stdout: '',
      stderr: `FOLDER/disk/store has 64 KiB free, but this needs about 962 KiB (prepare 7.5 KiB, capture 404 KiB, distill 117 KiB, uptrain 165 KiB, improve 248 KiB, export 20.7 KiB)
Remedy: Free some space, choose another store with --store, or lower capture.maxBytes and capture.sequences.
`,
    })
    expect(existsSync(join(disk, 'store'))).toBe(false)
  } finally {
    spawnSync('umount', [disk])
  }
})

test('a run that is not there is invalid input', async () => {
  mkdirSync(join(place.folder, 'empty'))
  expect(await says('result', 'nowhere', '--store', 'empty')).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'There is no run "nowhere" in the store FOLDER/empty\nRemedy: Start one with `npx puzzleflow run SPEC --store empty`.\n',
  })
  expect(readdirSync(join(place.folder, 'empty'))).toEqual([])
})

test.each<[string, readonly string[], string]>([
  ['an unknown command', ['rnu', 'search.yaml'], "error: unknown command 'rnu'\n(Did you mean run?)\n"],
  [
    'an unknown option',
    ['run', 'search.yaml', '--detatch'],
    "error: unknown option '--detatch'\n(Did you mean --detach?)\n",
  ],
  ['a missing argument', ['run'], "error: missing required argument 'spec'\n"],
  [
    'a number that is none',
    ['worker', '--slots', 'two'],
    "error: option '--slots <n>' argument 'two' is invalid. It must be a whole number, 1 or more.\n",
  ],
  [
    'an address without a port',
    ['status', '--address', 'temporal'],
    "error: option '--address <host:port>' argument 'temporal' is invalid. It has no port. Write the port too: temporal:7233, for instance.\n",
  ],
  [
    'an IPv6 address to listen at without brackets',
    ['worker', '--metrics', '::1:9464'],
    "error: option '--metrics <[host:]port>' argument '::1:9464' is invalid. It is an IPv6 address without brackets. Write PORT or HOST:PORT, as in [::]:9464.\n",
  ],
  [
    'a port that cannot be',
    ['codec', '--port', '70000'],
    "error: option '--port <n>' argument '70000' is invalid. It must be a port: a whole number from 1 to 65535.\n",
  ],
  [
    'a run of no name',
    ['run', 'search.yaml', '--run', 'a/b'],
    '"a/b" is not a valid name for a run\nRemedy: Use letters, digits, single dots and dashes, at most 100; the first one is not a dot.\n',
  ],
  [
    'a stage that is not there',
    ['run', 'search.yaml', '--until', 'distil'],
    'There is no stage "distil"\nRemedy: Stages: prepare, profile, check-limits, capture, depth, distill, score, solve, refine, evaluate, select, uptrain, check-child, improve, evaluate-child, export, report.\n',
  ],
  [
    'a spec that is not there',
    ['plan', 'serach.yaml'],
    'serach.yaml:1:1 missing-file There is no file "serach.yaml". (did you mean "search.yaml"?)\n',
  ],
  [
    'a model that is none',
    ['generate', 'data', '--prompt', 'an ant'],
    'data has no config.json\nRemedy: The model must be a folder with config.json, safetensors files and tokenizer.json, or a GGUF file.\n',
  ],
  [
    'a model that is not there',
    ['generate', 'paernt', '--prompt', 'an ant'],
    'There is no model paernt\nRemedy: The model must be a folder with config.json, safetensors files and tokenizer.json, or a GGUF file.\n',
  ],
  [
    'tokens that the model does not know',
    ['generate', 'parent', '--tokens', '1,40'],
    'The prompt has the token 40, but the model’s tokens are 0 to 39\nRemedy: Give --prompt TEXT, or --tokens with ids from 0 to 39.\n',
  ],
  [
    'a prompt that is none',
    ['generate', 'parent'],
    'There is no prompt\nRemedy: Give --prompt TEXT or --tokens IDS, once or more, or --prompts FILE.\n',
  ],
  [
    'a stop string without text',
    ['generate', 'parent', '--tokens', '1', '--stop', 'x'],
    '--stop works on text, but there are only token ids\nRemedy: Give --prompt TEXT.\n',
  ],
  [
    'a nucleus at temperature 0',
    ['generate', 'parent', '--prompt', 'an ant', '--top-p', '0.9'],
    '--top-p 0.9 has no effect: at temperature 0 the most likely token is always taken\nRemedy: Give --temperature 1, for instance.\n',
  ],
  [
    'a chat with a model that has no template',
    ['generate', 'parent', '--prompt', 'an ant', '--chat'],
    'parent: has no chat template\nRemedy: Put the template of the instruct model into parent/chat_template.jinja, or give texts instead of messages.\n',
  ],
  [
    'a format that is not there',
    ['graph', 'search.yaml', '--format', 'svg'],
    'There is no format "svg"\nRemedy: Use mermaid or dot.\n',
  ],
  [
    'a schema that is not there',
    ['schema', 'plan'],
    'There is no schema "plan"\nRemedy: Known: spec, pipeline, problem, result, curve, plugin, config.\n',
  ],
])('%s is invalid input', async (_, args, stderr) => {
  expect(await says(...args)).toEqual({ code: 2, stdout: '', stderr })
  nothingBegan()
})
