/**
 * What plugins with stages rely on, and the mistakes that the compiler finds in them. Nothing here runs: the compiler checks it
 * whenever the project is built.
 */
import {
  definePlugin,
  defineStage,
  type ArtifactRef,
  type FanOutStage,
  type Files,
  type GateStage,
  type JsonObject,
  type Outputs,
  type SingleStage,
  type Stage,
  type TaskPlan,
} from '../../api/index.js'

/** Types that are the same, not just assignable one way; `any` is the same as nothing else. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** States that a value has exactly that type: `is<number>()(value, true)`. */
const is =
  <A>() =>
  <B>(_value: B, _same: Same<A, B>): void =>
    undefined
const common = { version: 1, reads: [], parameters: {} } as const

// Stages as plugins wrote them when parameters were all that had a type: they compile, and see JSON and artifacts by name.

const single: SingleStage<{ readonly top: number }> = {
  name: 'single',
  ...common,
  async run(context) {
    const { params, stages, spec } = context
    is<{ readonly top: number }>()(params, true)
    is<Readonly<Record<string, Outputs>>>()(stages, true)
    is<JsonObject>()(spec, true)
    const words = stages.count!.values.words as number
    return {
      values: { words, text: spec.text as string },
      files: { page: await context.put('report', { top: params.top }) },
    }
  },
}
const fanOut: FanOutStage<{ readonly letters: number }> = {
  name: 'fan-out',
  ...common,
  plan: async ({ params: { letters }, stages }) =>
    Object.entries(stages.split!.files).map(([id, chunk]) => ({
      id,
      label: id,
      params: { letters },
      inputs: { chunk },
    })),
  async run(context) {
    const { params, inputs } = context.task
    is<JsonObject>()(params, true)
    is<Files>()(inputs, true)
    const path = await context.open(inputs.chunk!)
    return {
      values: { letters: params.letters as number },
      files: { counts: await context.put('counts', [path.length]) },
    }
  },
  async gather({ tasks }) {
    return { values: { tasks: tasks.length }, files: { first: tasks[0]!.outputs.files.counts! } }
  },
}
const untyped: Stage = { name: 'untyped', ...common, run: async ({ params }) => ({ values: params, files: {} }) }
const gate: GateStage<{ readonly of: string }> = {
  name: 'gate',
  ...common,
  gate: true,
  ask: ({ params, stages }) => `Is ${params.of} of ${Object.keys(stages).join()} good enough?`,
}
definePlugin({ stages: [defineStage(single), defineStage(fanOut), untyped, defineStage(gate)] })
/** Without a `gather`, and with one task that says nothing else. */
export const least: readonly Stage[] = [
  { name: 'one', ...common, run: async () => ({ values: {}, files: {} }) },
  { name: 'many', ...common, plan: async () => [], run: async () => ({ values: {}, files: {} }) },
]

// Stages that state all their types.

interface Counts {
  readonly words: Readonly<Record<string, number>>
}
type SplitOutputs = Outputs<{ readonly chunks: number }, { readonly text: ArtifactRef; readonly index?: ArtifactRef }>
interface CountParams {
  readonly letters: number
  readonly exact?: boolean
}
interface CountTask {
  readonly params: { readonly letters: number; readonly from: number }
  readonly inputs: { readonly text: ArtifactRef }
  readonly outputs: Outputs<{ readonly words: number }, { readonly counts: ArtifactRef<Counts> }>
}
interface CountNeeds {
  readonly split: SplitOutputs
  /** Pipelines may have it. */
  readonly other?: SplitOutputs
}
type CountOutputs = Outputs<{ readonly words: number }, { readonly counts: ArtifactRef<Counts> }>
interface TextInput {
  readonly text: string
}
type CountStage = FanOutStage<CountParams, CountNeeds, CountOutputs, CountTask, TextInput>

const count: CountStage = {
  name: 'count',
  ...common,
  async plan({ params, stages, spec }) {
    is<CountParams>()(params, true)
    is<TextInput>()(spec, true)
    const { values, files } = stages.split
    is<number>()(values.chunks, true)
    is<ArtifactRef>()(files.text, true)
    is<ArtifactRef | undefined>()(files.index, true)
    is<SplitOutputs | undefined>()(stages.other, true)
    return [{ id: 'all', label: 'all', params: { letters: params.letters, from: 0 }, inputs: { text: files.text } }]
  },
  async run(context) {
    const { params, inputs } = context.task
    is<CountTask['params']>()(params, true)
    is<CountTask['inputs']>()(inputs, true)
    const counts: Counts = { words: { a: params.from } }
    const ref = await context.put('counts', counts)
    is<ArtifactRef<Counts>>()(ref, true)
    return { values: { words: 1 }, files: { counts: ref } }
  },
  async gather({ tasks, stages, skipped }) {
    const [first] = tasks
    is<
      | { readonly plan: TaskPlan<CountTask['params'], CountTask['inputs']>; readonly outputs: CountTask['outputs'] }
      | undefined
    >()(first, true)
    void (skipped satisfies readonly { readonly task: string; readonly reason: string }[])
    return { values: { words: stages.split.values.chunks }, files: { counts: first!.outputs.files.counts } }
  },
}
defineStage(count)

// Mistakes that the compiler must find.

void ({
  ...count,
  // @ts-expect-error it did not say that it needs `solve`
  plan: async ({ stages }) => (void stages.solve, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error there is no such value among the outputs that it needs
  plan: async ({ stages }) => (void stages.split.values.lines, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error there is no such file among the outputs that it needs
  plan: async ({ stages }) => (void stages.split.files.page, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a stage that is not in every pipeline may be missing
  plan: async ({ stages }) => (void stages.other.values, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error it did not say that it reads the model
  plan: async ({ spec }) => (void spec.model, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error it has no such parameter
  plan: async ({ params }) => (void params.top, []),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task's parameters are all there, and of their types
  plan: async () => [{ id: 'a', label: 'a', params: { letters: '1' }, inputs: { text: ref } }],
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task's inputs are all there
  plan: async () => [{ id: 'a', label: 'a', params: { letters: 1, from: 0 }, inputs: {} }],
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task is told of its own parameters only
  run: async ({ task }) => (void task.params.exact, { values: { words: 1 }, files: { counts } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task has no such input
  run: async ({ task }) => (void task.inputs.index, { values: { words: 1 }, files: { counts } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task sees no other stage
  run: async ({ stages }) => (void stages, { values: { words: 1 }, files: { counts } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task leaves the values that it said
  run: async () => ({ values: { lines: 1 }, files: { counts } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a task leaves the files that it said
  run: async () => ({ values: { words: 1 }, files: {} }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error a file holds what was said of it
  run: async (context) => ({ values: { words: 1 }, files: { counts: await context.put('counts', { lines: 1 }) } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error tasks leave no such file
  gather: async ({ tasks }) => (void tasks[0]!.outputs.files.page, { values: { words: 1 }, files: { counts } }),
} satisfies CountStage)
void ({
  ...count,
  // @ts-expect-error the stage leaves the values that it said
  gather: async () => ({ values: {}, files: { counts } }),
} satisfies CountStage)
void ({
  ...gate,
  // @ts-expect-error a stage that waits for a person does no work
  run: async () => ({ values: {}, files: {} }),
} satisfies GateStage<{ readonly of: string }>)
void ({
  ...single,
  // @ts-expect-error the version is a number that is raised by hand
  version: '1',
} satisfies SingleStage<{ readonly top: number }>)
// @ts-expect-error a stage's types are given up in defineStage alone
definePlugin({ stages: [count] })

declare const ref: ArtifactRef
declare const counts: ArtifactRef<Counts>

/** What a stage stores is bytes or JSON; interfaces are JSON too, and so are references to artifacts. */
export async function stores(context: Parameters<typeof single.run>[0], rows: readonly Counts[]): Promise<void> {
  const bytes = await context.put('text', new Uint8Array(1))
  is<ArtifactRef>()(bytes, true)
  await context.put('rows', rows)
  await context.put('list', [1, 'two', null, true, { deep: [{}] }])
  await context.put('index', { first: ref, all: [counts] })
  // @ts-expect-error a function is not JSON
  await context.put('code', () => 1)
  // @ts-expect-error neither is one in an object
  await context.put('code', { run: () => 1 })
  // @ts-expect-error undefined is not JSON
  await context.put('nothing', undefined)
  // @ts-expect-error neither is it in an object
  await context.put('nothing', { a: undefined })
  // @ts-expect-error neither is what may be undefined
  await context.put('nothing', [rows[0]])
  // @ts-expect-error numbers beyond 2^53 are not JSON
  await context.put('number', 1n)
  // @ts-expect-error a symbol is not JSON
  await context.put('symbol', { s: Symbol('s') })
  // @ts-expect-error a date has methods: write a text
  await context.put('date', { at: new Date() })
  // @ts-expect-error neither a map
  await context.put('map', new Map([['a', 1]]))
  // @ts-expect-error numbers are bytes by `new Uint8Array(x.buffer)`, or a list
  await context.put('numbers', { data: new Float32Array(1) })
}
