import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Check } from '../../cli/doctor/check.js'
import { gpuCheck } from '../../cli/doctor/engines.js'
import { clockCheck, memoryCheck, nodeCheck } from '../../cli/doctor/machine.js'
import { Proxy, type Fate } from '../store/proxy.js'
import { S3Server, s3Program } from '../store/s3-server.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

let place: Place
beforeEach(async () => {
  place = new Place(await writeTinySearch())
  Object.assign(place.environment, {
    XDG_CONFIG_HOME: join(place.folder, 'config'),
    XDG_CACHE_HOME: join(place.folder, 'cache'),
    // Nothing is downloaded, whatever network there is: no proxy listens here.
    HTTPS_PROXY: 'http://127.0.0.1:1',
    PATH: join(place.folder, 'bin'),
  })
  program('temporal', 'exit 1')
})
afterEach(() => place.close())

/** Puts a program on PATH. */
function program(name: string, text: string): void {
  mkdirSync(join(place.folder, 'bin'), { recursive: true })
  writeFileSync(join(place.folder, 'bin', name), `#!/bin/sh\n${text}\n`)
  chmodSync(join(place.folder, 'bin', name), 0o755)
}
const without = (name: string) => rmSync(join(place.folder, 'bin', name))

/** What doctor says, by name, and how it ends. */
async function doctor(...args: readonly string[]) {
  const { code, stdout } = await runHere(place, 'doctor', ...args, '--json')
  const { ok, exitCode, checks } = JSON.parse(stdout) as { ok: boolean; exitCode: number; checks: Check[] }
  expect({ exitCode, ok }).toEqual({ exitCode: code, ok: code === 0 })
  return { code, all: Object.fromEntries(checks.map((check) => [check.name, check])) }
}

test('a machine that lacks nothing is said to be fit, and so is a model', async () => {
  const { code, all } = await doctor('parent')
  expect(Object.values(all).filter((check) => check.state === 'missing' || check.state === 'warning')).toEqual([])
  expect(code).toBe(0)
  expect(all.onnxruntime).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/^\d+\.\d+\.\d+, computes on the processor/) as string,
  })
  expect(all['Temporal server']!.found).toBe(
    `none is running; a search starts temporal on PATH (${place.folder}/bin/temporal)`,
  )
  expect(all.config!.found).toBe('llama, 2 layers, hidden size 32, 40 tokens')
  expect(all.weights!.found).toMatch(/^21\d{3} parameters, [\d.]+ kB in 1 file$/)
  expect(all.tokenizer!.state).toBe('ok')
  expect(all['memory for the model']!.state).toBe('ok')
})

test('nothing is written: neither a store nor a probe is left', async () => {
  const before = readdirSync(place.folder)
  await doctor('parent')
  expect(readdirSync(place.folder)).toEqual(before)
})

test('the table names state, thing and remedy, and ends with a verdict', async () => {
  without('temporal')
  const { code, stdout } = await runHere(place, 'doctor')
  expect(code).toBe(5)
  expect(stdout).toContain(`ok        Node               ${process.versions.node}\n`)
  expect(stdout).toContain(
    'missing   Temporal server    there is no program here yet: temporal.download does not answer, and there is no Go\n' +
      '                             Install Go 1.26 or newer, or put the `temporal` program on PATH, or give the address of a server: --address HOST:PORT.\n',
  )
  expect(stdout).toMatch(/\n\nNo search can run here until what is missing \(1\) is fixed\.\n$/)
})

const goEnv = (version: string, toolchain: string) =>
  program('go', `printf 'go${version}\\n${toolchain}\\n${place.folder}/modules\\n'`)

test.each([
  [
    'too old to build the server',
    '1.20.3',
    'auto',
    'missing',
    /Go 1\.20\.3 is too old to build it: 1\.26\.\d+ is needed/,
  ],
  ['told not to fetch a newer version', '1.25.0', 'local', 'missing', /Go 1\.25\.0 is too old/],
  ['older, but fetches the right version', '1.25.0', 'auto', 'warning', /fetches Go 1\.26\.\d+ and its modules/],
  ['new enough', '1.99.0', 'auto', 'warning', /builds it with Go 1\.99\.0, which fetches its modules/],
])('Go that is %s is recognised', async (_, version, toolchain, state, found) => {
  without('temporal')
  goEnv(version, toolchain)
  const { code, all } = await doctor()
  expect(all['Temporal server']).toMatchObject({ state, found: expect.stringMatching(found) as string })
  expect(code).toBe(state === 'missing' ? 5 : 0)
})

test('with the modules of the server on the machine, building fetches nothing', async () => {
  without('temporal')
  goEnv('1.99.0', 'auto')
  const [, version] = /go\.temporal\.io\/server (\S+)/.exec(readFileSync('server/temporal-server/go.mod', 'utf8'))!
  const folder = join(place.folder, 'modules/cache/download/go.temporal.io/server/@v')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${version}.zip`), '')
  const { all } = await doctor()
  expect(all['Temporal server']!.found).toBe('there is no program here yet; the first search builds it with Go 1.99.0')
})

test('a server that is named but does not answer is missing', async () => {
  const { code, all } = await doctor('--address', '127.0.0.1:1')
  expect(all['Temporal server']).toMatchObject({
    state: 'missing',
    found: 'No Temporal server answers at 127.0.0.1:1',
  })
  expect(code).toBe(5)
})

test('a store that cannot be made is missing', async () => {
  const { code, all } = await doctor('--store', 'search.yaml/store')
  expect(all.store).toMatchObject({ state: 'missing', kind: 'NoServer' })
  expect(all.store!.found).toContain('search.yaml is not a folder')
  expect(code).toBe(5)
})

const isRoot = process.getuid?.() === 0
test.skipIf(isRoot)(
  `a folder without the right to write is missing${isRoot ? ' (skipped: root may write everywhere)' : ''}`,
  async () => {
    mkdirSync(join(place.folder, 'closed'), { mode: 0o500 })
    const { code, all } = await doctor('--store', 'closed')
    expect(all.store).toMatchObject({ state: 'missing', found: `${place.folder}/closed cannot be written (EACCES)` })
    expect(code).toBe(5)
  },
)

test.skipIf(!existsSync('/proc/self'))('a folder in which nobody can make files is missing', async () => {
  const { all } = await doctor('--store', '/proc/self/store')
  expect(all.store).toMatchObject({
    state: 'missing',
    found: expect.stringMatching(/^\/proc\/self\/store cannot be written \(E[A-Z]+\)$/) as string,
    remedy: 'Make /proc/self writable for this user, or choose another folder: --store DIR.',
  })
})

test('a bucket without a region is missing, with what sets it', async () => {
  for (const name of Object.keys(place.environment).filter((name) => name.startsWith('AWS_')))
    delete place.environment[name]
  Object.assign(place.environment, { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' })
  const { code, all } = await doctor('--store', 's3://bucket/prefix')
  expect(all.store).toMatchObject({ state: 'missing', remedy: 'Set AWS_REGION, or region in the AWS profile.' })
  expect(code).toBe(5)
})

const s3 = await s3Program()
describe.skipIf('missing' in s3)(`a bucket${'missing' in s3 ? ` (skipped: ${s3.missing})` : ''}`, () => {
  let server: S3Server
  let proxy: Proxy
  let fate: (request: IncomingMessage) => Fate
  let [location, count] = ['', 0]
  beforeAll(async () => {
    server = await S3Server.start((s3 as { path: string }).path)
    proxy = await Proxy.listen(server.port, (request) => fate(request))
  })
  afterAll(async () => {
    proxy.close()
    await server.stop()
  })
  beforeEach(() => {
    fate = () => ({})
    location = `s3://${server.bucket}/searches-${count++}`
    Object.assign(place.environment, server.environment(proxy.endpoint))
  })
  const ask = () => doctor('--store', location)
  const left = () => {
    const folder = server.file(location.split('/').at(-1)!)
    return existsSync(folder) ? readdirSync(folder, { recursive: true }) : []
  }
  const refused = (method: string) => (request: IncomingMessage) =>
    request.method === method ? { refused: [403, 'AccessDenied'] as const } : {}

  test('that can be written is said to be so, and holds nothing afterwards', async () => {
    const { code, all } = await ask()
    expect(all.store).toEqual({ name: 'store', state: 'ok', found: `${location} can be written` })
    expect(code).toBe(0)
    expect(left()).toEqual([])
  })

  test.each([
    ['PUT', 'An object cannot be written: '],
    ['DELETE', /^The test object doctor\/[0-9a-f]{12} cannot be removed: /],
  ])('whose credentials may not %s is missing, with the remedy', async (method, problem) => {
    fate = refused(method)
    const { code, all } = await ask()
    expect(all.store).toMatchObject({
      state: 'missing',
      remedy: 'Check that the credentials are valid and may list, read, write and delete there.',
    })
    expect(all.store!.found).toMatch(problem)
    expect(all.store!.found).toContain(`refuses access to ${location} (AccessDenied)`)
    expect(code).toBe(5)
  })

  test('whose server does not heed conditions is missing: workers would overwrite results', async () => {
    const asked: string[] = []
    const careless = createServer(({ method = '' }, response) => {
      asked.push(method)
      response.writeHead(method === 'GET' ? 404 : 200).end()
    })
    await new Promise<void>((resolve) => careless.listen(0, '127.0.0.1', resolve))
    place.environment.AWS_ENDPOINT_URL = `http://127.0.0.1:${(careless.address() as AddressInfo).port}`
    const { code, all } = await ask()
    careless.closeAllConnections()
    careless.close()
    expect(all.store).toMatchObject({
      state: 'missing',
      found: `The server of ${location} overwrites an object that was to be written only if new`,
    })
    expect(code).toBe(5)
    expect(asked).toEqual(['GET', 'PUT', 'PUT', 'DELETE'])
  })
})

test('a settings file with a mistake is said once', async () => {
  writeFileSync(join(place.folder, 'puzzleflow.config.yaml'), 'stor: ./store\n')
  const { code, all } = await doctor()
  expect(all.settings!.found).toContain('Unknown key "stor". (did you mean "store"?)')
  expect(Object.values(all).filter((check) => check.state === 'missing')).toHaveLength(1)
  expect(code).toBe(2)
})

test('a Git LFS pointer in place of the weights is missing, with the command that fetches them', async () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 123\n`
  writeFileSync(join(place.folder, 'parent/model.safetensors'), pointer)
  const { code, all } = await doctor('parent')
  expect(all.config).toMatchObject({ state: 'ok' })
  expect(all.weights).toMatchObject({
    state: 'missing',
    found: expect.stringContaining('is a Git LFS pointer, not the file itself') as string,
    remedy: 'Fetch the content: `git lfs install` and `git lfs pull` where it was cloned.',
  })
  expect(code).toBe(2)
})

test.each([
  ['of an unknown family', 'config.json', '{"model_type": "mamba", "architectures": ["MambaForCausalLM"]}', 'config'],
  ['with a config that is not JSON', 'config.json', '{', 'config'],
  ['with a damaged tokenizer', 'tokenizer.json', '{"model": 7}', 'tokenizer'],
])('a model %s is missing', async (_, file, text, name) => {
  writeFileSync(join(place.folder, 'parent', file), text)
  const { code, all } = await doctor('parent')
  expect(all[name]).toMatchObject({ state: 'missing', kind: 'InvalidInput', remedy: expect.any(String) as string })
  expect(code).toBe(2)
})

test('a model without a tokenizer can be searched with token ids; one without a template, with texts', async () => {
  rmSync(join(place.folder, 'parent/tokenizer.json'))
  const { code, all } = await doctor('parent')
  expect(all.tokenizer).toMatchObject({
    state: 'warning',
    found: 'there is no tokenizer.json, so data must be token ids',
  })
  expect(all['chat template']).toMatchObject({ state: 'optional' })
  expect(code).toBe(0)
})

test('a path that is not a model is missing', async () => {
  expect((await doctor('nowhere')).all.model).toMatchObject({ found: 'nowhere does not exist' })
  expect((await doctor('.')).all.model).toMatchObject({ remedy: 'Did you mean "./parent"?' })
})

test('of several things that are missing, the first decides how doctor ends', async () => {
  expect((await doctor('nowhere', '--address', '127.0.0.1:1')).code).toBe(5)
})

test('little memory, an old Node and a clock that was never set are seen', () => {
  expect(memoryCheck(2 ** 29)).toMatchObject({ state: 'missing', kind: 'OutOfMemory' })
  expect(memoryCheck(2 ** 31)).toMatchObject({ state: 'warning' })
  expect(nodeCheck('20.18.1')).toMatchObject({ state: 'missing', found: '20.18.1 is too old' })
  expect(nodeCheck('21.0.0')).toMatchObject({ state: 'ok' })
  expect(clockCheck(0)).toMatchObject({ state: 'warning', found: '1970-01-01T00:00:00Z is in the past' })
})

test('a GPU is named, and that puzzleflow does not compute on it', () => {
  const gpus = join(place.folder, 'gpus')
  expect(gpuCheck(gpus)).toEqual([])
  mkdirSync(join(gpus, '0000:01:00.0'), { recursive: true })
  writeFileSync(join(gpus, '0000:01:00.0/information'), 'Model: \t\t NVIDIA RTX A2000\nIRQ:   \t\t 62\n')
  expect(gpuCheck(gpus)).toMatchObject([
    { name: 'GPU', state: 'optional', found: 'NVIDIA RTX A2000: puzzleflow does not compute on it' },
  ])
})
