import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import type { Comparison } from '../../report/comparison.js'
import { readSchema } from '../../schemas/read.js'
import { commandLine, pause } from '../../server/index.js'
import { packageRoot } from '../../store/paths.js'
import { childrenOf } from '../processes.js'
import { makeStateHome } from '../state-home.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

/** A search that is let alone. */
let undisturbed: Place
beforeAll(async () => {
  await testServer()
  const prompts = tinySpec.replace(/(evaluate-child: {)/, '$1 prompts: ./prompts.txt,')
  undisturbed = new Place(await writeTinySearch(prompts), inject('stateHome'))
  writeFileSync(join(undisturbed.folder, 'prompts.txt'), 'an emu is in\nno yak\n')
}, serverTimeout)
afterAll(() => undisturbed.close())

interface Result {
  readonly solutionDigest: string
  readonly verdict: string
  readonly exports: { readonly hf: Readonly<Record<string, { readonly digest: string }>> }
  readonly ratios: Readonly<Record<string, number>>
}
const resultOf = ({ folder }: Place) =>
  JSON.parse(readFileSync(join(folder, 'runs/tiny/result.json'), 'utf8')) as Result

interface TaskRecord {
  readonly finishedAt: string
  readonly components: { readonly stage: string; readonly kind: string }
}
/** Finished tasks by key. */
function records({ store }: Place): Readonly<Record<string, TaskRecord>> {
  const folder = join(store, 'records')
  if (!existsSync(folder)) return {}
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as TaskRecord
  return Object.fromEntries(names.map((name) => [name.slice(-69, -5), read(name)]))
}

/** Keys of tasks that train now and have saved a checkpoint. */
function training({ store }: Place): string[] {
  const folder = join(store, 'checkpoints')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((key) => existsSync(join(folder, key, 'trainer.safetensors')))
}

/** Ends processes as the kernel does it, and waits until they are gone. */
async function kill(pids: readonly number[]): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  // A process that is no child of this one says nothing when it ends: it is looked for.
  while (pids.some((pid) => commandLine(pid) !== '')) await pause(5)
}

/** Process of the server of a state directory. */
const serverOf = (home: string) =>
  (JSON.parse(readFileSync(join(home, 'puzzleflow/server/server.json'), 'utf8')) as { pid: number }).pid

/** Whole searches run here, beside other tests. */
const patience = 300_000

const command = ['run', 'search.yaml', '--heartbeat', '5'] as const

/** What is said of limits that `tinyCosts` cannot meet. */
const beyond = {
  message:
    'throughput >= 10x of the parent cannot be met: the best any choice reaches is 4000, the limit is 4444 tokens/s (over by 11.1 % in runtime)',
  remedy: 'Loosen these limits, or add cheaper block types to `space` (no-op is the cheapest).',
}

test(
  'a search runs to its end, and leaves a valid result, a report and a child that answers',
  async () => {
    const { code, stdout, stderr } = await undisturbed.run(...command)
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '' })
    const result = resultOf(undisturbed)
    const validate = new Ajv2020({ strict: false }).compile(readSchema('result'))
    expect(validate(result), JSON.stringify(validate.errors)).toBe(true)
    expect(result.ratios.parameters).toBeLessThanOrEqual(0.8)
    expect(stderr).toMatch(
      /^The child: [\d.]+x the throughput, [\d.]+ % of the memory, [\d.]+ % of the parameters; .*x the perplexity\. All figures: .*result tiny$/m,
    )
    expect(stderr).toContain(
      `Done: ${undisturbed.folder}/runs/tiny\nReport: ${undisturbed.folder}/runs/tiny/report.html\n`,
    )
    const page = readFileSync(join(undisturbed.folder, 'runs/tiny/report.html'), 'utf8')
    expect(page).toContain(`<b>${result.ratios.throughput!.toFixed(2)}x</b>`)
    const again = await undisturbed.run('report', 'tiny', '-o', 'again.html', '--json')
    expect(JSON.parse(again.stdout)).toEqual({ report: join(undisturbed.folder, 'again.html') })
    expect(readFileSync(join(undisturbed.folder, 'again.html'), 'utf8')).toBe(page)
    const [shown = ''] = /(?<=What parent and child write)[^]*?(?=<h2>)/.exec(page) ?? []
    const prompts = [...shown.matchAll(/<b>Prompt<\/b> ([^<]*)/g)].map(([, prompt]) => prompt)
    expect(prompts.slice(0, 2)).toEqual(['an emu is in', 'no yak'])
    expect(prompts.length).toBeGreaterThan(2)
    const card = readFileSync(join(undisturbed.folder, 'runs/tiny/child/README.md'), 'utf8')
    expect(card).toContain('## Evidence\n\n### ')
    expect(card).toMatch(/\| model.safetensors \| `(sha256[:-])?[0-9a-f]{64}` \|/)
    const { code: answered, stdout: text } = await undisturbed.run(
      'generate',
      'runs/tiny/child',
      '--prompt',
      'an ant',
      '--json',
    )
    expect(answered).toBe(0)
    expect(JSON.parse(text)).toMatchObject({ prompt: [4, 5] })
  },
  patience,
)

test(
  'a run can be watched in a browser to its end, and compared with another',
  async () => {
    // Everything is there already, so the run may end before the page is served.
    expect((await undisturbed.run(...command, '--run', 'twin', '--detach')).code).toBe(0)
    const watched = await undisturbed.run('report', 'twin', '--watch')
    expect(watched, watched.stderr).toMatchObject({
      code: 0,
      stdout: `${undisturbed.folder}/runs/twin/report.html\n`,
    })
    const { stdout } = await undisturbed.run('compare', 'tiny', 'twin')
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^ +tiny +twin$/),
      expect.stringMatching(/^verdict +accepted +accepted$/),
    ])
    expect(stdout).toContain('\nAll settings are the same.\n\nThe children have the same blocks.\n')
    const asJson = JSON.parse((await undisturbed.run('compare', 'tiny', 'twin', '--json')).stdout) as Comparison
    const ratio = resultOf(undisturbed).ratios.throughput
    expect(asJson.figures[0]!.values.map((own) => own!.value)).toEqual([ratio, ratio])
    const page = await undisturbed.run('report', 'tiny', 'twin', '--json')
    expect(JSON.parse(page.stdout)).toEqual({ report: join(undisturbed.folder, 'runs/tiny/comparison.html') })
    const twice = await undisturbed.run('compare', 'tiny', 'tiny', '--json')
    expect(JSON.parse(twice.stdout)).toMatchObject({ error: { message: 'The run "tiny" is named twice' } })
  },
  patience,
)

test(
  'whatever is killed on the way, the same command goes on, does nothing twice and finds the same child',
  async () => {
    // The same search again, with a server of its own, where everything is killed on the way.
    const home = await makeStateHome()
    const disturbed = new Place(await writeTinySearch(), home)
    onTestFinished(async () => {
      await disturbed.run('server', 'stop')
      await disturbed.close()
      rmSync(home, { recursive: true, force: true })
    })
    // What the first search measured counts for the second: times are noise.
    cpSync(join(inject('stateHome'), 'puzzleflow/machine'), join(home, 'puzzleflow/machine'), { recursive: true })
    const interrupted: string[] = []
    /** Runs the command until a task of the stage has saved a checkpoint, then kills its processes. */
    const killIn = async (stage: string, also: () => number[] = () => []) => {
      const run = disturbed.start(...command, '--verbose')
      await run.says(new RegExp(`running: .*${stage}`))
      const done = records(disturbed)
      // A checkpoint is a file that another process writes: it is looked for.
      while (!training(disturbed).some((key) => !(key in done))) await pause(5)
      const worker = disturbed.worker!
      const children = childrenOf(worker)
      expect(children).not.toEqual([])
      await kill([run.process.pid!, worker, ...children, ...also()])
      const before = records(disturbed)
      const [task] = training(disturbed).filter((key) => !(key in before))
      expect(task, `a task of ${stage} was to be interrupted`).toBeDefined()
      interrupted.push(task!)
      return before
    }
    const first = await killIn('distill')
    const second = await killIn('uptrain', () => [serverOf(home)])
    expect(second).toMatchObject(first)
    // What is done can be had, whatever became of the run.
    const scores = await disturbed.run('scores', 'tiny', '--json')
    expect(scores.code, scores.stderr).toBe(0)
    expect((JSON.parse(scores.stdout) as object[])[0]).toMatchObject({ layer: 0, kl: expect.any(Number) as number })
    const costs = await disturbed.run('profile', 'tiny', '-o', 'costs-so-far.json')
    expect(costs.code, costs.stderr).toBe(0)
    const soFar = await disturbed.run('result', 'tiny', '--json')
    expect(soFar.code).toBe(2)
    expect(JSON.parse(soFar.stdout)).toMatchObject({ error: { kind: 'InvalidInput' }, stages: { solve: {} } })

    const run = disturbed.start(...command, '--json', '--verbose')
    expect(await run.says(/run tiny/)).toMatch(/^Continuing run tiny/)
    await run.says(/running: .*uptrain/)
    // The command and its worker outlive the server.
    await kill([serverOf(home)])
    await run.says(/^The server no longer answers: looking for it\.$/)
    const { code, stdout, stderr } = await run.ended
    expect(code, stderr).toBe(0)
    const after = records(disturbed)
    expect(after).toMatchObject(second)
    expect(interrupted.map((key) => after[key]?.components.stage)).toEqual(['distill', 'uptrain'])
    const [expected, result] = [resultOf(undisturbed), resultOf(disturbed)]
    expect(JSON.parse(stdout)).toEqual(result)
    expect(result.solutionDigest).toBe(expected.solutionDigest)
    expect(result.exports.hf['model.safetensors']).toEqual(expected.exports.hf['model.safetensors'])
  },
  patience,
)

test(
  'a finished search that is run again does nothing, and says the same',
  async () => {
    const before = records(undisturbed)
    const result = resultOf(undisturbed)
    const { code, stdout } = await undisturbed.run(...command, '--json')
    expect({ code, result: JSON.parse(stdout) as unknown }).toEqual({ code: 0, result })
    expect(records(undisturbed)).toEqual(before)
  },
  patience,
)

test.concurrent.each([
  ['finds the child of a search', 'tiny.yaml', tinySpec, 0, 'A child was found. See {runs}/tiny.\n', ''],
  [
    'says what limits cannot be met',
    'beyond.yaml',
    tinySpec
      .replace("parameters: '<= 80%'", "throughput: '>= 10x'\n  profile: ./costs.json")
      .replace('name: tiny', 'name: beyond'),
    1,
    '',
    `Infeasible: ${beyond.message}\n${beyond.remedy}\n`,
  ],
  [
    'says what is wrong with a spec',
    'wrong.yaml',
    tinySpec.replace('seed: 3', 'sed: 3'),
    1,
    '',
    'wrong.yaml:16:1 Unknown key "sed": neither a spec nor pipeline "puzzle" has it. (did you mean "seed"?)\n',
  ],
])(
  'the program of docs/from-code.md %s',
  async (_, file, spec, code, found, problem) => {
    const page = readFileSync(join(packageRoot(), 'docs/from-code.md'), 'utf8')
    expect(page).toContain(
      `\`\`\`ts\n${readFileSync(join(packageRoot(), 'examples/from-code/search.ts'), 'utf8')}\`\`\``,
    )
    writeFileSync(join(undisturbed.folder, file), spec)
    const program = join(packageRoot(), 'dist/examples/from-code/search.js')
    const ended = await undisturbed.runProgram(program, file)
    expect(ended.code, ended.stderr).toBe(code)
    expect(ended.stdout.endsWith(found.replace('{runs}', join(undisturbed.folder, 'runs')))).toBe(true)
    expect(ended.stderr.endsWith(problem)).toBe(true)
  },
  patience,
)

test(
  'limits that nobody can meet end the run before anything is trained, with their own exit code',
  async () => {
    const spec = tinySpec
      .replace("parameters: '<= 80%'", "throughput: '>= 10x'\n  profile: ./costs.json")
      .replace('name: tiny', 'name: greedy')
    writeFileSync(join(undisturbed.folder, 'greedy.yaml'), spec)
    const { code, stdout, stderr } = await undisturbed.run('run', 'greedy.yaml', '--json')
    const { message, remedy } = beyond
    expect(JSON.parse(stdout)).toEqual({ error: { kind: 'Infeasible', exitCode: 3, message, remedy } })
    expect(code).toBe(3)
    expect(stderr.endsWith(`${message}\nRemedy: ${remedy}\n`)).toBe(true)
    expect(existsSync(join(undisturbed.folder, 'runs/greedy'))).toBe(false)
  },
  patience,
)

test(
  'a cost table of another scenario is refused',
  async () => {
    const spec = tinySpec
      .replace('  limits:', '  profile: ./costs.json\n  limits:')
      .replace('batch: 2', 'batch: 3')
      .replace('name: tiny', 'name: other')
    writeFileSync(join(undisturbed.folder, 'other.yaml'), spec)
    const { code, stderr } = await undisturbed.run('run', 'other.yaml')
    expect(code).toBe(2)
    expect(stderr).toContain(
      'costs.json: was measured with batch 2, not 3\nRemedy: Export it with `npx puzzleflow profile RUN -o FILE`',
    )
  },
  patience,
)

test(
  'a name whose run is still running another spec is refused; cancelled, it is free',
  async () => {
    const place = new Place(undisturbed.folder, inject('stateHome'), 'empty')
    try {
      // Longer than any machine takes to start three commands.
      const long = tinySpec.replace('uptrain: { tokens: 80k', 'uptrain: { tokens: 80M')
      writeFileSync(join(place.folder, 'long.yaml'), long)
      writeFileSync(join(place.folder, 'changed.yaml'), long.replace('seed: 3', 'seed: 4'))
      const started = await place.run('run', 'long.yaml', '--detach', '--json')
      expect(JSON.parse(started.stdout)).toMatchObject({ run: 'tiny', started: true })
      expect(await place.run('run', 'changed.yaml')).toEqual({
        code: 2,
        stdout: '',
        stderr: `The run "tiny" is still running another spec
Remedy: Wait for it, cancel it (\`npx puzzleflow cancel tiny\`), or give this run another name: --run ID.
`,
      })
      const following = place.start('run', 'long.yaml')
      expect(await following.says(/run tiny/)).toMatch(/^Continuing run tiny/)
      expect((await place.run('cancel', 'tiny')).code).toBe(0)
      const { code, stderr } = await following.ended
      expect(code).toBe(130)
      expect(stderr).toContain('The run was cancelled.\n')
      const changed = await place.run('run', 'changed.yaml', '--detach', '--json')
      expect(JSON.parse(changed.stdout)).toMatchObject({ run: 'tiny', started: true })
      expect((await place.run('cancel', 'tiny')).code).toBe(0)
    } finally {
      await place.endWorker()
    }
  },
  patience,
)
