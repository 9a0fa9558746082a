import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { Place } from '../cli/puzzleflow.js'
import { writeTinySearch } from '../cli/tiny-search.js'
import { makeStateHome } from '../state-home.js'
import { installPackage, pack, version, writeClone } from './install.js'

const root = packageRoot()

// It asks npm's registry for what is not in npm's cache, and compiles all once more: about 90 s on two quiet cores.
const asked = process.env.CI || process.env.PUZZLEFLOW_TEST_PACKAGE
const skipped = asked ? '' : ' (skipped: neither CI nor PUZZLEFLOW_TEST_PACKAGE=1 is set)'
const minutes = 60_000

/** What a program of a user's may hold. */
const program = `
import { BadSpec, follow, plan, run, solve, validate } from 'puzzleflow'

const spec = 'quickstart/search.yaml'
const mistakes = await validate(spec)
const { stages, plan: frozen } = await plan(spec)
const started = await run(spec, { run: 'by-program', until: 'prepare' })
const { result } = await follow(started, ({ fraction }) => { if (fraction < 0) throw new Error('progress') })
const option = (id, score, memory) => ({ id, score, costs: { memory } })
const { solutions } = await solve({
  layers: [{ options: [option('parent', 0, 10), option('half', 0.1, 5)] }],
  limits: [{ cost: 'memory', max: 8 }],
})
const bad = await plan('bad.yaml').catch((error) => error instanceof BadSpec && error.diagnostics[0].code)
console.log(JSON.stringify({
  mistakes, stages: stages.length, name: frozen.name, started: started.started, ran: Object.keys(result.stages),
  choice: solutions[0].choice, bad,
}))
`

/** What the compiler must find in the declarations. */
const typed = `
import { follow, run, solve, validate, type Diagnostic, type StartedRun } from 'puzzleflow'
import { defineStage, type SingleStage } from 'puzzleflow/plugin'
import { checkBlockType } from 'puzzleflow/plugin/testing'
import { Graph } from 'puzzleflow/tensor'
import * as model from 'puzzleflow/model'
import { readProblem } from 'puzzleflow/solver'

const mistakes: readonly Diagnostic[] = await validate('search.yaml', { allowPlugins: ['./plugin'] })
const started: StartedRun = await run('search.yaml', { until: 'prepare' })
const { folder } = await follow(started, ({ fraction }) => void (fraction satisfies number))
const stage: SingleStage = { name: 'a', version: 1, reads: [], parameters: {}, run: async () => ({ values: {}, files: {} }) }
void [mistakes.length, folder.length, defineStage(stage), checkBlockType, new Graph(), model, solve(readProblem({}))]
// @ts-expect-error there is no such option
await run('search.yaml', { stage: 'prepare' })
// @ts-expect-error a version is a number
void ({ ...stage, version: '1' } satisfies SingleStage)
`

describe.skipIf(!asked)(`the package of a clean clone, installed into an empty project${skipped}`, () => {
  let folder: string
  let project: string
  let place: Place
  let files: readonly string[]

  const run = (cwd: string, command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd, env: place.environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  /** Checks files with the compiler, and compiles them if `options` say so. */
  const compile = (files: readonly string[], options: object) => {
    const usual = { target: 'es2022', lib: ['es2023'], types: [], strict: true, noEmit: true, skipLibCheck: true }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...usual, ...options }, files }))
    expect(run(project, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')).toBe('')
  }
  const puzzleflow = (...args: string[]) => run(project, 'node_modules/.bin/puzzleflow', ...args)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'puzzleflow-package-'))
    project = join(folder, 'project')
    mkdirSync(project)
    place = new Place(project, await makeStateHome())
    // Nothing but the registry is reached: that is how the script of onnxruntime-node fails.
    Object.assign(place.environment, { ONNXRUNTIME_NODE_INSTALL: '', GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9' })
    const clone = join(folder, 'clone')
    writeClone(run, clone)
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
    const tarball = pack(run, clone, folder)
    files = run(folder, 'tar', '-tzf', tarball)
      .trim()
      .split('\n')
      .map((path) => path.replace('package/', ''))
    installPackage(run, tarball, project)
  }, 10 * minutes)

  afterAll(async () => {
    if (existsSync(join(project, 'node_modules/.bin/puzzleflow'))) puzzleflow('server', 'stop')
    await place.close()
    rmSync(place.environment.XDG_STATE_HOME!, { recursive: true, force: true })
    rmSync(folder, { recursive: true, force: true })
  }, 2 * minutes)

  test('holds what is run, its licence and its declarations, and nothing of tests, examples or the compiler', () => {
    const needed = [
      ...['LICENSE', 'CHANGELOG.md', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts'],
      ...['dist/cli/main.js', 'dist/api/index.d.ts', 'dist/plugins/testing/index.d.ts', 'dist/solver/worker.js'],
      ...['schemas/spec.schema.json', 'plugins/pipelines/puzzle.yaml', 'model/hf/modeling_puzzleflow.py'],
      ...[
        'server/temporal-server/build.mjs',
        'server/temporal-server/main.go',
        'server/temporal-server/hosts.go',
        'server/temporal-server/go.sum',
      ],
    ]
    expect(needed.filter((path) => !files.includes(path))).toEqual([])
    const overlaid = run(root, 'git', 'ls-files', 'server/temporal-server/_overlay').trim().split('\n')
    expect(overlaid.filter((path) => !files.includes(path))).toEqual([])
    expect(
      files.filter((path) => /^(dist\/)?(test|examples|bench)\/|\.map$|tsbuildinfo|(?<!\.d)\.ts$/.test(path)),
    ).toEqual([])
  })

  test('tells its version', () => {
    expect(run(project, 'npx', '--no-install', 'puzzleflow', '--version')).toBe(`${version}\n`)
  })

  test('computes, though the download of libraries for GPUs failed', () => {
    const text = puzzleflow('generate', 'quickstart/parent', '--prompt', 'copy fox', '-n', '3')
    expect(text).toBe('copy fox rope mole yellow\n')
  })

  test('checks and plans the quickstart', () => {
    const { valid, diagnostics } = JSON.parse(puzzleflow('validate', 'quickstart/search.yaml', '--json')) as {
      valid: boolean
      diagnostics: unknown
    }
    expect({ valid, diagnostics }).toEqual({ valid: true, diagnostics: [] })
    expect(puzzleflow('plan', 'quickstart/search.yaml')).toMatch(
      /^quickstart, digest .*, pipeline puzzle\nstage .*\nprepare /,
    )
  })

  // The quickstart's search takes minutes: `npm run try-package` runs it. This one has the same stages.
  test(
    'compiles the program of docs/from-code.md, and finds an acceptable child with it',
    async () => {
      const [, code = ''] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'docs/from-code.md'), 'utf8')) ?? []
      writeFileSync(join(project, 'search.ts'), code)
      const types = [join(root, 'node_modules/@types/node')]
      compile(['search.ts'], { module: 'nodenext', moduleResolution: 'nodenext', types, noEmit: false })
      const tiny = await writeTinySearch()
      try {
        const said = run(project, process.execPath, 'search.js', join(tiny, 'search.yaml'))
        // Nothing was done before: it says only how the search has ended.
        expect(said).toBe(`A child was found. See ${project}/runs/tiny.\n`)
      } finally {
        rmSync(tiny, { recursive: true, force: true })
      }
      expect(puzzleflow('generate', 'runs/tiny/child', '--prompt', 'an ant', '-n', '2')).toMatch(/^an ant \w+/)
    },
    5 * minutes,
  )

  test(
    'is a library for programs that check, plan, run, follow and solve',
    () => {
      writeFileSync(join(project, 'bad.yaml'), 'apiVersion: puzzleflow/v1\nnam: bad\n')
      writeFileSync(join(project, 'program.mjs'), program)
      expect(JSON.parse(run(project, process.execPath, 'program.mjs'))).toEqual({
        mistakes: [],
        stages: 17,
        name: 'quickstart',
        started: true,
        ran: ['prepare'],
        choice: ['half'],
        bad: 'missing-key',
      })
    },
    5 * minutes,
  )

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])(
    'has types for modules of kind %s, resolved as by %s',
    (module, moduleResolution) => {
      writeFileSync(join(project, 'typed.ts'), typed)
      compile(['typed.ts'], { module, moduleResolution })
    },
    3 * minutes,
  )
})
