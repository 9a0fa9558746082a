import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const scratch = mkdtempSync(join(tmpdir(), 'puzzleflow-telemetry-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let count = 0
/** Runs Node in an empty home with an empty temporary folder. @returns the files that are in them afterwards */
function leftBy(args: readonly string[], variables: NodeJS.ProcessEnv = {}): string[] {
  const own = join(scratch, String(count++))
  const [home, temporary] = [join(own, 'home'), join(own, 'tmp')]
  for (const folder of [home, temporary]) mkdirSync(folder, { recursive: true })
  // Nothing of this process, which has it off already.
  const env = { PATH: process.env.PATH, HOME: home, TMPDIR: temporary, ...variables }
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: packageRoot(), env, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return readdirSync(own, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
}

/** A process that imports a module, and then uses onnxruntime as a plugin may: without asking anybody. */
const using = (module?: string) => [
  '--input-type=module',
  '-e',
  `${module === undefined ? '' : `import './${module}'`}
  const { InferenceSession } = await import('onnxruntime-node')
  await InferenceSession.create('absent.onnx').catch(() => process.exit())`,
]

test('onnxruntime, left to itself, leaves files in home and temporary folder', () => {
  expect(leftBy(using())).toContain('deviceid')
})

test.each([
  ['a child process of the worker', 'activities/child.js'],
  ['a process that describes plugins', 'plugins/loading/answer.js'],
  ['a test of a plugin', 'plugins/testing/index.js'],
  ['a program that imports puzzleflow/tensor', 'tensor/index.js'],
  ['a program that imports puzzleflow/model', 'model/index.js'],
])('%s leaves none', (_, entry) => {
  expect(leftBy(using(`dist/${entry}`))).toEqual([])
})

test('a command that computes leaves none, also where the user has it on', () => {
  const command = ['generate', 'examples/quickstart/parent', '--prompt', 'copy fox', '-n', '1']
  expect(leftBy(['dist/cli/main.js', ...command], { ORT_DISABLE_TELEMETRY: '0' })).toEqual([])
})

test('the processes of these tests send nothing', () => {
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1')
})

const rooms =
  'activities bench cli examples model plugins report schemas scripts server solver spec store tensor test workflows'
const sources = rooms
  .split(' ')
  .flatMap((room) =>
    readdirSync(join(packageRoot(), room), { recursive: true, encoding: 'utf8' }).map((path) => `${room}/${path}`),
  )
const ownText = (path: string) => readFileSync(join(packageRoot(), path), 'utf8')

test('only tensor/engine.ts imports onnxruntime’s package, after its telemetry is off', () => {
  const importing = sources.filter(
    (path) =>
      /\.([cm]?[jt]s)$/.test(path) && /(?:from|import|import\(|require\()\s*'onnxruntime-node'/.test(ownText(path)),
  )
  expect(importing).toEqual(['tensor/engine.ts', 'test/structure/telemetry.test.ts'])
  const imports = ownText('tensor/engine.ts').matchAll(/from '(.*)'|^import '(.*)'/gm)
  expect([...imports].map(([, from, alone]) => from ?? alone)).toEqual(['./telemetry.js', 'onnxruntime-node'])
})

test('a program in Python turns it off before it imports onnxruntime', () => {
  const off = 'os.environ["ORT_DISABLE_TELEMETRY"] = "1"'
  const programs = sources.filter((path) => path.endsWith('.py')).map((path) => [path, ownText(path)] as const)
  const using = programs.filter(([, text]) => /^\s*(import|from) onnxruntime/m.test(text))
  expect(using.map(([path]) => path)).toEqual(['test/onnx/check.py'])
  for (const [path, text] of using) expect(text.split(/^\s*(?:import|from) onnxruntime/m)[0], path).toContain(off)
})
