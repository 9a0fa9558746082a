import type { BlockType, FanOutStage } from '../api/index.js'

type Method = (...args: never[]) => unknown
type MethodOf<T> = { [K in keyof T]-?: NonNullable<T[K]> extends Method ? K : never }[keyof T]
type FieldOf<T> = Exclude<keyof T, MethodOf<T>>

/** What a type of plugin consists of. The records hold every key: the compiler misses one that the interface gains. */
interface Anatomy<T> {
  readonly fields: Readonly<Record<FieldOf<T>, 'needed' | 'optional'>>
  readonly methods: Readonly<Record<MethodOf<T>, 'needed' | 'optional'>>
}

/** Of a stage of many tasks, which has all that a stage can have; without `plan` it is one task. */
export const stageAnatomy: Anatomy<FanOutStage> = {
  fields: {
    name: 'needed',
    version: 'needed',
    parameters: 'needed',
    reads: 'needed',
    taskReads: 'optional',
    exclusive: 'optional',
  },
  methods: { plan: 'optional', run: 'needed', gather: 'optional' },
}

export const blockAnatomy: Anatomy<BlockType> = {
  fields: { name: 'needed', slot: 'needed', version: 'needed', parameters: 'needed', empty: 'optional' },
  methods: {
    variants: 'needed',
    id: 'needed',
    shapes: 'needed',
    initialise: 'needed',
    forward: 'needed',
    state: 'optional',
  },
}

/** A type's fields, and the names of its methods: JSON, but for fields that are none. */
export type Described<T> = Pick<T, FieldOf<T>> & { readonly methods: readonly string[] }

export function describeType<T>(type: object, { fields, methods }: Anatomy<T>): Described<T> {
  const own = type as Readonly<Record<string, unknown>>
  const values = Object.keys(fields).filter((key) => own[key] !== undefined)
  const present = Object.keys(methods).filter((key) => typeof own[key] === 'function')
  return { ...Object.fromEntries(values.map((key) => [key, own[key]])), methods: present } as unknown as Described<T>
}

/** What a type lacks or has wrong, as a sentence's end: `has no run()`. JSON Schema says the rest. */
export function typeProblem(type: object, { methods }: Pick<Anatomy<never>, 'methods'>): string | undefined {
  const own = type as Readonly<Record<string, unknown>>
  for (const [key, need] of Object.entries(methods)) {
    if (own[key] === undefined && need === 'needed') return `has no ${key}()`
    if (own[key] !== undefined && typeof own[key] !== 'function') return `has a \`${key}\` that is no function`
  }
  return undefined
}

/** A stand-in with a described type's fields, whose methods cannot be called: the code stays in child processes. */
export function standIn<T>(description: { readonly name: string; readonly methods: readonly string[] }): T {
  const { methods, ...fields } = description
  const refuse = () => {
    throw new Error(`Internal error: the code of "${description.name}" runs in child processes only`)
  }
  return { ...fields, ...Object.fromEntries(methods.map((name) => [name, refuse])) } as T
}
