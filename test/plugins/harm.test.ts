import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { serverTimeout, testServer } from '../temporal.js'
import { folderWith, manifest, addFiles, withPrograms } from './folders.js'

// Where compiled plugins of these tests go.
const cache = process.env.XDG_CACHE_HOME

const folder = folderWith()
const store = join(folder, 'store')
let address: string

beforeAll(async () => {
  const server = await withPrograms(testServer)
  address = server.address
  await server.client.connection.close()
}, serverTimeout)

afterAll(() => {
  for (const name of readdirSync(store).filter((name) => /^worker-.*\.json$/.test(name)))
    process.kill((JSON.parse(readFileSync(join(store, name), 'utf8')) as { pid: number }).pid)
  rmSync(folder, { recursive: true, force: true })
})

/** Runs the command to its end. @returns what it prints as JSON, a result or an error */
async function run(...args: string[]): Promise<Record<string, unknown>> {
  const main = join(packageRoot(), 'dist/cli/main.js')
  const options = ['--address', address, '--store', store, '--json']
  const environment = { ...process.env, XDG_CACHE_HOME: cache, XDG_STATE_HOME: join(folder, 'state') }
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'run', ...args, ...options], {
    cwd: folder,
    env: environment,
  }).catch((error: unknown) => error as { stdout: string })
  return JSON.parse(stdout) as Record<string, unknown>
}

/** What the worker's log says of the tasks of a run that failed: message and remedy, by task. */
function failures(run: string): Record<string, { message: string; remedy: string }> {
  const lines = readFileSync(join(store, 'logs/tasks.log'), 'utf8').trim().split('\n')
  const entries = lines.map((line) => JSON.parse(line) as Record<string, string>)
  const failed = entries.filter((entry) => entry.event === 'task failed' && entry.run === run)
  return Object.fromEntries<{ message: string; remedy: string }>(
    failed.map(
      ({ stage = '', task, message = '', remedy = '' }) =>
        [task === '' ? stage : `${stage}/${task}`, { message, remedy }] as const,
    ),
  )
}

const fault = 'If it is the fault of plugin harmful 1.2.3, tell its author, or leave out what needs it.'

/** What each task does to itself. */
const tasks: Readonly<Record<string, string>> = {
  good: 'return { values: { fine: true }, files: {} }',
  throws: `throw new Error('not today')`,
  rejects: `void Promise.reject(new Error('nobody hears')); await new Promise(() => {})`,
  loops: 'while (true);',
  waits: 'await new Promise(() => setInterval(() => undefined, 1000))',
  exits: 'process.exit(0)',
  fails: 'process.exit(1)',
  kills: `process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})`,
  leaks: 'const kept = []; for (;;) { kept.push(Buffer.alloc(2 ** 24, 1)); await new Promise(setImmediate) }',
  nothing: 'return undefined',
  nan: 'return { values: { scores: [1, NaN] }, files: {} }',
  noise: `for (let i = 0; i < 1000; i++) process.stdout.write('\\u0000garbage'.repeat(100))
    process.send({ kind: 'garbage' }); process.send('garbage'); process.send({}); return { values: { fine: true }, files: {} }`,
}

const harmful = `export default {
  stages: [
    {
      name: 'harm', version: 1, reads: [], partial: true, parameters: {},
      plan: () => ${JSON.stringify(Object.keys(tasks))}.map((id) => ({ id, label: id, params: {}, inputs: {}, blocks: [] })),
      async run({ task }) {
        switch (task.id) {
          ${Object.entries(tasks)
            .map(([id, code]) => `case '${id}': { ${code} }`)
            .join('\n')}
        }
      },
      gather: async ({ tasks, skipped }) => ({ values: { done: tasks.map((t) => t.plan.id), skipped: skipped.map((t) => t.task) }, files: {} }),
    },
    { name: 'harm-plan', version: 1, reads: [], parameters: {}, plan() { throw new Error('no plan') }, async run() {} },
  ],
}`

const spec = (stages: string) => `apiVersion: puzzleflow/v1
name: harm
plugins: [./mine]
pipeline:
  stages:
    ${stages}
`

test(
  'whatever a task of a plugin does, the others finish, and it fails with the plugin, the task and what to do',
  async () => {
    const policy = 'onFailure: continue, retry: { maximumAttempts: 1 }, timeout: 10 s, memory: 500 MiB'
    addFiles(folder, {
      'spec.yaml': spec(`harm: { ${policy} }`),
      'mine/package.json': manifest('harmful'),
      'mine/index.js': harmful,
    })
    const result = await run('spec.yaml', '--allow-plugin', './mine')
    const { done, skipped } = (result as { stages: { harm: { done: string[]; skipped: string[] } } }).stages.harm
    expect(done).toEqual(['good', 'noise'])
    expect(skipped).toEqual(Object.keys(tasks).filter((id) => id !== 'good' && id !== 'noise'))
    const told = failures('harm')
    expect(Object.fromEntries(Object.entries(told).map(([task, { message }]) => [task, message]))).toEqual({
      'harm/throws': 'harm/throws: not today (index.js:9:24 of plugin harmful) (with code of plugin harmful 1.2.3)',
      'harm/rejects':
        'harm/rejects: An error was thrown where nobody waits for it: nobody hears (with code of plugin harmful 1.2.3)',
      'harm/loops':
        'harm/loops: the task took longer than the 10 s that its stage allows (with code of plugin harmful 1.2.3)',
      'harm/waits':
        'harm/waits: the task took longer than the 10 s that its stage allows (with code of plugin harmful 1.2.3)',
      'harm/exits':
        'harm/exits: the process ended with exit code 0 while it worked (with code of plugin harmful 1.2.3)',
      'harm/fails':
        'harm/fails: the process ended with exit code 1 while it worked (with code of plugin harmful 1.2.3)',
      'harm/kills': 'harm/kills: the process was ended by SIGKILL while it worked (with code of plugin harmful 1.2.3)',
      'harm/leaks': expect.stringMatching(
        /^harm\/leaks: the task held \d+ MiB of memory, and its stage allows 500 MiB \(with code of plugin harmful 1\.2\.3\)$/,
      ) as string,
      'harm/nothing': 'harm/nothing: The stage returned no { values, files } (with code of plugin harmful 1.2.3)',
      'harm/nan': 'harm/nan: The stage’s output values.scores.1 is NaN (with code of plugin harmful 1.2.3)',
    })
    for (const { remedy } of Object.values(told)) expect(remedy).toContain(fault)
    expect(told['harm/loops']!.remedy).toContain('Raise the stage’s `timeout:`')
    expect(told['harm/leaks']!.remedy).toContain('Raise the stage’s `memory:`')
  },
  serverTimeout,
)

test(
  'a plugin that cannot plan ends its run with the plugin, the stage and what to do',
  async () => {
    addFiles(folder, {
      'plan.yaml': spec('harm-plan: { retry: { initialInterval: 10 ms } }').replace('harm', 'no-plan'),
    })
    const { error } = await run('plan.yaml', '--allow-plugin', './mine')
    expect(error).toMatchObject({
      kind: 'TaskFailed',
      message:
        'A task failed for good: harm-plan: plan: no plan (index.js:25:80 of plugin harmful) (with code of plugin harmful 1.2.3)',
      remedy: expect.stringContaining(fault) as string,
    })
  },
  serverTimeout,
)

/** A block type that is a matrix, but for what it does wrong. */
const block = (name: string, wrong: Readonly<Record<string, string>>) => {
  const methods = {
    initialise: '(_, { hidden }) => ({ matrix: { shape: [hidden, hidden], data: new Float32Array(hidden * hidden) } })',
    forward: '(g, x, w) => ({ y: g.gemm(x, w.matrix) })',
    ...wrong,
  }
  return `{ name: '${name}', slot: 'ffn', version: 1, parameters: {}, variants: () => [{}], id: () => '${name}',
    shapes: ({ hidden }) => ({ matrix: [hidden, hidden] }), initialise: ${methods.initialise}, forward: ${methods.forward} }`
}

test(
  'block types of a plugin that throw, lie or give NaN lose their own variants; the others are trained',
  async () => {
    const search = await writeTinySearch()
    addFiles(search, {
      'search.yaml': `plugins: [./mine]\n${tinySpec}`
        .replace('name: tiny', 'name: blocks')
        .replace('{ block: swiglu, width: [50%] }', '{ block: swiglu, width: [50%] }, throwing, nan, short, missing')
        .replace('tokens: 60k, batch: 4, besideNoOp: parent', 'tokens: 2k, batch: 4, besideNoOp: none')
        .concat(
          'execution: { distill: { onFailure: continue, minimumSuccess: 10%, retry: { maximumAttempts: 1, initialInterval: 10 ms } } }\n',
        ),
      'mine/package.json': manifest('harmful'),
      'mine/index.js': `export default { blocks: [
        ${block('throwing', { initialise: `() => { throw new Error('no weights') }` })},
        ${block('nan', { initialise: '(_, { hidden }) => ({ matrix: { shape: [hidden, hidden], data: new Float32Array(hidden * hidden).fill(NaN) } })' })},
        ${block('short', { initialise: '(_, { hidden }) => ({ matrix: { shape: [hidden, hidden], data: new Float32Array(3) } })' })},
        ${block('missing', { initialise: '() => ({})' })}
      ] }`,
    })
    await run(join(search, 'search.yaml'), '--allow-plugin', join(search, 'mine'), '--until', 'distill')
    const told = failures('blocks')
    const names = (name: string) => [0, 1].map((layer) => `distill/layer0${layer}/ffn/${name}`)
    expect(Object.keys(told).sort()).toEqual(['missing', 'nan', 'short', 'throwing'].flatMap(names).sort())
    for (const [task, { message, remedy }] of Object.entries(told)) {
      expect(message.startsWith(task.replace('distill/', '')) || message.startsWith(task)).toBe(true)
      expect(message).toContain('(with code of plugin harmful 1.2.3)')
      expect(remedy).toContain(fault)
    }
    rmSync(search, { recursive: true })
  },
  serverTimeout,
)
