/** Stages for tests of the engine, loaded by the worker and its child processes instead of the built-in ones. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  Failure,
  type FailureKind,
  type FanOutStage,
  type RunningTask,
  type SingleStage,
  type Stage,
} from '../../api/index.js'
import { approve } from '../../plugins/stages/approve.js'
import { makeLoaded, type Loaded } from '../../plugins/registry.js'
import { socketVariable, type FromStage, type FromTest } from './step-protocol.js'

const parameters = (properties: object = {}) => ({ type: 'object', additionalProperties: false, properties })

/** Waits until the test says what comes out. An abort is told to the test, and leaves a file in the checkpoint. */
function stepped({ threads, checkpoint, signal }: RunningTask, stage: string, task: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(process.env[socketVariable]!)
    const send = (message: FromStage) => socket.write(`${JSON.stringify(message)}\n`)
    const end = (finish: () => void) => socket.end(finish)
    signal.addEventListener('abort', () => {
      mkdirSync(checkpoint, { recursive: true })
      writeFileSync(join(checkpoint, 'saved'), 'state')
      send({ kind: 'aborted' })
      end(() => reject(signal.reason as Error))
    })
    const found = readdirSync(checkpoint)
    send({ kind: 'called', stage, task, pid: process.pid, threads, checkpoint, found })
    createInterface(socket).once('line', (line) => {
      const answer = JSON.parse(line) as FromTest
      if (answer.kind === 'finish') return end(() => resolve(answer.value))
      const { type, message, remedy } = answer
      const options = remedy === undefined ? {} : { remedy }
      end(() => reject(type === undefined ? new Error(message) : new Failure(type as FailureKind, message, options)))
    })
    socket.on('error', reject)
  })
}

/** The spec's items, as a value and as a file. */
const source: SingleStage = {
  name: 'source',
  version: 1,
  reads: ['items'],
  parameters: parameters(),
  async run(context) {
    const items = context.spec.items as string[]
    return { values: { items }, files: { list: await context.put('list', items) } }
  },
}

/** A stepped task for each item, grouped by first letter. */
const each: FanOutStage<{ readonly factor: number }> = {
  name: 'each',
  version: 1,
  reads: [],
  parameters: parameters({ factor: { type: 'number', default: 1 } }),
  async plan({ stages, params }) {
    const { values, files } = stages.source!
    return (values.items as string[]).map((item) => ({
      id: item,
      label: `item ${item}`,
      group: item.slice(0, 1),
      params: { item, factor: params.factor },
      inputs: { list: files.list! },
    }))
  },
  async run(context) {
    const { item, factor } = context.task.params as { item: string; factor: number }
    const value = factor * (await stepped(context, 'each', item))
    return { values: { value }, files: { part: await context.put('part', { item, value }) } }
  },
  async gather({ tasks }) {
    const total = tasks.reduce((sum, { outputs }) => sum + (outputs.values.value as number), 0)
    return {
      values: { total, items: tasks.map(({ plan }) => plan.id) },
      files: Object.fromEntries(tasks.map(({ plan, outputs }) => [plan.id, outputs.files.part!])),
    }
  },
}

/** The same, where some tasks may be missing. */
const some: FanOutStage<{ readonly factor: number }> = {
  ...each,
  name: 'some',
  partial: true,
  async run(context) {
    return { values: { value: await stepped(context, 'some', context.task.id) }, files: {} }
  },
  async gather({ tasks, skipped }) {
    return { values: { done: tasks.map(({ plan }) => plan.id), skipped: [...skipped] }, files: {} }
  },
}

/** One stepped task, which tells its note. */
const step: SingleStage<{ readonly note: string }> = {
  name: 'step',
  version: 1,
  reads: [],
  parameters: parameters({ note: { type: 'string', default: 'step' } }),
  async run(context) {
    return { values: { value: await stepped(context, 'step', context.params.note) }, files: {} }
  },
}

/** What it is given. */
const echo: SingleStage = {
  name: 'echo',
  version: 1,
  reads: [],
  parameters: { type: 'object' },
  async run({ params, stages }) {
    return { values: { params, needs: Object.keys(stages) }, files: {} }
  },
}

/** Only checks, unless it says something all the same. */
const check: SingleStage<{ readonly says: boolean }> = {
  name: 'check',
  checks: true,
  version: 1,
  reads: [],
  parameters: parameters({ limit: { type: 'number' }, says: { type: 'boolean', default: false } }),
  async run({ params }) {
    return { values: params.says ? { limit: 1 } : {}, files: {} }
  },
}

/** So many tasks as its parameter says, done at once, in so many groups if any; every so many of them fails. */
const many: FanOutStage<{
  readonly count: number
  readonly failEvery: number
  readonly offset: number
  readonly groups: number
}> = {
  name: 'many',
  version: 1,
  reads: [],
  partial: true,
  parameters: parameters({
    count: { type: 'number' },
    failEvery: { type: 'number', default: 0 },
    offset: { type: 'number', default: 0 },
    groups: { type: 'number', default: 0 },
  }),
  async plan({ params: { count, failEvery, offset, groups } }) {
    return Array.from({ length: count }, (_, i) => {
      const number = i + offset
      const fails = failEvery > 0 && number % failEvery === 0
      const group = groups > 0 ? { group: `layer${i % groups}` } : {}
      return { id: `task-${number}`, label: `number ${number}`, ...group, params: { number, fails }, inputs: {} }
    })
  },
  async run({ task }) {
    const { number, fails } = task.params as { number: number; fails: boolean }
    if (fails) throw new Failure('NonFinite', `${number} is not a valid number for this.`)
    return { values: { number }, files: {} }
  },
  async gather({ tasks, skipped }) {
    const total = tasks.reduce((sum, { outputs }) => sum + (outputs.values.number as number), 0)
    return { values: { total, done: tasks.length, skipped: skipped.map(({ task }) => task) }, files: {} }
  },
}

/** Two tasks of one name: a mistake of its author. */
const twice: FanOutStage = {
  name: 'twice',
  version: 1,
  reads: [],
  parameters: parameters(),
  async run() {
    return { values: {}, files: {} }
  },
  async plan() {
    const task = { id: 'same', label: 'same', params: {}, inputs: {} }
    return [task, task]
  },
}

/** Takes more memory than its process may have. */
const hungry: SingleStage = {
  name: 'hungry',
  version: 1,
  reads: [],
  parameters: parameters(),
  async run() {
    const held: number[][] = []
    for (;;) held.push(new Array<number>(1_000_000).fill(held.length + 0.5))
  },
}

/** Tasks that hold so many MiB each, which they say or not, until the test lets them go on. */
const holding: FanOutStage<{ readonly sizes: readonly number[]; readonly says: boolean }> = {
  name: 'holding',
  version: 1,
  reads: [],
  parameters: parameters({ sizes: { type: 'array' }, says: { type: 'boolean', default: true } }),
  async plan({ params: { sizes, says } }) {
    return sizes.map((size, i) => ({
      id: `${i}`,
      label: `${size} MiB`,
      params: { size },
      inputs: {},
      ...(says && { memory: size * 2 ** 20 }),
    }))
  },
  async run(context) {
    const { size } = context.task.params as { size: number }
    const held: Buffer[] = []
    while (held.length < size) held.push(Buffer.alloc(2 ** 20, 1))
    return { values: { value: await stepped(context, 'holding', context.task.id), held: held.length }, files: {} }
  },
}

const stages = [
  source,
  each,
  some,
  step,
  echo,
  check,
  many,
  twice,
  hungry,
  holding,
  approve,
] as unknown as readonly Stage[]

export const loadPlugins = (): Loaded => makeLoaded(stages, [], [])
